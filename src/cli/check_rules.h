// What `testmesh check` checks. A rule asks the server one question and judges
// the answer; judging is a pure function. Another rule is another entry in
// check_rules().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/remote.h"

namespace testmesh::cli {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

struct CheckOptions {
  // 0.3 is the whole weight of frequency: what is seen a hundred times is at
  // least that risky, and so is what fails in more than half of its traces.
  double min_risk = 0.3;
  // No debt by default: a team that has some starts with a baseline, which does
  // not let new debt in where old debt is paid.
  uint64_t max_uncovered = 0;
  // A single failed trace has a risk above 0.5. Below ten traces the server's
  // own baselines do not trust what they see either (drift_min_baseline).
  uint64_t min_occurrences = 10;
  std::string service, environment;
  bool allow_empty = false;
};

enum class Severity { kWarning, kError };

struct Finding {
  Severity severity = Severity::kError;
  std::string message;    // a sentence without its subject
  NamedTexts evidence;    // for people
  NamedTexts identity;    // what makes it the same finding tomorrow and on another server
  bool accepted = false;  // by the baseline
};

// One thing that was looked at.
struct CheckedCase {
  std::string subject;  // the flow's name
  std::string id;       // the flow's, for `testmesh flows show`
  std::string name;     // the subject and what tells it from others of that name; stable
  std::optional<Finding> finding;
  std::string skipped;  // why it was not judged; empty: it was
  std::string note;     // of one that is fine: what else is to be said
};

struct RuleOutcome {
  std::string rule;
  std::vector<CheckedCase> cases;  // the worst first
  uint64_t allowed = 0;            // so many findings are no failure
  std::string summary;             // counts, in words
  std::string problem;             // why it could not be checked; empty: it was
  double seconds = 0;

  uint64_t new_findings() const;
  uint64_t accepted_findings() const;
  bool failed() const { return new_findings() > allowed; }
};

struct Rule {
  const char* name;
  const char* title;
  const char* description;
  const char* help;
  base::Result<Json> (*query)(Remote&, const CheckOptions&);
  RuleOutcome (*judge)(const Json& answer, const CheckOptions&);
};

std::span<const Rule> check_rules();
const Rule* find_rule(std::string_view name);  // null: there is none

// Findings within what is allowed are warnings; after the baseline had its say.
void settle_severity(RuleOutcome&);

}  // namespace testmesh::cli
