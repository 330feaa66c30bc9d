// What a check found, as every form it is told in. Pure functions.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/check_rules.h"
#include "cli/junit_report.h"
#include "cli/sarif_report.h"

namespace testmesh::cli {

enum class Verdict { kOk, kFindings, kNotChecked };
int exit_code_of(Verdict);

struct CheckResult {
  std::vector<RuleOutcome> rules;
  std::string checked_at;  // RFC 3339
  std::string server, workspace, version;
  std::string baseline;  // the file; empty: none
  size_t gone = 0;       // entries of it that no longer occur

  // A rule that could not be checked weighs more than what others found: the
  // answer is not whole.
  Verdict verdict() const;
};

Json check_json(const CheckResult&);
JUnitReport check_junit(const CheckResult&);
SarifRun check_sarif(const CheckResult&);
void print_check(std::ostream&, const CheckResult&, unsigned width, bool colour);

}  // namespace testmesh::cli
