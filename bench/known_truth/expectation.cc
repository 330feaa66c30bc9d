#include "bench/known_truth/expectation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace testmesh::known_truth {
namespace {

using nlohmann::json;
using simulate::Action;
using simulate::Delivery;
using simulate::TracePlan;

constexpr size_t kProblemsKept = 20;
constexpr size_t kSampleEvery = 97;  // traces that are looked at one by one
constexpr size_t kMostSamples = 300;

json key_json(const GraphKey& key) { return json::array({key.type, key.name, key.service, key.system}); }

}  // namespace

Expectation::Expectation(const simulate::System& system, uint64_t seed, base::UnixNanos start)
    : system_(system), seed_(seed), facts_(system, seed, start) {}

std::string Expectation::trace_id(const TracePlan& plan) const {
  return simulate::trace_id_of(seed_, plan.index).to_hex();
}

Expectation::Key Expectation::key_of(const TracePlan& plan, const std::vector<SeenSpan>& spans,
                                     const TruePath& found) const {
  return {.environment = system_.phases[plan.phase].entries[plan.entry].environment,
          .service = std::string(spans[found.entry].service),
          .operation = found.operation,
          .path = found.path};
}

void Expectation::add(const TracePlan& plan) {
  ++traces_;
  for (const simulate::Fate& fate : plan.fates) {
    lost_ += fate.delivery != Delivery::kSent;
    late_ += fate.delivery == Delivery::kSent && fate.late;
    duplicates_ += fate.delivery == Delivery::kSent && fate.duplicate;
  }
  facts_.seen(plan, spans_);
  if (spans_.empty()) return;  // all its spans were lost
  ++arrived_;
  arrived_spans_ += spans_.size();
  const bool damaged = Facts::damaged(plan);
  damaged_ += damaged;
  const TrueTrace truth = true_trace(spans_);
  if (truth.test)
    add_test(plan, truth);
  else
    add_path(plan, truth, damaged);
  if (!damaged) compare_with_behaviour(plan, truth);
  graph_.add(spans_, truth.test);
}

void Expectation::add_path(const TracePlan& plan, const TrueTrace& truth, bool damaged) {
  const bool error = std::ranges::any_of(spans_, &SeenSpan::error);
  Count& count = counts_[key_of(plan, spans_, truth.paths.front())];
  ++(truth.partial ? count.partial : count.whole);
  (truth.partial ? count.partial_errors : count.errors) += error;
  count.undamaged += !damaged;
  if (plan.index % kSampleEvery == 0 && samples_.size() < kMostSamples)
    samples_.push_back({trace_id(plan), truth.paths.front().path, spans_.size()});
  if (count.example.empty() || spans_.size() < count.example_spans) {
    count.example = trace_id(plan);
    count.example_spans = spans_.size();
  }
}

// A test counts once in each flow that it tested.
void Expectation::add_test(const TracePlan& plan, const TrueTrace& truth) {
  ++tests_;
  std::set<Key> tested;
  for (const TruePath& path : truth.paths) tested.insert(key_of(plan, spans_, path));
  for (const Key& key : tested) ++counts_[key].tests;
}

// The plan knows what the trace did without looking at times or ids. Of a trace
// that nothing was lost of, both must say the same.
void Expectation::compare_with_behaviour(const TracePlan& plan, const TrueTrace& truth) {
  const std::string& path = truth.paths.front().path;
  std::string key = std::to_string(plan.entry) + ' ' + simulate::behaviour_key(system_, plan);
  const auto [at, is_new] = path_of_behaviour_.try_emplace(std::move(key), path);
  const bool agrees = at->second == path && !truth.partial && truth.paths.size() == 1 &&
                      (!is_new || simulate::behaviour_path(system_, plan) == path);
  if (!agrees && problems_.size() < kProblemsKept)
    problems_.push_back("the plan and the rules disagree about an undamaged trace\n" + explain(plan));
}

std::string Expectation::json(const SenderFigures& sent) const {
  // A partial trace counts in its flow when whole ones make that flow exist.
  nlohmann::json flows = nlohmann::json::array();
  uint64_t partial = 0, true_flows = 0;
  for (const auto& [key, count] : counts_) {
    if (count.whole == 0) {
      partial += count.partial;
      continue;
    }
    true_flows += count.undamaged > 0;
    flows.push_back({{"environment", key.environment},
                     {"entry_service", key.service},
                     {"entry_operation", key.operation},
                     {"path", key.path},
                     {"tests", count.tests},
                     {"count", count.whole + count.partial},
                     {"errors", count.errors + count.partial_errors},
                     {"example", count.example}});
  }
  nlohmann::json samples = nlohmann::json::array();
  for (const Sample& sample : samples_)
    samples.push_back({{"trace_id", sample.trace_id}, {"path", sample.path}, {"spans", sample.spans}});
  nlohmann::json nodes = nlohmann::json::array(), edges = nlohmann::json::array();
  for (const auto& [key, calls] : graph_.nodes())
    nodes.push_back({{"key", key_json(key)}, {"call_count", calls.calls}, {"error_count", calls.errors}});
  for (const auto& [key, calls] : graph_.edges())
    edges.push_back({{"source", key_json(std::get<0>(key))},
                     {"type", std::get<1>(key)},
                     {"target", key_json(std::get<2>(key))},
                     {"call_count", calls.calls},
                     {"error_count", calls.errors}});
  const nlohmann::json all{{"services", system_.phases[0].services.size()},
                           {"behaviours", path_of_behaviour_.size()},
                           {"traces", arrived_},
                           {"planned_traces", traces_},
                           {"spans", arrived_spans_},
                           {"tests", tests_},
                           {"damaged", damaged_},
                           {"lost", lost_},
                           {"late", late_},
                           {"duplicates", duplicates_},
                           {"flows", flows},
                           {"true_flows", true_flows},
                           {"samples", samples},
                           {"partial_traces", partial},
                           {"problems", problems_},
                           {"resent_requests", sent.lost + sent.refused},
                           {"graph", {{"nodes", nodes}, {"edges", edges}}}};
  return all.dump(1);
}

std::string Expectation::assignment(const TracePlan& plan) const {
  std::vector<SeenSpan> spans;
  facts_.seen(plan, spans);
  if (spans.empty()) return {};
  const TrueTrace truth = true_trace(spans);
  std::string lines;
  for (const TruePath& path : truth.paths) {
    const Key key = key_of(plan, spans, path);
    lines += trace_id(plan) + (truth.test ? "\ttest" : truth.partial ? "\tpartial" : "\twhole");
    for (const std::string* part : {&key.environment, &key.service, &key.operation, &key.path})
      lines += '\t' + *part;
    lines += '\n';
  }
  return lines;
}

std::string Expectation::explain(const TracePlan& plan) const {
  const simulate::Phase& phase = system_.phases[plan.phase];
  constexpr const char* kKinds[] = {"handler", "call", "database", "publish", "external", "work", "test"};
  std::string text =
      "trace " + trace_id(plan) + ", " + std::to_string(plan.actions.size()) + " spans planned\n";
  std::vector<uint32_t> depth(plan.actions.size());
  for (size_t i = 0; i < plan.actions.size(); ++i) {
    const Action& action = plan.actions[i];
    if (action.parent != simulate::kAbsent) depth[i] = depth[action.parent] + 1;
    text += std::string(size_t{2} * depth[i], ' ');
    text += kKinds[static_cast<size_t>(action.kind)];
    text += " in " + (action.service == simulate::kTester ? "tester" : phase.services[action.service].name);
    if (action.endpoint != simulate::kAbsent) {
      uint32_t owner = action.service;
      if (action.kind == simulate::ActionKind::kCall)
        owner = action.step ? action.step->service : phase.entries[plan.entry].service;
      text += ' ' + simulate::endpoint_name(phase, phase.services[owner].endpoints[action.endpoint]);
    }
    if (action.database) text += ' ' + action.database->system + ' ' + action.database->name;
    if (action.attempt > 0) text += " attempt " + std::to_string(action.attempt);
    if (action.error) text += " ERROR";
    text += " group " + std::to_string(action.group) + " at " + std::to_string(action.start.count()) + "+" +
            std::to_string(action.duration.count());
    const simulate::Fate& fate = plan.fates[i];
    if (fate.delivery != Delivery::kSent) text += " LOST";
    if (fate.late) text += " late";
    if (fate.duplicate) text += " twice";
    text += '\n';
  }
  text += "behaviour: " + simulate::behaviour_path(system_, plan) + '\n';
  std::vector<SeenSpan> spans;
  facts_.seen(plan, spans);
  if (spans.empty()) return text + "nothing of it arrives\n";
  const TrueTrace truth = true_trace(spans);
  for (const TruePath& path : truth.paths) {
    const Key key = key_of(plan, spans, path);
    text += truth.test ? "expected, tested: '" : truth.partial ? "expected: partial, '" : "expected: '";
    text += key.environment + "' " + key.service + " -> " + key.operation + ", path " + key.path + '\n';
  }
  return text;
}

}  // namespace testmesh::known_truth
