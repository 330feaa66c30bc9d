// The file: what it may say, and how it is told what is wrong.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "simulate/schema.h"
#include "simulate/testing/simulate_fixture.h"
#include "simulate/values.h"

namespace testmesh::simulate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<std::string> problems_of(std::string_view yaml) {
  const auto system = read_system(yaml);
  std::vector<std::string> lines;
  if (system) return lines;
  for (const Problem& problem : system.error()) lines.push_back(to_text({problem}, "f"));
  return lines;
}

// A file with one service whose only route has this body.
std::string with_route(const std::string& body) {
  return "services:\n  shop:\n    routes:\n      GET /x:\n" + body + "traffic:\n  - request: shop GET /x\n";
}

TEST(SystemFile, TheExampleIsTheFileInExamples) {
  EXPECT_EQ(example_system(), read_file("examples/shop.yaml"));
}

TEST(SystemFile, TheReferenceIsWhatTheReaderAccepts) {
  const std::string document = read_file("docs/simulate.md");
  if (std::getenv("TESTMESH_UPDATE")) {
    const size_t table = document.find("| in | key |");
    std::ofstream("docs/simulate.md", std::ios::binary) << document.substr(0, table) << reference_table();
  }
  EXPECT_THAT(read_file("docs/simulate.md"), HasSubstr(reference_table()))
      << "docs/simulate.md and schema.cc differ; TESTMESH_UPDATE=1 writes the table again";
}

TEST(SystemFile, WhatItLeavesOutIsAsTheReferenceSays) {
  const System system = described(with_route("        steps:\n          - db: redis\n"));
  EXPECT_EQ(system.rate, 10);
  EXPECT_EQ(system.telemetry.flush, seconds(5));
  EXPECT_EQ(system.telemetry.late_by, seconds(20));
  const Service& service = system.phases[0].services[0];
  EXPECT_EQ(service.version, "1.0.0");
  EXPECT_EQ(service.language, "java");
  EXPECT_EQ(service.endpoints[0].handler.own.median, milliseconds(2));
  const Step& step = service.endpoints[0].handler.steps[0];
  EXPECT_EQ(step.times.least, 1u);
  EXPECT_EQ(step.attempts, 1u);
  EXPECT_EQ(step.probability, 1);
  EXPECT_EQ(step.on_fail, OnFail::kStop);
  EXPECT_EQ(step.label, "redis");
}

TEST(SystemFile, ReadsEverySettingOfAStep) {
  const System system = described(with_route(R"(        takes: {p50: 10ms, p95: 40ms}
        fails: {share: 1%, at: start, status: 404}
        steps:
          - db: postgresql orders
            name: look
            writes: items
            takes: 250us
            probability: 30%
            times: 2..5
            fails: {share: 0.5, as: refused}
            retry: {attempts: 3, wait: 1s}
            on_fail: continue
            cache: {hit: 80%, db: redis}
)"));
  const Handler& handler = system.phases[0].services[0].endpoints[0].handler;
  EXPECT_EQ(handler.own.median, milliseconds(10));
  EXPECT_NEAR(handler.own.sigma, 0.843, 0.001);  // ln 4 / 1.645
  EXPECT_EQ(handler.fails, 0.01);
  EXPECT_EQ(handler.fails_at, FailPoint::kBeforeSteps);
  EXPECT_EQ(handler.status, 404);
  const Step& step = handler.steps[0];
  EXPECT_EQ(step.label, "look");
  EXPECT_EQ(step.database.system, "postgresql");
  EXPECT_EQ(step.database.name, "orders");
  EXPECT_EQ(step.database.collection, "items");
  EXPECT_EQ(step.database.access, Access::kWrite);
  EXPECT_EQ(step.latency.median, microseconds(250));
  EXPECT_EQ(step.probability, 0.3);
  EXPECT_EQ(step.times.least, 2u);
  EXPECT_EQ(step.times.most, 5u);
  EXPECT_EQ(step.fails, 0.5);
  EXPECT_EQ(step.failure, FailureKind::kRefused);
  EXPECT_EQ(step.attempts, 3u);
  EXPECT_EQ(step.backoff, seconds(1));
  EXPECT_EQ(step.on_fail, OnFail::kContinue);
  EXPECT_EQ(step.cache_hit, 0.8);
  EXPECT_EQ(step.cache->system, "redis");
}

TEST(SystemFile, AllProblemsAreSaidAtOnceWithTheirPlaces) {
  EXPECT_THAT(
      problems_of(R"(rat: 10/s
services:
  shop:
    langauge: go
    routes:
      GET /x:
        takes: 12
        steps:
          - call: usr GET /users/{id}
          - call: user GET /user/{id}
          - db: postgresql orders
            probability: 130%
            times: 5..2
  user:
    routes:
      GET /users/{id}:
      FETCH /users:
traffic:
  - request: shop GET /x
    weight: much
)"),
      ElementsAre("f:1:1: there is no 'rat' in file; did you mean 'rate'?",
                  "f:4:5: there is no 'langauge' in service; did you mean 'language'?",
                  "f:7:16: '12' is no time; write it like 12ms, 1.5s or 2m",
                  "f:9:19: there is no service 'usr'; did you mean 'user'?",
                  "f:10:19: user has no route 'GET /user/{id}'; did you mean 'GET /users/{id}'?",
                  "f:12:26: '130%' is no share; write it like 2% or 0.02, at most 100%",
                  "f:13:20: times is a number or a range such as 2..5, up to 10000",
                  "f:17:7: this is no endpoint; write it like 'GET /users/{id}', 'rpc shop.Stock/Reserve' or "
                  "'consume order.created'",
                  "f:20:13: a weight is a number from 0 to 1e9"));
}

TEST(SystemFile, WhatIsRequiredIsAskedFor) {
  EXPECT_THAT(problems_of("name: x\n"),
              ElementsAre("f:1:1: 'services' is missing in file", "f:1:1: 'traffic' is missing in file"));
  EXPECT_THAT(problems_of("[]"), Contains(HasSubstr("f:1:1: a map of file is expected here")));
  EXPECT_THAT(problems_of(""), ElementsAre("f:1:1: the file is empty"));
  EXPECT_THAT(problems_of("services: {a: }\ntraffic: []\n"),
              ElementsAre("f:1:1: There is no traffic: no entry has a weight above 0"));
}

TEST(SystemFile, BrokenYamlIsSaidWithItsPlace) {
  EXPECT_THAT(problems_of("services: [\n"), ElementsAre(HasSubstr("no valid YAML")));
  EXPECT_THAT(problems_of("a: \"\xff\"\n"), ElementsAre("f:1:5: this is no text in UTF-8"));
  EXPECT_THAT(problems_of("a: 1\n--- \nb: 2\n"), ElementsAre(HasSubstr("a second document starts here")));
}

TEST(SystemFile, BombsAreRefused) {
  EXPECT_THAT(problems_of("a: &a [x, x]\nb: [*a, *a]\n"),
              ElementsAre("f:1:4: anchors (&name) are not used here"));
  EXPECT_THAT(problems_of("a: !!python/object x\n"), ElementsAre(HasSubstr("are not used here")));
  EXPECT_THAT(problems_of(std::string(100'000, '[')),
              ElementsAre(HasSubstr("values nest more than 64 levels deep")));
  std::string many = "a:\n";
  for (int i = 0; i < 110'000; ++i) many += " - x\n";
  EXPECT_THAT(problems_of(many), ElementsAre(HasSubstr("more than 100000 values")));
  EXPECT_THAT(problems_of(std::string((1 << 20) + 1, ' ')),
              ElementsAre("f:1:1: the file is larger than 1 MiB"));
  std::string deploys = with_route("        steps: [" +
                                   [] {
                                     std::string steps;
                                     for (int i = 0; i < 2000; ++i) steps += "{db: redis}, ";
                                     return steps;
                                   }() +
                                   "]\n") +
                        "deploys:\n";
  for (int i = 0; i < 2000; ++i) deploys += "  - {at: 1s, service: shop}\n";
  EXPECT_THAT(problems_of(deploys), Contains(HasSubstr("too much for one file")));
}

TEST(SystemFile, AThousandProblemsAreNotAllPrinted) {
  std::string file = "services:\n  a:\n";
  for (int i = 0; i < 1000; ++i) file += "    key" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(problems_of(file), ::testing::SizeIs(101));
}

TEST(SystemFile, AKeyStandsOnce) {
  EXPECT_THAT(problems_of("name: a\nname: b\n"),
              Contains("f:2:1: 'name' stands here twice; the first is in line 1"));
}

TEST(SystemFile, CallsThatComeBackAreRefusedWithTheirWay) {
  EXPECT_THAT(
      problems_of(R"(services:
  a:
    routes:
      GET /x:
        steps:
          - call: b GET /y
  b:
    routes:
      GET /y:
        steps:
          - publish: t
  c:
    routes:
      consume t:
        steps:
          - call: a GET /x
traffic:
  - request: a GET /x
)"),
      ElementsAre(
          "f:4:7: Calls go round in a circle: a GET /x -> b GET /y -> c consume t -> a GET /x; a trace "
          "of it would never end"));
}

TEST(SystemFile, ATraceHasAtMostTenThousandSpans) {
  EXPECT_THAT(problems_of(R"(services:
  a:
    routes:
      GET /x:
        steps:
          - call: b GET /y
            times: 101
  b:
    routes:
      GET /y:
        steps:
          - db: redis
            times: 100
traffic:
  - request: a GET /x
)"),
              ElementsAre("f:4:7: a GET /x can make 10303 spans in one trace; at most 10000 are allowed"));
}

TEST(SystemFile, ADeployMayNotMakeACircle) {
  EXPECT_THAT(problems_of(R"(services:
  a:
    routes:
      GET /x:
traffic:
  - request: a GET /x
deploys:
  - at: 1s
    service: a
    route: GET /x
    changes:
      - add: {call: a GET /x}
)"),
              ElementsAre(HasSubstr(
                  "f:8:5: After the deploy at 1 s: Calls go round in a circle: a GET /x -> a GET /x")));
}

TEST(SystemFile, ThingsStandWhereTheyBelong) {
  EXPECT_THAT(
      problems_of(with_route("        steps:\n          - db: redis\n            call: shop GET /x\n")),
      ElementsAre("f:6:13: a step is one thing: call or db"));
  EXPECT_THAT(problems_of(with_route("        steps:\n          - name: x\n")),
              ElementsAre("f:6:13: a step needs one of call, db, publish, external, work, parallel"));
  EXPECT_THAT(problems_of(with_route("        steps:\n          - publish: t\n            reads: x\n")),
              ElementsAre("f:6:13: reads and writes belong to a db"));
  EXPECT_THAT(
      problems_of(with_route("        steps:\n          - parallel: [{db: redis}]\n            times: 3\n")),
      ElementsAre("f:6:13: parallel has no 'times' of its own; its steps do"));
  EXPECT_THAT(
      problems_of(with_route("        steps:\n          - parallel:\n              - db: postgresql a\n"
                             "                cache: {hit: 50%, db: redis}\n")),
      ElementsAre("f:7:17: a cache that is asked cannot stand right inside parallel; put a work around it"));
}

class Deploys : public ::testing::Test {
 protected:
  static System after(const std::string& changes) {
    return described(R"(services:
  shop:
    version: 1.0.0
    routes:
      GET /x:
        takes: 10ms
        steps:
          - db: postgresql a
          - publish: b
          - work: c
            steps:
              - db: redis
traffic:
  - request: shop GET /x
deploys:
  - at: 60s
    service: shop
    version: 2.0.0
    route: GET /x
    changes:
)" + changes);
  }
  static std::vector<std::string> labels(const System& system, size_t phase = 1) {
    std::vector<std::string> names;
    for (const Step& step : steps(system, phase)) names.push_back(step.label);
    return names;
  }
  static const std::vector<Step>& steps(const System& system, size_t phase = 1) {
    return system.phases[phase].services[0].endpoints[0].handler.steps;
  }
};

TEST_F(Deploys, AddRemoveAndMoveSteps) {
  const System system = after(
      "      - add: {db: redis d, name: d}\n        before: b\n      - remove: postgresql a\n"
      "      - move: c\n        before: d\n");
  EXPECT_THAT(labels(system), ElementsAre("c", "d", "b"));
  EXPECT_THAT(labels(system, 0), ElementsAre("postgresql a", "b", "c"));
  EXPECT_EQ(system.phases[1].at, seconds(60));
  EXPECT_EQ(system.phases[0].services[0].version, "1.0.0");
  EXPECT_EQ(system.phases[1].services[0].version, "2.0.0");
}

TEST_F(Deploys, ChangeOneStepAndLeaveTheRest) {
  const System system =
      after("      - change: postgresql a\n        times: 5\n        slower: 3\n        fails: 10%\n");
  EXPECT_EQ(steps(system)[0].times.most, 5u);
  EXPECT_EQ(steps(system)[0].latency.median, milliseconds(6));
  EXPECT_EQ(steps(system)[0].fails, 0.1);
  EXPECT_EQ(steps(system)[1].times.most, 1u);
}

TEST_F(Deploys, ChangeStepsInsideSteps) {
  EXPECT_EQ(steps(after("      - change: redis\n        times: 4\n"))[2].steps[0].times.most, 4u);
  EXPECT_THAT(steps(after("      - remove: redis\n"))[2].steps, IsEmpty());
}

TEST_F(Deploys, ChangeTheRouteItself) {
  const System system = after("      - slower: 2\n        fails: {share: 5%, status: 503}\n");
  EXPECT_EQ(system.phases[1].services[0].endpoints[0].handler.own.median, milliseconds(20));
  EXPECT_EQ(system.phases[1].services[0].endpoints[0].handler.status, 503);
}

TEST(SystemFile, DeploysSpeakOfStepsThatExist) {
  const std::string file =
      with_route("        steps:\n          - db: redis\n          - db: redis\n          - publish: t\n") +
      "deploys:\n  - at: 5s\n    service: shop\n    route: GET /x\n    changes:\n";
  EXPECT_THAT(problems_of(file + "      - remove: redis\n"),
              ElementsAre("f:16:17: there are 2 steps 'redis'; give the one you mean a name"));
  EXPECT_THAT(problems_of(file + "      - remove: tt\n"),
              ElementsAre("f:16:17: the route has no step 'tt'; did you mean 't'?"));
  EXPECT_THAT(problems_of(file + "      - move: t\n"),
              ElementsAre("f:16:9: 'before' or 'after' is missing: where does the step go?"));
  EXPECT_THAT(
      problems_of(file + "      - times: 3\n"),
      ElementsAre(
          "f:16:9: 'times' does not belong to a change of the route itself; name the step with 'change'"));
  EXPECT_THAT(
      problems_of(file + "      - add: {db: redis}\n  - at: 1s\n    service: shop\n"),
      ElementsAre("f:17:5: deploys stand in order of time; this one is earlier than the one before it"));
}

TEST(Values, AreReadAsTheyAreWritten) {
  EXPECT_EQ(time_of("250us"), microseconds(250));
  EXPECT_EQ(time_of("1.5s"), milliseconds(1500));
  EXPECT_EQ(time_of("-2m"), seconds(-120));
  EXPECT_EQ(time_of("0"), Duration());
  for (const char* text : {"", "5", "s", "1e5s", "5 s", "nans", "infs", "1..2s", "99999999999999h", "5sm"})
    EXPECT_EQ(time_of(text), std::nullopt) << text;
  EXPECT_EQ(share_of("2%"), 0.02);
  EXPECT_EQ(share_of("0.5"), 0.5);
  for (const char* text : {"", "%", "2", "101%", "-1%", "nan", "x"})
    EXPECT_EQ(share_of(text), std::nullopt) << text;
  EXPECT_EQ(rate_of("90/m"), 1.5);
  EXPECT_EQ(rate_of("20"), 20);
  for (const char* text : {"0/s", "-1", "5/d", "2000000/s", "/s"})
    EXPECT_EQ(rate_of(text), std::nullopt) << text;
  EXPECT_EQ(repeat_of("2..5")->most, 5u);
  EXPECT_EQ(repeat_of("0")->least, 0u);
  for (const char* text : {"5..2", "..", "1..", "-1", "99999", "1...3"})
    EXPECT_FALSE(repeat_of(text)) << text;
}

}  // namespace
}  // namespace testmesh::simulate
