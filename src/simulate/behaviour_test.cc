// What a plan says it did is what discovery finds in its spans.
#include <random>

#include "simulate/testing/simulate_fixture.h"

namespace testmesh::simulate {
namespace {

using ::testing::AllOf;
using ::testing::Field;
using ::testing::UnorderedElementsAre;

// Plans `traces` of the system; each must be found as it was told.
void expect_found_as_told(const System& system, uint64_t seed, uint64_t traces) {
  const Planner planner(system, seed);
  Discovery discovery;
  TracePlan plan;
  for (uint64_t i = 0; i < traces; ++i) {
    planner.plan(i, plan);
    const std::string told = behaviour_path(system, plan);
    ASSERT_EQ(discovery.path_of(spans_of(system, plan, seed)), told) << "seed " << seed << ", trace " << i;
    ASSERT_FALSE(discovery.partial());
    ASSERT_EQ(discovery.test(), !system.phases[plan.phase].entries[plan.entry].test.empty());
  }
}

// Systems as nobody would write them, each from a number.
class RandomSystem {
 public:
  explicit RandomSystem(uint64_t seed) : random_(seed) {}

  System make() {
    System system;
    system.rate = 1000;
    system.telemetry.clock_skew = std::chrono::milliseconds(below(2) * 500);
    Phase& phase = system.phases.emplace_back();
    for (uint32_t t = 0; t < 2; ++t) phase.topics.push_back({.name = "topic." + std::to_string(t)});
    const uint32_t services = 3 + below(4);
    for (uint32_t s = 0; s < services; ++s) {
      Service& service = phase.services.emplace_back(Service{.name = "service-" + std::to_string(s)});
      service.version = "1";
      service.language = std::array{"java", "go", "nodejs", "python", "rust"}[below(5)];
      service.instances = 1 + below(3);
      service.conventions = chance(0.3) ? Conventions::kOld : Conventions::kNew;
      service.names_routes = !chance(0.15);
      if (chance(0.2)) service.clock_step = std::chrono::milliseconds(1);
      service.endpoints = {{.method = "GET", .route = "/things/{id}"},
                           {.method = "POST", .route = "/things"},
                           {.kind = EndpointKind::kRpc, .method = "Do", .route = "test.Things"},
                           {.kind = EndpointKind::kConsumer, .topic = s % 2}};
    }
    // Calls go to services further down, and topics 0 before 1, so that none comes back.
    for (uint32_t s = 0; s < services; ++s)
      for (Endpoint& endpoint : phase.services[s].endpoints) {
        const bool consumer = endpoint.kind == EndpointKind::kConsumer;
        endpoint.handler = handler(services, s, consumer ? 2 : 0, phase.services[s].names_routes);
      }
    phase.entries = {
        {.service = 0, .endpoint = 0}, {.service = 0, .endpoint = 1}, {.service = 1, .endpoint = 2}};
    if (phase.services[0].names_routes) phase.entries[0].untraced_caller = chance(0.3);
    if (chance(0.3)) phase.entries[1].test = "a test";
    return system;
  }

 private:
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }

  Handler handler(uint32_t services, uint32_t service, uint32_t least_topic, bool) {
    Handler made;
    made.own = latency();
    if (chance(0.2)) made.fails = 0.2;
    made.fails_at = chance(0.5) ? FailPoint::kBeforeSteps : FailPoint::kAfterSteps;
    made.status = chance(0.2) ? 404 : 500;
    const uint32_t count = below(4);
    for (uint32_t i = 0; i < count; ++i) made.steps.push_back(step(services, service, least_topic, 0, false));
    return made;
  }

  Latency latency() { return {std::chrono::microseconds(50 + below(5000)), chance(0.5) ? 0.6 : 0}; }

  Step step(uint32_t services, uint32_t service, uint32_t least_topic, uint32_t depth, bool parallel) {
    Step made;
    made.latency = latency();
    if (chance(0.3)) made.probability = 0.6;
    if (chance(0.2)) made.cache_hit = 0.5;
    if (made.cache_hit > 0 && !parallel && chance(0.5)) made.cache = Database{.system = "redis"};
    const uint32_t kind = below(depth < 2 ? 8 : 5);
    if (kind >= 6 && !parallel) {
      made.kind = StepKind::kParallel;
      made.cache.reset();
      const uint32_t count = 1 + below(3);
      for (uint32_t i = 0; i < count; ++i)
        made.steps.push_back(step(services, service, least_topic, depth + 1, true));
      return made;
    }
    if (chance(0.2)) made.times = {0, 3};
    if (chance(0.3)) made.fails = 0.3;
    made.failure = chance(0.5) ? FailureKind::kRefused : FailureKind::kAnswered;
    // Beside others nobody can say where an attempt that did something else belongs.
    if (chance(0.4) && !parallel) made.attempts = 3;
    made.on_fail = chance(0.5) ? OnFail::kContinue : OnFail::kStop;
    if (kind == 5 && depth < 2) {
      made.kind = StepKind::kWork;
      made.name = "some work";
      const uint32_t count = below(3);
      for (uint32_t i = 0; i < count; ++i)
        made.steps.push_back(step(services, service, least_topic, depth + 1, false));
    } else if (kind <= 1 && service + 1 < services) {
      made.service = service + 1 + below(services - service - 1);
      made.endpoint = below(3);
    } else if (kind == 2 && least_topic == 0 && service == 0) {
      made.kind = StepKind::kPublish;
      made.topic = below(2);
    } else if (kind == 3) {
      made.kind = StepKind::kExternal;
      made.host = chance(0.5) ? "Api.Example" : "10.1.2.3";
      made.method = "GET";
      made.path = "/x";
    } else {
      made.kind = StepKind::kDatabase;
      made.database = {.system = chance(0.5) ? "postgresql" : "microsoft.sql_server",
                       .name = chance(0.5) ? "things" : "",
                       .access = chance(0.5) ? Access::kRead : Access::kWrite};
    }
    return made;
  }

  std::mt19937_64 random_;
};

TEST(Behaviour, OfTheExampleIsFound) { expect_found_as_told(described(example_system()), 7, 3000); }

TEST(Behaviour, OfRandomSystemsIsFound) {
  constexpr uint64_t kSystems = 300;
  for (uint64_t seed = 1; seed <= kSystems; ++seed) {
    const System system = RandomSystem(seed).make();
    const auto checked = check(system);
    if (!checked) continue;  // some can make more spans than are allowed
    expect_found_as_told(system, seed, 40);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace testmesh::simulate
