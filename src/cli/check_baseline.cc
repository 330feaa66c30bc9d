#include "cli/check_baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/commands.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

constexpr int kVersion = 1;

// What is compared: a flow that was renamed is the same finding.
using Key = std::pair<std::string, NamedTexts>;
Key key_of(const std::string& rule, NamedTexts identity) {
  std::ranges::sort(identity);
  return {rule, std::move(identity)};
}

bool was_checked(const std::vector<RuleOutcome>& outcomes, const std::string& rule) {
  return std::ranges::any_of(
      outcomes, [&](const RuleOutcome& outcome) { return outcome.rule == rule && outcome.problem.empty(); });
}

// A name that is no UTF-8 reads back as it was written.
std::string as_written(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

Baseline::Entry entry_of(const std::string& rule, const CheckedCase& one) {
  Baseline::Entry entry{.rule = rule, .subject = as_written(one.subject), .identity = {}};
  for (const auto& [name, value] : one.finding->identity)
    entry.identity.emplace_back(name, as_written(value));
  return entry;
}

}  // namespace

Result<Baseline> parse_baseline(std::string_view text, const std::string& file) {
  const auto wrong = [&](std::string_view what) {
    return base::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is no baseline: {} (`testmesh check --write-baseline FILE` makes one)", file, what));
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong("a JSON object was expected");
  if (const double version = number_at(json, "testmesh_baseline"); version != kVersion)
    return wrong(version > kVersion ? "it was written by a newer testmesh"
                                    : fmt::format("\"testmesh_baseline\": {} was expected", kVersion));
  const auto list = json.find("accepted");
  if (list == json.end() || !list->is_array()) return wrong("a list `accepted` was expected");
  Baseline baseline;
  for (const Json& item : *list) {
    const auto identity = item.is_object() ? item.find("identity") : item.end();
    if (!item.is_object() || text_at(item, "rule").empty() || identity == item.end() ||
        !identity->is_object())
      return wrong("each item of `accepted` has a `rule` and an `identity`");
    Baseline::Entry& entry = baseline.accepted.emplace_back();
    entry.rule = text_at(item, "rule");
    entry.subject = text_at(item, "subject");
    for (const auto& [name, value] : identity->items()) {
      if (!value.is_string()) return wrong("the values of an `identity` are texts");
      entry.identity.emplace_back(name, value.get<std::string>());
    }
  }
  return baseline;
}

std::string baseline_text(Baseline baseline) {
  std::ranges::sort(baseline.accepted);
  const auto again = std::ranges::unique(baseline.accepted);
  baseline.accepted.erase(again.begin(), again.end());
  Json list = Json::array();
  for (const Baseline::Entry& entry : baseline.accepted) {
    Json identity = Json::object();
    for (const auto& [name, value] : entry.identity) identity[name] = value;
    list.push_back({{"rule", entry.rule}, {"subject", entry.subject}, {"identity", std::move(identity)}});
  }
  return Json{{"testmesh_baseline", kVersion}, {"accepted", std::move(list)}}.dump(
             2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

size_t accept_findings(std::vector<RuleOutcome>& outcomes, const Baseline& baseline) {
  std::set<Key> accepted, gone;
  for (const Baseline::Entry& entry : baseline.accepted) {
    accepted.insert(key_of(entry.rule, entry.identity));
    if (was_checked(outcomes, entry.rule)) gone.insert(key_of(entry.rule, entry.identity));
  }
  for (RuleOutcome& outcome : outcomes)
    for (CheckedCase& one : outcome.cases) {
      if (!one.finding) continue;
      const Key key = key_of(outcome.rule, entry_of(outcome.rule, one).identity);
      one.finding->accepted = accepted.contains(key);
      gone.erase(key);
    }
  return gone.size();
}

Baseline baseline_of(const std::vector<RuleOutcome>& outcomes, const Baseline& before) {
  Baseline baseline;
  for (const Baseline::Entry& entry : before.accepted)
    if (!was_checked(outcomes, entry.rule)) baseline.accepted.push_back(entry);
  for (const RuleOutcome& outcome : outcomes)
    for (const CheckedCase& one : outcome.cases)
      if (one.finding) baseline.accepted.push_back(entry_of(outcome.rule, one));
  return baseline;
}

}  // namespace testmesh::cli
