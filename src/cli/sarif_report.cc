#include "cli/sarif_report.h"

#include <algorithm>

namespace testmesh::cli {
namespace {

const char* text_of(SarifLevel level) {
  switch (level) {
    case SarifLevel::kNote:
      return "note";
    case SarifLevel::kWarning:
      return "warning";
    case SarifLevel::kError:
      return "error";
  }
  return "none";
}

Json message(const std::string& text) { return Json{{"text", text}}; }

Json rule_json(const SarifRule& rule) {
  return Json{{"id", rule.id},
              {"shortDescription", message(rule.title)},
              {"fullDescription", message(rule.description)},
              {"help", message(rule.help)},
              {"defaultConfiguration", {{"level", text_of(rule.level)}}}};
}

Json result_json(const SarifResult& result, const std::vector<SarifRule>& rules) {
  Json json{{"ruleId", result.rule}};
  const auto rule = std::ranges::find(rules, result.rule, &SarifRule::id);
  if (rule != rules.end()) json["ruleIndex"] = rule - rules.begin();
  json["level"] = text_of(result.level);
  json["message"] = message(result.message);
  if (!result.places.empty()) {
    Json places = Json::array();
    for (const SarifPlace& place : result.places) {
      Json one{{"name", place.name}};
      if (!place.qualified_name.empty()) one["fullyQualifiedName"] = place.qualified_name;
      if (!place.kind.empty()) one["kind"] = place.kind;
      places.push_back(std::move(one));
    }
    json["locations"] = Json::array({Json{{"logicalLocations", std::move(places)}}});
  }
  if (!result.fingerprints.empty()) {
    Json prints = Json::object();
    for (const auto& [name, value] : result.fingerprints) prints[name] = value;
    json["partialFingerprints"] = std::move(prints);
  }
  if (result.known) json["baselineState"] = *result.known ? "unchanged" : "new";
  if (result.accepted)
    json["suppressions"] = Json::array(
        {Json{{"kind", "external"}, {"status", "accepted"}, {"justification", *result.accepted}}});
  if (!result.properties.empty()) json["properties"] = result.properties;
  return json;
}

}  // namespace

Json to_sarif(const SarifRun& run) {
  Json driver{{"name", run.tool}};
  if (!run.version.empty()) driver["version"] = run.version;
  driver["rules"] = Json::array();
  for (const SarifRule& rule : run.rules) driver["rules"].push_back(rule_json(rule));
  Json invocation{{"executionSuccessful", run.problems.empty()}};
  if (!run.ended_at.empty()) invocation["endTimeUtc"] = run.ended_at;
  if (!run.problems.empty()) {
    invocation["toolExecutionNotifications"] = Json::array();
    for (const std::string& problem : run.problems)
      invocation["toolExecutionNotifications"].push_back(
          Json{{"level", "error"}, {"message", message(problem)}});
  }
  Json results = Json::array();
  for (const SarifResult& result : run.results) results.push_back(result_json(result, run.rules));
  return Json{{"$schema",
               "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"},
              {"version", "2.1.0"},
              {"runs", Json::array({Json{{"tool", {{"driver", std::move(driver)}}},
                                         {"invocations", Json::array({std::move(invocation)})},
                                         {"columnKind", "unicodeCodePoints"},
                                         {"results", std::move(results)}}})}};
}

std::string sarif_text(const SarifRun& run) {
  return to_sarif(run).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace testmesh::cli
