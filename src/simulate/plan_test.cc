// What happens in traces, and that it follows from the seed alone.
#include <thread>

#include "simulate/testing/simulate_fixture.h"
#include "simulate/truth.h"

namespace testmesh::simulate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

bool same(const TracePlan& a, const TracePlan& b) {
  const auto same_action = [](const Action& x, const Action& y) {
    return x.kind == y.kind && x.failure == y.failure && x.service == y.service && x.parent == y.parent &&
           x.start == y.start && x.duration == y.duration && x.attempt == y.attempt && x.step == y.step;
  };
  const auto same_fate = [](const Fate& x, const Fate& y) {
    return x.delivery == y.delivery && x.late == y.late && x.duplicate == y.duplicate;
  };
  return a.choices == b.choices && a.start == b.start && a.phase == b.phase && a.entry == b.entry &&
         a.instances == b.instances && std::ranges::equal(a.actions, b.actions, same_action) &&
         std::ranges::equal(a.fates, b.fates, same_fate);
}

// How often something is so, of `traces` plans.
template <typename Is>
double share(const System& system, uint64_t traces, const Is& is) {
  const Planner planner(system, 5);
  TracePlan plan;
  uint64_t yes = 0;
  for (uint64_t i = 0; i < traces; ++i) {
    planner.plan(i, plan);
    yes += is(plan) ? 1 : 0;
  }
  return static_cast<double>(yes) / static_cast<double>(traces);
}

size_t count(const TracePlan& plan, ActionKind kind) {
  return static_cast<size_t>(std::ranges::count(plan.actions, kind, &Action::kind));
}

TEST(Plan, FollowsFromSystemSeedAndIndexAlone) {
  const System system = described(example_system());
  const Planner planner(system, 42), again(system, 42), other(system, 43);
  TracePlan used;
  for (uint64_t i = 200; i-- > 0;) again.plan(i, used);  // what was planned before does not matter
  size_t different = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    again.plan(i, used);
    EXPECT_TRUE(same(planner.plan(i), used)) << i;
    different += same(planner.plan(i), other.plan(i)) ? 0 : 1;
  }
  EXPECT_EQ(different, 200u);
}

TEST(Plan, IsTheSameOnEveryThread) {
  const System system = described(example_system());
  const Planner planner(system, 42);
  std::vector<TracePlan> first(100), second(100);
  std::thread thread([&] {
    for (uint64_t i = 0; i < 100; ++i) planner.plan(i, first[i]);
  });
  for (uint64_t i = 0; i < 100; ++i) planner.plan(i, second[i]);
  thread.join();
  for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(same(first[i], second[i])) << i;
}

TEST(Plan, FaultsOfTelemetryChangeNothingThatHappens) {
  const System plain = described(example_system());
  System faulty = plain;
  faulty.telemetry = {.sampling = 0.5, .lost_spans = 0.1, .duplicate_spans = 0.1, .late_spans = 0.1};
  const Planner one(plain, 1), two(faulty, 1);
  for (uint64_t i = 0; i < 100; ++i) {
    TracePlan a = one.plan(i), b = two.plan(i);
    EXPECT_EQ(a.choices, b.choices);
    ASSERT_EQ(a.actions.size(), b.actions.size());
    for (size_t k = 0; k < a.actions.size(); ++k) {
      EXPECT_EQ(a.actions[k].start, b.actions[k].start);
      EXPECT_EQ(a.actions[k].duration, b.actions[k].duration);
    }
  }
}

TEST(Plan, EqualChoicesAreEqualBehaviour) {
  const System system = described(example_system());
  const Planner planner(system, 3);
  std::map<uint64_t, std::string> behaviour;
  for (uint64_t i = 0; i < 5000; ++i) {
    const TracePlan plan = planner.plan(i);
    const auto known = behaviour.emplace(plan.choices, behaviour_key(system, plan)).first;
    EXPECT_EQ(known->second, behaviour_key(system, plan)) << i;
  }
  EXPECT_LT(behaviour.size(), 600u);
}

TEST(Plan, TracesStartOneAfterTheOtherAtTheRate) {
  const System system = shop_that("- db: redis", "rate: 50/s\n");
  const Planner planner(system, 1);
  for (uint64_t i = 1; i < 1000; ++i) EXPECT_LE(planner.start_of(i - 1), planner.start_of(i));
  EXPECT_GE(planner.start_of(500), seconds(10));
  EXPECT_LT(planner.start_of(500), seconds(10) + milliseconds(20));
}

TEST(Plan, ChildrenLieInsideTheirParentsAndStepsFollowEachOther) {
  const System system = described(example_system());
  const Planner planner(system, 9);
  for (uint64_t i = 0; i < 500; ++i) {
    const TracePlan plan = planner.plan(i);
    for (uint32_t a = 1; a < plan.actions.size(); ++a) {
      const Action& action = plan.actions[a];
      const Action& parent = plan.actions[action.parent];
      EXPECT_LT(action.parent, a);
      EXPECT_GE(parent.end_of_subtree, action.end_of_subtree);
      EXPECT_GE(action.start, parent.start);
      if (parent.kind != ActionKind::kPublish) {
        EXPECT_LE(action.start + action.duration, parent.start + parent.duration);
      }
      for (uint32_t b = action.parent + 1; b < a; ++b) {
        const Action& before = plan.actions[b];
        if (before.parent != action.parent || before.group == action.group) continue;
        EXPECT_LT(before.start + before.duration, action.start);
      }
    }
  }
}

TEST(Plan, OptionalStepsHappenAsOftenAsTheySay) {
  const System system = shop_that("- db: redis\n  probability: 30%");
  EXPECT_NEAR(share(system, 10'000, [](const TracePlan& p) { return p.actions.size() == 2; }), 0.3, 0.02);
}

TEST(Plan, ACacheSkipsTheStepAndIsAskedFirst) {
  const System system = shop_that("- call: user GET /users/{id}\n  cache: {hit: 75%, db: redis}");
  EXPECT_NEAR(share(system, 10'000, [](const TracePlan& p) { return count(p, ActionKind::kCall) == 0; }),
              0.75, 0.02);
  EXPECT_EQ(share(system, 100, [](const TracePlan& p) { return p.actions[1].kind == ActionKind::kDatabase; }),
            1);
}

TEST(Plan, LoopsRunWithinTheirRange) {
  const System system = shop_that("- db: redis\n  times: 2..4");
  for (const size_t times : {2, 3, 4})
    EXPECT_NEAR(
        share(system, 10'000, [&](const TracePlan& p) { return count(p, ActionKind::kDatabase) == times; }),
        1.0 / 3, 0.02);
}

TEST(Plan, AFailedAttemptIsTriedAgain) {
  const System system =
      shop_that("- call: user GET /users/{id}\n  fails: 50%\n  retry: {attempts: 3, wait: 50ms}");
  // All three fail once in eight.
  EXPECT_NEAR(share(system, 10'000, [](const TracePlan& p) { return p.actions[0].error; }), 0.125, 0.02);
  const Planner planner(system, 1);
  for (uint64_t i = 0;; ++i) {
    const TracePlan plan = planner.plan(i);
    if (count(plan, ActionKind::kCall) != 3 || plan.actions[0].error) continue;
    std::vector<uint16_t> attempts;
    std::vector<bool> errors;
    Duration last_end{};
    for (const Action& action : plan.actions) {
      if (action.kind != ActionKind::kCall) continue;
      attempts.push_back(action.attempt);
      errors.push_back(action.error);
      if (action.attempt > 0) {
        EXPECT_EQ(action.start - last_end, milliseconds(50));
      }
      EXPECT_EQ(action.occurrence, 0u);
      last_end = action.start + action.duration;
    }
    EXPECT_THAT(attempts, ElementsAre(0, 1, 2));
    EXPECT_THAT(errors, ElementsAre(true, true, false));
    break;
  }
}

TEST(Plan, ARefusedCallHasNothingBelowAndAnAnsweredOneItsServer) {
  const auto below = [](const std::string& as) {
    const System system = shop_that("- call: user GET /users/{id}\n  fails: {share: 100%, as: " + as + "}");
    return Planner(system, 1).plan(0).actions.size() - 2;
  };
  EXPECT_EQ(below("refused"), 0u);
  EXPECT_EQ(below("answered"), 1u);
}

TEST(Plan, AFailureStopsTheRouteUnlessItGoesOn) {
  const auto actions = [](const std::string& more) {
    return Planner(shop_that("- db: redis\n  fails: 100%\n" + more + "- publish: x"), 1).plan(0).actions;
  };
  // The system is gone when they are looked at: nothing here follows a pointer.
  const auto stops = actions(""), goes_on = actions("  on_fail: continue\n");
  EXPECT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[0].failure, Failure::kPassedOn);
  EXPECT_EQ(stops[0].http_status, 502);
  EXPECT_EQ(goes_on.size(), 3u);
  EXPECT_FALSE(goes_on[0].error);
  EXPECT_TRUE(goes_on[1].error);
}

TEST(Plan, ParallelStepsStartTogetherAndTheRouteWaitsForAll) {
  const System system = shop_that(
      "- parallel:\n    - call: user GET /me\n      takes: 50ms\n    - db: redis\n      times: 3\n- publish: "
      "x");
  const TracePlan plan = Planner(system, 1).plan(0);
  std::vector<const Action*> children;
  for (const Action& action : plan.actions)
    if (action.parent == 0) children.push_back(&action);
  ASSERT_EQ(children.size(), 5u);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(children[i]->group, children[0]->group);
    EXPECT_NE(children[i]->occurrence, children[i - 1]->occurrence);
    EXPECT_LT(children[i]->start, children[0]->start + microseconds(1));
  }
  EXPECT_GT(children[4]->start, children[0]->start + children[0]->duration);
}

TEST(Plan, EveryConsumerOfATopicGetsWhatIsPublished) {
  const System system = shop_that("- publish: order.created");
  const TracePlan plan = Planner(system, 1).plan(0);
  ASSERT_EQ(plan.actions.size(), 3u);
  EXPECT_EQ(plan.actions[1].kind, ActionKind::kPublish);
  EXPECT_EQ(plan.actions[2].kind, ActionKind::kHandler);
  EXPECT_EQ(plan.actions[2].parent, 1u);
  EXPECT_GT(plan.actions[2].start, plan.actions[1].start + plan.actions[1].duration);
}

TEST(Plan, LatenciesHaveTheirPercentiles) {
  const System system = shop_that("- db: redis\n  takes: {p50: 10ms, p95: 40ms}");
  const auto slower = [&](Duration than) {
    return share(system, 20'000, [&](const TracePlan& p) { return p.actions[1].duration > than; });
  };
  EXPECT_NEAR(slower(milliseconds(10)), 0.5, 0.02);
  EXPECT_NEAR(slower(milliseconds(40)), 0.05, 0.01);
}

TEST(Plan, TrafficMixesByWeight) {
  const System system = shop_that("- db: redis", "  - request: user GET /me\n    weight: 3\n");
  EXPECT_NEAR(share(system, 10'000, [](const TracePlan& p) { return p.entry == 1; }), 0.75, 0.02);
}

TEST(Plan, DeploysHoldForTracesThatStartAfterThem) {
  const System system = described(example_system());
  const Planner planner(system, 1);
  for (uint64_t i = 1150; i < 1250; ++i) {
    const TracePlan plan = planner.plan(i);
    EXPECT_EQ(plan.phase, plan.start >= seconds(60) ? 1u : 0u);
  }
}

TEST(Plan, FaultsComeAsOftenAsTheySay) {
  System system = shop_that("- db: redis");
  system.telemetry = {.sampling = 0.5, .lost_spans = 0.1, .duplicate_spans = 0.2, .late_spans = 0.3};
  Truth truth(system);
  const Planner planner(system, 1);
  for (uint64_t i = 0; i < 20'000; ++i) truth.add(planner.plan(i));
  const auto of = [](uint64_t part, uint64_t all) {
    return static_cast<double>(part) / static_cast<double>(all);
  };
  const SpanCounts& spans = truth.spans();
  EXPECT_EQ(spans.planned, 40'000u);
  EXPECT_EQ(spans.sent + spans.unsampled + spans.lost, spans.planned);
  EXPECT_NEAR(of(spans.unsampled, spans.planned), 0.5, 0.02);
  EXPECT_NEAR(of(spans.lost, spans.planned - spans.unsampled), 0.1, 0.02);
  EXPECT_NEAR(of(spans.duplicates, spans.sent), 0.2, 0.02);
  EXPECT_NEAR(of(spans.late, spans.sent), 0.3, 0.02);
}

TEST(Plan, AServiceThatDoesNotSampleIsSilentInTheWholeTrace) {
  System system = shop_that("- call: user GET /me\n- call: user GET /users/{id}");
  system.phases[0].services[1].sampling = 0.5;
  const Planner planner(system, 1);
  std::map<size_t, size_t> silent;  // unsampled spans -> traces
  for (uint64_t i = 0; i < 1000; ++i)
    ++silent[static_cast<size_t>(
        std::ranges::count(planner.plan(i).fates, Delivery::kUnsampled, &Fate::delivery))];
  EXPECT_EQ(silent.size(), 2u);
  EXPECT_NEAR(static_cast<double>(silent[2]), 500, 60);
}

TEST(Truth, SaysHowATraceIsSeen) {
  const System system = shop_that("- call: stock GET /stock/{sku}");
  TracePlan plan = Planner(system, 1).plan(0);  // server, client, server, database
  ASSERT_EQ(plan.actions.size(), 4u);
  const auto seen = [&](std::vector<uint32_t> lost) {
    TracePlan with = plan;
    for (const uint32_t action : lost) with.fates[action].delivery = Delivery::kLost;
    return seen_of(system, with);
  };
  EXPECT_EQ(seen({}), Seen::kWhole);
  EXPECT_EQ(seen({3}), Seen::kWhole);  // a leaf: nobody misses it
  EXPECT_EQ(seen({2}), Seen::kPartial);
  EXPECT_EQ(seen({0}), Seen::kPartial);
  EXPECT_EQ(seen({0, 1}), Seen::kBeheaded);
  EXPECT_EQ(seen({0, 1, 2, 3}), Seen::kNot);
}

TEST(Behaviours, AreAllFoundWithTheirShares) {
  const System system =
      shop_that("- call: user GET /me\n  probability: 25%\n- db: redis\n  times: 1..3\n  fails: 50%");
  const Behaviours found = enumerate(system, 0, 0);
  EXPECT_TRUE(found.complete);
  double sum = 0;
  for (const Behaviour& behaviour : found.behaviours) sum += behaviour.probability;
  EXPECT_NEAR(sum, 1, 1e-9);
  ASSERT_EQ(found.behaviours.size(), 2u);
  EXPECT_EQ(found.behaviours[0].path, "api_endpoint:POST /orders->database:redis");
  EXPECT_NEAR(found.behaviours[0].probability, 0.75, 1e-9);
  EXPECT_NEAR(found.behaviours[0].error_share, (0.5 + 0.75 + 0.875) / 3, 1e-9);
  EXPECT_EQ(found.behaviours[1].path, "api_endpoint:POST /orders->api_endpoint:GET /me->database:redis");
}

TEST(Behaviours, OfTooManyChoicesAreEstimated) {
  const System system = shop_that("- db: redis\n  times: 30\n  fails: 50%\n  on_fail: continue");
  const Behaviours found = enumerate(system, 0, 0, 1000);
  EXPECT_FALSE(found.complete);
  ASSERT_EQ(found.behaviours.size(), 1u);
  EXPECT_NEAR(found.behaviours[0].probability, 1, 1e-9);
}

}  // namespace
}  // namespace testmesh::simulate
