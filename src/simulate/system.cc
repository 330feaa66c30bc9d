#include "simulate/system.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "simulate/check.h"
#include "simulate/route.h"

namespace testmesh::simulate {
namespace {

using base::ErrorCode;
using base::Result;

std::unexpected<base::Error> bad(std::string sentence) {
  return base::fail(ErrorCode::kInvalidArgument, std::move(sentence));
}

constexpr uint64_t kTooMany = UINT64_MAX;
uint64_t plus(uint64_t a, uint64_t b) { return a > kTooMany - b ? kTooMany : a + b; }
uint64_t times(uint64_t a, uint64_t b) { return b != 0 && a > kTooMany / b ? kTooMany : a * b; }

// The most spans below each endpoint, and whether one can reach itself.
class Sizes {
 public:
  explicit Sizes(const Phase& phase) : phase_(phase), consumers_(phase.topics.size()) {
    for (uint32_t s = 0; s < phase.services.size(); ++s) {
      const auto& endpoints = phase.services[s].endpoints;
      for (uint32_t e = 0; e < endpoints.size(); ++e)
        if (endpoints[e].kind == EndpointKind::kConsumer) consumers_[endpoints[e].topic].emplace_back(s, e);
    }
  }

  // Of its SERVER or CONSUMER span and all below.
  Result<uint64_t> of(uint32_t service, uint32_t endpoint, uint32_t depth = 0) {
    const std::pair key(service, endpoint);
    if (const auto known = known_.find(key); known != known_.end()) {
      if (known->second.depth + depth <= kMostDepth) return known->second.spans;
      return too_deep();
    }
    if (const auto open = std::ranges::find(open_, key); open != open_.end()) return cycle(open);
    if (depth > kMostDepth) return too_deep();
    open_.push_back(key);
    deepest_.push_back(depth);
    uint64_t spans = 1;
    for (const Step& step : phase_.services[service].endpoints[endpoint].handler.steps) {
      TRY_ASSIGN(const uint64_t more, of_step(step, depth + 1));
      spans = plus(spans, more);
    }
    const uint32_t deepest = deepest_.back();
    deepest_.pop_back();
    if (!deepest_.empty()) deepest_.back() = std::max(deepest_.back(), deepest);
    open_.pop_back();
    known_[key] = {spans, deepest - depth};
    return spans;
  }

 private:
  struct Known {
    uint64_t spans = 0;
    uint32_t depth = 0;  // levels below
  };
  using Keys = std::vector<std::pair<uint32_t, uint32_t>>;

  Result<uint64_t> of_step(const Step& step, uint32_t depth) {
    if (depth > kMostDepth) return too_deep();
    deepest_.back() = std::max(deepest_.back(), depth);
    uint64_t each = step.kind == StepKind::kParallel ? 0 : 1;
    if (step.kind == StepKind::kCall) {
      TRY_ASSIGN(const uint64_t callee, of(step.service, step.endpoint, depth + 1));
      each = plus(each, callee);
      reach(step.service, step.endpoint, depth + 1);
    }
    if (step.kind == StepKind::kPublish) {
      for (const auto& [service, endpoint] : consumers_[step.topic]) {
        TRY_ASSIGN(const uint64_t consumer, of(service, endpoint, depth + 1));
        each = plus(each, consumer);
        reach(service, endpoint, depth + 1);
      }
    }
    for (const Step& below : step.steps) {
      TRY_ASSIGN(const uint64_t more, of_step(below, depth + 1));
      each = plus(each, more);
    }
    const uint64_t all = times(times(each, step.times.most), step.attempts);
    return step.cache ? plus(all, 1) : all;
  }

  // What was known already is as deep here as it was there.
  void reach(uint32_t service, uint32_t endpoint, uint32_t depth) {
    deepest_.back() = std::max(deepest_.back(), depth + known_.at({service, endpoint}).depth);
  }

  Result<uint64_t> cycle(Keys::const_iterator from) const {
    std::string path;
    for (auto at = from; at != open_.end(); ++at) path += name_of(*at) + " -> ";
    return bad(
        fmt::format("Calls go round in a circle: {}{}; a trace of it would never end", path, name_of(*from)));
  }
  Result<uint64_t> too_deep() const {
    return bad(fmt::format("{} leads to steps more than {} levels deep", name_of(open_.front()), kMostDepth));
  }
  std::string name_of(std::pair<uint32_t, uint32_t> key) const {
    const Service& service = phase_.services[key.first];
    return service.name + " " + endpoint_name(phase_, service.endpoints[key.second]);
  }

  const Phase& phase_;
  std::vector<Keys> consumers_;  // by topic
  std::map<std::pair<uint32_t, uint32_t>, Known> known_;
  Keys open_;
  std::vector<uint32_t> deepest_;
};

bool is_share(double value) { return value >= 0 && value <= 1; }
bool is_time(Duration value) { return value >= Duration() && value <= std::chrono::hours(24); }

Result<void> check_latency(const Latency& latency, const std::string& where) {
  if (!is_time(latency.median) || !(latency.sigma >= 0 && latency.sigma <= 10))
    return bad(where + ": a latency must be from 0 to 24 h");
  return {};
}

Result<void> check_step(const Phase& phase, const Step& step, const std::string& where, bool in_parallel,
                        uint32_t depth) {
  if (depth > kMostDepth)
    return bad(fmt::format("{}: steps nest more than {} levels deep", where, kMostDepth));
  TRY(check_latency(step.latency, where));
  if (!is_share(step.probability) || !is_share(step.fails) || !is_share(step.cache_hit))
    return bad(where + ": a probability must be from 0 to 1");
  if (step.times.least > step.times.most || step.times.most > kMostSpansPerTrace)
    return bad(fmt::format("{}: a step can be repeated 0 to {} times", where, kMostSpansPerTrace));
  if (step.attempts < 1 || step.attempts > 100) return bad(where + ": a step has 1 to 100 attempts");
  if (!is_time(step.backoff)) return bad(where + ": a wait must be from 0 to 24 h");
  if (in_parallel && step.cache)
    return bad(where +
               ": a cache that is looked up cannot stand right inside parallel; put a work around it");
  switch (step.kind) {
    case StepKind::kCall: {
      if (step.service >= phase.services.size() ||
          step.endpoint >= phase.services[step.service].endpoints.size())
        return bad(where + ": a call goes to an endpoint that does not exist");
      const Endpoint& endpoint = phase.services[step.service].endpoints[step.endpoint];
      if (endpoint.kind == EndpointKind::kConsumer)
        return bad(where + ": a consumer cannot be called; publish to its topic");
      break;
    }
    case StepKind::kDatabase:
      if (step.database.system.empty()) return bad(where + ": a database has no system");
      break;
    case StepKind::kPublish:
      if (step.topic >= phase.topics.size())
        return bad(where + ": it publishes to a topic that does not exist");
      break;
    case StepKind::kExternal:
      if (step.host.empty()) return bad(where + ": an external call has no host");
      break;
    case StepKind::kWork:
      if (step.name.empty()) return bad(where + ": a work has no name");
      break;
    case StepKind::kParallel:
      if (step.steps.empty()) return bad(where + ": parallel needs at least one step");
      if (step.times.least != 1 || step.times.most != 1 || step.attempts != 1 || step.fails > 0)
        return bad(where + ": parallel takes no times, fails or retry of its own; its steps do");
      break;
  }
  for (const Step& below : step.steps)
    TRY(check_step(phase, below, where, step.kind == StepKind::kParallel, depth + 1));
  return {};
}

Result<void> check_service(const Phase& phase, const Service& service, CheckedPlace& place) {
  if (service.name.empty()) return bad("A service has no name");
  if (service.instances < 1 || service.instances > 1000)
    return bad(service.name + ": a service has 1 to 1000 instances");
  if (!is_share(service.sampling)) return bad(service.name + ": its sampling must be from 0 to 1");
  if (service.clock_step < Duration(1) || service.clock_step > std::chrono::seconds(1))
    return bad(service.name + ": the step of a clock must be from 1 ns to 1 s");
  for (uint32_t e = 0; e < service.endpoints.size(); ++e) {
    const Endpoint& endpoint = service.endpoints[e];
    place.endpoint = e;
    const std::string where = service.name + " " + endpoint_name(phase, endpoint);
    if (endpoint.kind == EndpointKind::kConsumer && endpoint.topic >= phase.topics.size())
      return bad(service.name + " consumes a topic that does not exist");
    if (endpoint.kind == EndpointKind::kHttp) {
      if (const std::string problem = problem_of_route(endpoint.route); !problem.empty())
        return bad(where + ": " + problem);
      if (service.language == "go" && service.names_routes)
        for (const Segment& segment : segments_of(endpoint.route))
          if (segment.parameter.empty() && looks_like_id(segment.text))
            return bad(
                fmt::format("{}: Go's SDK sends no route, only the path, in which '{}' looks like an id",
                            where, segment.text));
    }
    TRY(check_latency(endpoint.handler.own, where));
    if (!is_share(endpoint.handler.fails)) return bad(where + ": a probability must be from 0 to 1");
    if (endpoint.handler.status < 400 || endpoint.handler.status > 599)
      return bad(where + ": the status of a failure is from 400 to 599");
    for (const Step& step : endpoint.handler.steps) TRY(check_step(phase, step, where, false, 1));
  }
  return {};
}

Result<void> check_phase(const Phase& phase, CheckedPlace& place) {
  for (const Topic& topic : phase.topics) TRY(check_latency(topic.delay, topic.name));
  for (uint32_t s = 0; s < phase.services.size(); ++s) {
    place.service = s;
    TRY(check_service(phase, phase.services[s], place));
  }
  place.service = place.endpoint = UINT32_MAX;
  double weights = 0;
  for (const Entry& entry : phase.entries) {
    if (entry.service >= phase.services.size() ||
        entry.endpoint >= phase.services[entry.service].endpoints.size() ||
        phase.services[entry.service].endpoints[entry.endpoint].kind == EndpointKind::kConsumer)
      return bad("Traffic enters at an endpoint that does not exist");
    if (!(entry.weight >= 0 && entry.weight <= 1e9)) return bad("A weight must be from 0 to 1e9");
    weights += entry.weight;
  }
  if (!(weights > 0)) return bad("There is no traffic: no entry has a weight above 0");
  Sizes sizes(phase);
  for (uint32_t s = 0; s < phase.services.size(); ++s) {
    for (uint32_t e = 0; e < phase.services[s].endpoints.size(); ++e) {
      place.service = s;
      place.endpoint = e;
      TRY_ASSIGN(const uint64_t spans, sizes.of(s, e));
      if (spans > kMostSpansPerTrace)
        return bad(fmt::format("{} {} can make {} spans in one trace; at most {} are allowed",
                               phase.services[s].name, endpoint_name(phase, phase.services[s].endpoints[e]),
                               spans == kTooMany ? std::string("endless") : std::to_string(spans),
                               kMostSpansPerTrace));
    }
  }
  return {};
}

bool same_shape(const Phase& a, const Phase& b) {
  const auto same_endpoints = [](const Service& x, const Service& y) {
    return x.name == y.name && x.instances == y.instances && x.endpoints.size() == y.endpoints.size();
  };
  return a.topics.size() == b.topics.size() && std::ranges::equal(a.services, b.services, same_endpoints);
}

}  // namespace

Latency latency_of(Duration p50, Duration p95) {
  constexpr double kNormal95 = 1.6448536269514722;  // of the standard normal distribution
  if (p50 <= Duration() || p95 <= p50) return {p50, 0};
  const double ratio = static_cast<double>(p95.count()) / static_cast<double>(p50.count());
  return {p50, std::log(ratio) / kNormal95};
}

uint64_t most_spans(const Phase& phase, const Entry& entry) {
  const auto spans = Sizes(phase).of(entry.service, entry.endpoint);
  if (!spans) return kTooMany;
  return entry.test.empty() ? *spans : plus(*spans, 2);
}

Result<void> check(const System& system) {
  CheckedPlace place;
  return check(system, place);
}

Result<void> check(const System& system, CheckedPlace& place) {
  if (!(system.rate > 0 && system.rate <= 1e6))
    return bad("The rate must be above 0 and at most 1e6 traces a second");
  const Telemetry& telemetry = system.telemetry;
  for (const double share :
       {telemetry.sampling, telemetry.lost_spans, telemetry.late_spans, telemetry.duplicate_spans})
    if (!is_share(share)) return bad("The shares of telemetry's faults must be from 0 to 1");
  if (!is_time(telemetry.clock_skew) || !is_time(telemetry.late_by))
    return bad("Times of telemetry's faults must be from 0 to 24 h");
  if (telemetry.flush < std::chrono::milliseconds(1) || telemetry.flush > std::chrono::hours(1))
    return bad("The time between two flushes must be from 1 ms to 1 h");
  if (system.phases.empty() || system.phases.front().at != Duration())
    return bad("A system needs a first phase, at 0");
  for (size_t i = 0; i < system.phases.size(); ++i) {
    const Phase& phase = system.phases[i];
    if (i > 0 && phase.at < system.phases[i - 1].at) return bad("Deploys must be in order of time");
    if (!same_shape(system.phases[0], phase))
      return bad("Every phase must have the same services, endpoints and topics at the same positions");
    place = {.phase = i};
    if (auto checked = check_phase(phase, place); !checked) {
      if (i == 0) return checked;
      return bad(fmt::format("After the deploy at {} s: {}", std::chrono::duration<double>(phase.at).count(),
                             checked.error().message));
    }
  }
  return {};
}

std::string endpoint_name(const Phase& phase, const Endpoint& endpoint) {
  switch (endpoint.kind) {
    case EndpointKind::kHttp:
      return endpoint.method + " " + endpoint.route;
    case EndpointKind::kRpc:
      return endpoint.route + "/" + endpoint.method;
    case EndpointKind::kConsumer:
      return "consume " + (endpoint.topic < phase.topics.size() ? phase.topics[endpoint.topic].name : "?");
  }
  return {};
}

}  // namespace testmesh::simulate
