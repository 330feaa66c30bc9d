// Findings as SARIF 2.1.0, which code hosts and editors read. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/remote.h"

namespace testmesh::cli {

enum class SarifLevel { kNote, kWarning, kError };

struct SarifRule {
  std::string id;
  std::string title;        // a short sentence
  std::string description;  // why it matters
  std::string help;         // what to do about a finding
  SarifLevel level = SarifLevel::kError;
};

// Where in the system, since traces name no files.
struct SarifPlace {
  std::string name, qualified_name, kind;
};

struct SarifResult {
  std::string rule;  // the id of one of the rules
  SarifLevel level = SarifLevel::kError;
  std::string message;
  std::vector<SarifPlace> places;
  // What makes it the same finding in the next run: name and value.
  std::vector<std::pair<std::string, std::string>> fingerprints;
  std::optional<std::string> accepted;  // why it is suppressed
  std::optional<bool> known;  // said in an earlier run, if that was looked at: of all results or none
  Json properties = Json::object();
};

struct SarifRun {
  std::string tool = "testmesh", version;
  std::vector<SarifRule> rules;
  std::vector<SarifResult> results;
  std::string ended_at;               // RFC 3339; empty: not said
  std::vector<std::string> problems;  // why it could not do all of its work
};

// A document with this one run; names that are no UTF-8 are made so in printing.
Json to_sarif(const SarifRun&);
std::string sarif_text(const SarifRun&);

}  // namespace testmesh::cli
