#include "simulate/plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simulate/plan_builder.h"

namespace testmesh::simulate {
namespace {

// From the end of one thing a service does to the start of the next, at least.
constexpr Duration kGap = std::chrono::microseconds(2);
// Between the starts of parallel branches: the loop that starts them takes time.
constexpr Duration kBranchGap = std::chrono::nanoseconds(100);
constexpr Duration kTesterNetwork = std::chrono::milliseconds(1);
constexpr double kMostMedians = 100;

bool drawn(double probability, uint64_t stream) {
  return probability > 0 && (probability >= 1 || unit(mix(stream)) < probability);
}

}  // namespace

Planner::Planner(const System& system, uint64_t seed) : system_(system), seed_(seed) {
  for (const Phase& phase : system.phases) {
    PhaseTables& tables = tables_.emplace_back();
    tables.consumers.resize(phase.topics.size());
    for (uint32_t s = 0; s < phase.services.size(); ++s) {
      const auto& endpoints = phase.services[s].endpoints;
      for (uint32_t e = 0; e < endpoints.size(); ++e)
        if (endpoints[e].kind == EndpointKind::kConsumer)
          tables.consumers[endpoints[e].topic].push_back({s, e});
    }
    double sum = 0;
    for (const Entry& entry : phase.entries) tables.weights.push_back(sum += entry.weight);
  }
}

Duration Planner::start_of(uint64_t index) const {
  const double slot = 1e9 / system_.rate;
  const double jitter = unit(stream_of(seed_, Purpose::kStart, index));
  constexpr double kEndOfTime = 9e18;  // nanoseconds that still fit
  return Duration(static_cast<int64_t>(std::min((static_cast<double>(index) + jitter) * slot, kEndOfTime)));
}

void Planner::plan(uint64_t index, TracePlan& plan) const {
  plan.index = index;
  plan.start = start_of(index);
  plan.phase = 0;
  while (plan.phase + 1 < system_.phases.size() && system_.phases[plan.phase + 1].at <= plan.start)
    ++plan.phase;
  const Phase& phase = system_.phases[plan.phase];
  const auto& weights = tables_[plan.phase].weights;
  const double at = unit(stream_of(seed_, Purpose::kEntry, index)) * weights.back();
  plan.entry = static_cast<uint32_t>(std::ranges::upper_bound(weights, at) - weights.begin());
  plan.entry = std::min(plan.entry, static_cast<uint32_t>(weights.size() - 1));
  plan.choices = mix(plan.phase, plan.entry);

  DrawnChoices choices(stream_of(seed_, Purpose::kChoices, index), plan.choices);
  PlanBuilder(*this, choices, plan, stream_of(seed_, Purpose::kTimes, index)).run(phase.entries[plan.entry]);

  const size_t services = phase.services.size();
  plan.instances.resize(services);
  for (size_t s = 0; s < services; ++s) {
    const uint32_t instances = phase.services[s].instances;
    const uint64_t stream = stream_of(seed_, Purpose::kInstances, index);
    plan.instances[s] = instances <= 1 ? 0 : static_cast<uint32_t>(mix(stream, s) % instances);
  }

  const Telemetry& telemetry = system_.telemetry;
  const uint64_t stream = stream_of(seed_, Purpose::kFates, index);
  const auto silent = [&](double sampling, uint64_t who) {
    return sampling < 1 && !drawn(sampling, mix(stream, who));
  };
  plan.fates.assign(plan.actions.size(), Fate());
  const bool unsampled = silent(telemetry.sampling, 0);
  for (size_t a = 0; a < plan.actions.size(); ++a) {
    Fate& fate = plan.fates[a];
    const uint32_t service = plan.actions[a].service;
    const uint64_t own = mix(stream, a, 1);
    if (unsampled || (service != kTester && silent(phase.services[service].sampling, service + 1))) {
      fate.delivery = Delivery::kUnsampled;
    } else if (drawn(telemetry.lost_spans, own)) {
      fate.delivery = Delivery::kLost;
    } else {
      fate.late = drawn(telemetry.late_spans, own + 1);
      fate.duplicate = drawn(telemetry.duplicate_spans, own + 2);
    }
  }
}

model::TraceId trace_id_of(uint64_t seed, uint64_t index) {
  Random ids(stream_of(seed, Purpose::kIds, index));
  const uint64_t words[] = {ids.next(), ids.next() | 1};  // never all zero
  model::TraceId id;
  std::memcpy(id.bytes.data(), words, sizeof words);
  return id;
}

model::SpanId span_id_of(uint64_t seed, uint64_t index, uint32_t action) {
  const uint64_t word = mix(stream_of(seed, Purpose::kIds, index), action + 1) | 1;
  model::SpanId id;
  std::memcpy(id.bytes.data(), &word, sizeof word);
  return id;
}

void PlanBuilder::run(const Entry& entry) {
  plan_.actions.clear();
  if (entry.test.empty()) {
    handle({}, entry.service, entry.endpoint, Duration());
    return;
  }
  const uint32_t root = open(ActionKind::kTest, {}, kTester, nullptr, Duration());
  const Outcome made = call({.parent = root}, kTester, nullptr, entry.service, entry.endpoint, kGap);
  if (made.failed) fail(root, Failure::kPassedOn, true);
  close(root, made.end + kGap);
}

uint32_t PlanBuilder::open(ActionKind kind, Siblings siblings, uint32_t service, const Step* step,
                           Duration start) {
  const auto position = static_cast<uint32_t>(plan_.actions.size());
  Action& action = plan_.actions.emplace_back();
  action.kind = kind;
  action.attempt = attempt_;
  action.service = service;
  action.parent = siblings.parent;
  action.step = step;
  action.start = start;
  action.occurrence = siblings.occurrence;
  action.group = siblings.group;
  attempt_ = 0;
  return position;
}

void PlanBuilder::close(uint32_t position, Duration end) {
  Action& action = plan_.actions[position];
  action.duration = end - action.start;
  action.end_of_subtree = static_cast<uint32_t>(plan_.actions.size());
}

void PlanBuilder::fail(uint32_t position, Failure failure, bool error) {
  plan_.actions[position].failure = failure;
  plan_.actions[position].error = error;
}

Duration PlanBuilder::draw(const Latency& latency, uint32_t service) {
  double nanos = static_cast<double>(latency.median.count());
  if (latency.sigma > 0) nanos *= std::min(std::exp(latency.sigma * times_.normal()), kMostMedians);
  // A clock that only knows milliseconds would show two shorter ones as one.
  const Duration least =
      service == kTester ? kLeastLatency : std::max(kLeastLatency, phase_.services[service].clock_step);
  return std::max(Duration(static_cast<int64_t>(nanos)), least);
}

PlanBuilder::Outcome PlanBuilder::call(Siblings siblings, uint32_t caller, const Step* step, uint32_t service,
                                       uint32_t endpoint, Duration start) {
  const uint32_t client = open(ActionKind::kCall, siblings, caller, step, start);
  plan_.actions[client].endpoint = endpoint;
  const Duration network = step ? draw(step->latency, caller) : kTesterNetwork;
  const bool fails = step && chooser_.happens(step->fails);
  if (fails && step->failure == FailureKind::kRefused) {
    fail(client, Failure::kRefused, true);
    close(client, start + network);
    return {start + network, true, 0};
  }
  const Siblings below{.parent = client};
  const Outcome answer = fails ? refuse_at_once(below, service, endpoint, start + network / 2)
                               : handle(below, service, endpoint, start + network / 2);
  const Duration end = answer.end + network / 2;
  plan_.actions[client].http_status = answer.http_status;
  if (answer.failed) fail(client, Failure::kPassedOn, true);
  close(client, end);
  return {end, answer.failed, answer.http_status};
}

PlanBuilder::Outcome PlanBuilder::refuse_at_once(Siblings siblings, uint32_t service, uint32_t endpoint,
                                                 Duration start) {
  const uint32_t server = open(ActionKind::kHandler, siblings, service, nullptr, start);
  Action& action = plan_.actions[server];
  action.endpoint = endpoint;
  action.http_status = 503;
  fail(server, Failure::kOwn, true);
  const Duration end = start + draw({}, service);
  close(server, end);
  return {end, true, 503};
}

PlanBuilder::Outcome PlanBuilder::handle(Siblings siblings, uint32_t service, uint32_t endpoint,
                                         Duration start) {
  const Endpoint& described = phase_.services[service].endpoints[endpoint];
  const Handler& handler = described.handler;
  const uint32_t server = open(ActionKind::kHandler, siblings, service, nullptr, start);
  plan_.actions[server].endpoint = endpoint;
  const Duration own = draw(handler.own, service);
  const bool fails = chooser_.happens(handler.fails);
  Outcome outcome{start + own, false, 200};
  if (!fails || handler.fails_at == FailPoint::kAfterSteps) {
    const Duration piece = std::max(own / static_cast<int64_t>(handler.steps.size() + 1), kGap);
    Siblings children{.parent = server};
    outcome = steps(children, service, handler.steps, start + piece, piece);
    outcome.http_status = outcome.failed ? 502 : 200;
    if (outcome.failed) fail(server, Failure::kPassedOn, true);
  }
  if (fails && !outcome.failed) {
    outcome.failed = true;
    outcome.http_status = handler.status;
    fail(server, Failure::kOwn, described.kind != EndpointKind::kHttp || handler.status >= 500);
  }
  plan_.actions[server].http_status = outcome.http_status;
  close(server, outcome.end);
  return outcome;
}

PlanBuilder::Outcome PlanBuilder::steps(Siblings& siblings, uint32_t service, const std::vector<Step>& list,
                                        Duration start, Duration piece) {
  Duration at = start;
  for (const Step& next : list) {
    const Outcome outcome = step(siblings, service, next, at);
    at = outcome.end + piece;
    if (outcome.failed && next.on_fail == OnFail::kStop) return {at, true, 0};
  }
  return {at, false, 0};
}

PlanBuilder::Outcome PlanBuilder::step(Siblings& siblings, uint32_t service, const Step& described,
                                       Duration start) {
  if (!chooser_.happens(described.probability)) return {start, false, 0};
  Duration at = start;
  if (described.cache) {
    const uint32_t lookup = open(ActionKind::kDatabase, siblings, service, &described, at);
    plan_.actions[lookup].database = &*described.cache;
    at += draw({std::chrono::microseconds(300), 0.3}, service);
    close(lookup, at);
    ++siblings.occurrence;
    ++siblings.group;
    at += kGap;
  }
  if (chooser_.happens(described.cache_hit)) return {at, false, 0};
  if (described.kind == StepKind::kParallel) return parallel(siblings, service, described, at);
  const uint32_t times = chooser_.count(described.times);
  Outcome outcome{at, false, 0};
  bool failed = false;
  for (uint32_t i = 0; i < times; ++i) {
    outcome = attempts(siblings, service, described, at);
    ++siblings.occurrence;
    ++siblings.group;
    at = outcome.end + kGap;
    failed |= outcome.failed;
    if (outcome.failed && described.on_fail == OnFail::kStop) break;
  }
  outcome.failed = failed;
  return outcome;
}

PlanBuilder::Outcome PlanBuilder::parallel(Siblings& siblings, uint32_t service, const Step& described,
                                           Duration start) {
  Outcome all{start, false, 0};
  uint32_t started = 0;
  branches(siblings, service, described, start, started, all);
  ++siblings.group;
  return all;
}

void PlanBuilder::branches(Siblings& siblings, uint32_t service, const Step& described, Duration start,
                           uint32_t& started, Outcome& all) {
  // On a clock of whole milliseconds nobody sees them start one after the other.
  const Duration apart = phase_.services[service].clock_step > kBranchGap ? Duration() : kBranchGap;
  for (const Step& branch : described.steps) {
    if (!chooser_.happens(branch.probability) || chooser_.happens(branch.cache_hit)) continue;
    if (branch.kind == StepKind::kParallel) {
      branches(siblings, service, branch, start, started, all);
      continue;
    }
    const uint32_t times = chooser_.count(branch.times);
    for (uint32_t i = 0; i < times; ++i) {
      const Outcome outcome = attempts(siblings, service, branch, start + apart * started++);
      ++siblings.occurrence;
      all.end = std::max(all.end, outcome.end);
      if (outcome.failed && branch.on_fail == OnFail::kStop) all.failed = true;
    }
  }
}

PlanBuilder::Outcome PlanBuilder::attempts(Siblings siblings, uint32_t service, const Step& described,
                                           Duration start) {
  Duration at = start;
  for (uint32_t attempt = 0;; ++attempt) {
    const Outcome outcome = once(siblings, service, described, at, static_cast<uint16_t>(attempt));
    if (!outcome.failed || attempt + 1 >= described.attempts) return outcome;
    at = outcome.end + std::max(described.backoff, kGap);
  }
}

PlanBuilder::Outcome PlanBuilder::once(Siblings siblings, uint32_t service, const Step& described,
                                       Duration start, uint16_t attempt) {
  attempt_ = attempt;
  switch (described.kind) {
    case StepKind::kCall:
      return call(siblings, service, &described, described.service, described.endpoint, start);
    case StepKind::kWork:
      return work(siblings, service, described, start);
    default:
      break;
  }
  const ActionKind kind = described.kind == StepKind::kDatabase  ? ActionKind::kDatabase
                          : described.kind == StepKind::kPublish ? ActionKind::kPublish
                                                                 : ActionKind::kExternal;
  const uint32_t action = open(kind, siblings, service, &described, start);
  if (kind == ActionKind::kDatabase) plan_.actions[action].database = &described.database;
  Outcome outcome{start + draw(described.latency, service), chooser_.happens(described.fails), 0};
  if (kind == ActionKind::kExternal)
    outcome.http_status = !outcome.failed ? 200 : described.failure == FailureKind::kRefused ? 0 : 503;
  plan_.actions[action].http_status = outcome.http_status;
  if (outcome.failed) {
    const bool refused = kind == ActionKind::kExternal && described.failure == FailureKind::kRefused;
    fail(action, refused ? Failure::kRefused : Failure::kOwn, true);
  }
  if (kind == ActionKind::kPublish && !outcome.failed) {
    const Latency& delay = phase_.topics[described.topic].delay;
    uint32_t occurrence = 0;
    for (const auto& consumer : tables_.consumers[described.topic])
      handle({.parent = action, .occurrence = occurrence++}, consumer.service, consumer.endpoint,
             outcome.end + draw(delay, consumer.service));
  }
  close(action, outcome.end);
  return outcome;
}

PlanBuilder::Outcome PlanBuilder::work(Siblings siblings, uint32_t service, const Step& described,
                                       Duration start) {
  const uint32_t span = open(ActionKind::kWork, siblings, service, &described, start);
  const Duration own = draw(described.latency, service);
  const Duration piece = std::max(own / static_cast<int64_t>(described.steps.size() + 1), kGap);
  Siblings children{.parent = span};
  Outcome outcome = steps(children, service, described.steps, start + piece, piece);
  if (outcome.failed) {
    fail(span, Failure::kPassedOn, true);
  } else if (chooser_.happens(described.fails)) {
    outcome.failed = true;
    fail(span, Failure::kOwn, true);
  }
  close(span, outcome.end);
  return outcome;
}

}  // namespace testmesh::simulate
