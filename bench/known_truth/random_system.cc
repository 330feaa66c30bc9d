#include "bench/known_truth/random_system.h"

#include <algorithm>
#include <string>

#include "base/result.h"
#include "bench/workload.h"
#include "simulate/plan.h"

namespace testmesh::known_truth {
namespace {

using simulate::Access;
using simulate::Database;
using simulate::Endpoint;
using simulate::EndpointKind;
using simulate::Handler;
using simulate::Step;
using simulate::StepKind;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr const char* kServiceNames[] = {"gateway", "orders",  "users",     "stock",   "billing",
                                         "mailer",  "search",  "reviews",   "pricing", "shipping",
                                         "fraud",   "catalog", "inventory", "ledger",  "reports"};
constexpr const char* kThings[] = {"orders", "users",  "items",   "invoices",
                                   "carts",  "offers", "parcels", "notes"};
constexpr const char* kLanguages[] = {"java", "go", "python", "nodejs"};
constexpr const char* kDatabaseSystems[] = {"postgresql", "mysql", "mongodb", "microsoft.sql_server"};

// `boldness` scales how much is left to chance; fewer chances, fewer behaviours.
class Maker {
 public:
  Maker(uint64_t seed, double boldness) : random_(seed), boldness_(boldness) {}

  simulate::System make() {
    simulate::System system;
    system.rate = 500;
    system.telemetry = {.sampling = 1,
                        .lost_spans = 0.005,
                        .duplicate_spans = 0.01,
                        .late_spans = 0.02,
                        .late_by = std::chrono::seconds(20),
                        .clock_skew = milliseconds(500),
                        .flush = std::chrono::seconds(5)};
    phase_.what = "as it is";
    services_ = 3 + random_.below(13);
    has_holes_ = chance(0.2);
    for (uint32_t i = 0; i < services_; ++i) phase_.services.push_back(service(i));
    topics();
    // From the last, so that whatever is called has its endpoints already.
    for (uint32_t i = services_; i-- > 0;) fill(i);
    entries();
    system.phases.push_back(std::move(phase_));
    return system;
  }

 private:
  bool chance(double p) { return static_cast<double>(random_.next() >> 11) * 0x1p-53 < p; }
  bool bold(double p) { return chance(p * boldness_); }
  uint32_t between(uint32_t low, uint32_t high) { return low + random_.below(high - low + 1); }
  double share(double low, double high) {
    return low + (high - low) * static_cast<double>(random_.next() >> 11) * 0x1p-53;
  }
  template <size_t kCount>
  const char* pick(const char* const (&from)[kCount]) {
    return from[random_.below(kCount)];
  }
  simulate::Latency latency() { return {microseconds(between(5'000, 30'000)), share(0, 0.2)}; }

  simulate::Service service(uint32_t i) {
    simulate::Service made;
    made.name = kServiceNames[i];
    made.version = "1." + std::to_string(between(0, 9));
    made.language = pick(kLanguages);
    made.instances = between(1, 3);
    made.conventions = chance(0.5) ? simulate::Conventions::kOld : simulate::Conventions::kNew;
    if (has_holes_ && chance(0.3)) made.sampling = share(0.7, 0.98);
    made.names_routes = i > 0 || chance(0.7);
    if (made.language == "nodejs") made.clock_step = milliseconds(1);
    return made;
  }

  // A topic's consumers all come after its publishers, so that nothing goes round.
  void topics() {
    const uint32_t count = between(1, 4);
    for (uint32_t t = 0; t < count; ++t) {
      simulate::Topic topic;
      topic.name = std::string(pick(kThings)) + "." + std::to_string(t);
      topic.system = chance(0.7) ? "kafka" : "rabbitmq";
      topic.delay = {microseconds(between(1'000, 40'000)), 0.3};
      phase_.topics.push_back(topic);
      first_consumer_.push_back(between(1, services_ - 1));
    }
  }

  void fill(uint32_t i) {
    const uint32_t endpoints = between(1, 3);
    for (uint32_t e = 0; e < endpoints; ++e) {
      Endpoint made;
      if (chance(0.75) || i == 0) {
        made.kind = EndpointKind::kHttp;
        made.method = chance(0.6) ? "GET" : chance(0.7) ? "POST" : "PUT";
        made.route = std::string("/") + (chance(0.5) ? "api/v1/" : "") + pick(kThings) + "-" +
                     static_cast<char>('a' + e);
        if (chance(0.5)) made.route += chance(0.5) ? "/{id}" : "/{orderId}/lines";
      } else {
        made.kind = EndpointKind::kRpc;
        made.method = chance(0.5) ? "Get" : "Reserve";
        made.route = "shop." + std::string(kServiceNames[i]) + std::to_string(e);
      }
      made.handler = handler(i);
      phase_.services[i].endpoints.push_back(std::move(made));
    }
    for (uint32_t t = 0; t < phase_.topics.size(); ++t) {
      if (first_consumer_[t] == i || (first_consumer_[t] < i && chance(0.25))) {
        Endpoint made;
        made.kind = EndpointKind::kConsumer;
        made.topic = t;
        made.handler = handler(i);
        phase_.services[i].endpoints.push_back(std::move(made));
      }
    }
  }

  Handler handler(uint32_t i) {
    Handler made;
    made.own = latency();
    if (bold(0.15)) {
      made.fails = share(0.01, 0.1);
      made.fails_at = chance(0.5) ? simulate::FailPoint::kBeforeSteps : simulate::FailPoint::kAfterSteps;
      made.status = chance(0.8) ? 500 : 404;
    }
    made.steps = steps(i, i == 0 ? between(2, 4) : between(0, 3), 0);
    return made;
  }

  std::vector<Step> steps(uint32_t i, uint32_t count, uint32_t depth) {
    std::vector<Step> made;
    made.reserve(count);
    for (uint32_t s = 0; s < count; ++s) made.push_back(step(i, depth, false));
    return made;
  }

  Step step(uint32_t i, uint32_t depth, bool inside_parallel) {
    Step made;
    made.latency = latency();
    const double dice = share(0, 1);
    if (dice < 0.4 && i + 1 < services_) {
      call(made, i);
    } else if (dice < 0.5 && can_publish(i)) {
      made.kind = StepKind::kPublish;
      do made.topic = random_.below(static_cast<uint32_t>(phase_.topics.size()));
      while (first_consumer_[made.topic] <= i);
    } else if (dice < 0.58) {
      made.kind = StepKind::kExternal;
      made.host = std::string("api.") + pick(kThings) + ".example.com";
      made.method = chance(0.5) ? "GET" : "POST";
      made.path = std::string("/v2/") + pick(kThings);
    } else if (dice < 0.7 && depth < 2) {
      made.kind = StepKind::kWork;
      made.name = std::string("prepare ") + pick(kThings);
      made.steps = steps(i, between(1, 2), depth + 1);
    } else if (dice < 0.82 && depth < 2 && !inside_parallel) {
      made.kind = StepKind::kParallel;
      const uint32_t branches = between(2, 4);
      for (uint32_t b = 0; b < branches; ++b) made.steps.push_back(step(i, depth + 1, true));
    } else {
      made.kind = StepKind::kDatabase;
      made.database = database(i, chance(0.6) ? Access::kRead : Access::kWrite);
    }
    chances(made, i, inside_parallel);
    return made;
  }

  bool can_publish(uint32_t i) const {
    return std::ranges::any_of(first_consumer_, [&](uint32_t first) { return first > i; });
  }

  void call(Step& made, uint32_t i) {
    made.kind = StepKind::kCall;
    std::vector<uint32_t> endpoints;
    while (endpoints.empty()) {
      made.service = between(i + 1, services_ - 1);
      const auto& all = phase_.services[made.service].endpoints;
      for (uint32_t e = 0; e < all.size(); ++e)
        if (all[e].kind != EndpointKind::kConsumer) endpoints.push_back(e);
    }
    made.endpoint = endpoints[random_.below(static_cast<uint32_t>(endpoints.size()))];
  }

  Database database(uint32_t i, Access access) {
    Database made{
        .system = kDatabaseSystems[i % 4], .name = {}, .collection = pick(kThings), .access = access};
    made.name = std::string(kServiceNames[i]) + (chance(0.7) ? "" : "-archive");
    return made;
  }

  // What is left to chance about a step.
  void chances(Step& made, uint32_t i, bool inside_parallel) {
    if (bold(0.2)) made.probability = share(0.1, 0.9);
    if (made.kind != StepKind::kParallel && chance(0.2)) made.times = {1, between(2, 4)};
    const bool may_fail = made.kind == StepKind::kCall || made.kind == StepKind::kDatabase ||
                          made.kind == StepKind::kExternal || made.kind == StepKind::kPublish;
    if (may_fail && bold(0.25)) {
      made.fails = share(0.02, 0.25);
      made.failure = chance(0.5) ? simulate::FailureKind::kAnswered : simulate::FailureKind::kRefused;
      // Attempts of a branch that fail in different ways come in the order of their
      // times, and whether a later one still runs beside the other branches is chance.
      made.attempts = inside_parallel ? 1 : between(1, 3);
      made.backoff = milliseconds(between(2, 50));
      made.on_fail = chance(0.5) ? simulate::OnFail::kStop : simulate::OnFail::kContinue;
    }
    if (made.kind == StepKind::kCall && !inside_parallel && bold(0.2)) {
      made.cache_hit = share(0.1, 0.9);
      made.cache = Database{.system = "redis",
                            .name = chance(0.5) ? "" : std::string(kServiceNames[i]) + "-cache",
                            .collection = {},
                            .access = Access::kRead};
    }
  }

  void entries() {
    constexpr const char* kEnvironments[] = {"", "staging", "production"};
    const uint32_t count = between(2, 6);
    for (uint32_t n = 0; n < count; ++n) {
      simulate::Entry made;
      made.service = chance(0.7) ? 0 : random_.below(services_);
      const auto& endpoints = phase_.services[made.service].endpoints;
      do made.endpoint = random_.below(static_cast<uint32_t>(endpoints.size()));
      while (endpoints[made.endpoint].kind == EndpointKind::kConsumer);
      made.weight = share(0.2, 3);
      made.environment = pick(kEnvironments);
      made.untraced_caller = chance(0.2);
      phase_.entries.push_back(made);
      if (!chance(0.3)) continue;
      made.weight *= 0.1;
      made.untraced_caller = false;
      made.test = std::string("tests ") + pick(kThings);
      phase_.entries.push_back(made);
    }
  }

  bench::Random random_;
  const double boldness_;
  uint32_t services_ = 0;
  bool has_holes_ = false;
  simulate::Phase phase_;
  std::vector<uint32_t> first_consumer_;  // by topic
};

bool few_behaviours(const simulate::System& system) {
  for (uint32_t e = 0; e < system.phases[0].entries.size(); ++e) {
    if (simulate::most_spans(system.phases[0], system.phases[0].entries[e]) > 400) return false;
    if (simulate::enumerate(system, 0, e, 5'000).behaviours.size() > kMostBehaviours) return false;
  }
  return true;
}

}  // namespace

simulate::System random_system(uint64_t seed) {
  for (uint64_t attempt = 0;; ++attempt) {
    // Nothing left to chance in the end.
    const double boldness = std::max(0.0, 1 - 0.05 * static_cast<double>(attempt));
    simulate::System system = Maker(seed * 1000 + attempt, boldness).make();
    system.name = "random " + std::to_string(seed);
    if (few_behaviours(system)) {
      const auto checked = simulate::check(system);
      if (!checked) std::fprintf(stderr, "%s\n", checked.error().message.c_str());
      CHECK(checked.has_value());
      return system;
    }
    CHECK(attempt < 1000);
  }
}

}  // namespace testmesh::known_truth
