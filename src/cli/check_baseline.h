// The findings that a team accepts for now, in a file beside its code: only
// what is not in it fails.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/check_rules.h"

namespace testmesh::cli {

struct Baseline {
  struct Entry {
    std::string rule, subject;
    NamedTexts identity;  // Finding's
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> accepted;
};

// `file` is for the sentence of the error.
base::Result<Baseline> parse_baseline(std::string_view text, const std::string& file);
// The same for the same findings, whatever their order: a file to commit.
std::string baseline_text(Baseline);

// Marks the findings that the baseline accepts; how many of its entries, of the
// rules that could be checked, no longer occur.
size_t accept_findings(std::vector<RuleOutcome>&, const Baseline&);
// Every finding of the outcomes, and the entries of `before` whose rules were not checked.
Baseline baseline_of(const std::vector<RuleOutcome>&, const Baseline& before);

}  // namespace testmesh::cli
