// Against the real engine: spans through its journal, flows as it counts them.
#include "engine/testing/engine_fixture.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {
namespace {

using namespace engine::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kRun = 9000;

std::vector<std::string> names(const std::vector<model::PathNode>& nodes) {
  std::vector<std::string> all;
  for (const model::PathNode& node : nodes) all.push_back(node.identifier);
  return all;
}

// A shop's page below `parent`: span ids from `first` on.
std::vector<model::Span> page(uint64_t trace, uint64_t first, uint64_t parent, const std::string& route,
                              bool asks_stock = true) {
  std::vector<model::Span> spans{endpoint(trace, first, parent, "shop", route),
                                 query(trace, first + 1, first, "shop", "products")};
  if (asks_stock) {
    spans.push_back(span_of(trace, first + 2, first, "shop", "GET", model::SpanKind::kClient,
                            {{"http.request.method", {std::string("GET")}}}));
    spans.push_back(endpoint(trace, first + 3, first + 2, "stock", "/stock/:id"));
  }
  return spans;
}

class EngineValidationTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    open();
    flow_.expects_of_trace = true;
    subject_.workspace = model::kDefaultWorkspace;
    subject_.trace_id = trace_id(kRun);
    subject_.flow = &flow_;
    subject_.is_run = true;
  }
  void learn(uint64_t times, const std::string& route = "/products/:id") {
    for (uint64_t i = 0; i < times; ++i) send(page(++learned_, 1, 0, route));
    close_all();
  }
  // The runner's spans; a step's call has number 100 + 10 * its index.
  std::vector<model::Span> runner(uint64_t steps = 1) {
    const std::vector<model::KeyValue> ours{{"testmesh.execution.id", {std::string("7")}}};
    std::vector<model::Span> spans{
        span_of(kRun, 1, 0, "testmesh", "testmesh.execution", model::SpanKind::kInternal, ours)};
    for (uint64_t i = 0; i < steps; ++i) {
      spans.push_back(span_of(kRun, 2 + i, 1, "testmesh", "testmesh.step.http_request",
                              model::SpanKind::kInternal, ours));
      spans.push_back(span_of(kRun, 20 + i, 2 + i, "testmesh", "GET", model::SpanKind::kClient, ours));
      subject_.steps.push_back(
          {.step_id = "step_" + std::to_string(i + 1), .span_id = span_id(2 + i), .reaches_out = true});
    }
    return spans;
  }
  TraceValidation wait_for_verdict(const std::function<void(base::UnixNanos passed)>& meanwhile = {}) {
    WaitOptions options;
    options.clock = &clock_;
    const base::UnixNanos start = clock_.now();
    options.pause = [&](std::chrono::milliseconds wait) {
      clock_.advance(static_cast<uint64_t>(wait.count()) * kMs);
      if (meanwhile) meanwhile(clock_.now() - start);
      engine_->wait_until_taken();
      return true;
    };
    auto result = validate(subject_, *engine_, options);
    EXPECT_TRUE(result) << result.error().message;
    waited_ = clock_.now() - start;
    return result ? std::move(*result) : TraceValidation{};
  }

  flow_file::FlowFile flow_;
  Subject subject_;
  uint64_t learned_ = 0;
  base::UnixNanos waited_ = 0;
};

TEST_F(EngineValidationTest, ARunThatTakesThePathOfItsBaselinePasses) {
  learn(25);
  send(runner());
  send(page(kRun, 40, 20, "/products/:id"));
  const TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kBaseline);
  EXPECT_EQ(seen.path_match, true);
  EXPECT_LT(waited_, 2 * kSecond);
}

TEST_F(EngineValidationTest, SpansThatComeLateAndBackwardsAreWaitedFor) {
  learn(25);
  std::vector<model::Span> spans = page(kRun, 40, 20, "/products/:id");
  std::ranges::reverse(spans);
  send(runner());
  size_t sent = 0;
  const TraceValidation seen = wait_for_verdict([&](base::UnixNanos passed) {
    while (sent < spans.size() && passed > (sent + 1) * 3 * kSecond) send({spans[sent], spans[sent++]});
  });
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_GT(waited_, 13 * kSecond);
  EXPECT_LT(waited_, 14 * kSecond);
}

TEST_F(EngineValidationTest, ARemovedCallIsMissingWhenTimeIsUp) {
  learn(25);
  send(runner());
  send(page(kRun, 40, 20, "/products/:id", false));
  const TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("GET /stock/:id"));
  EXPECT_THAT(seen.unexpected_nodes, IsEmpty());
  EXPECT_GE(waited_, 30 * kSecond);
}

TEST_F(EngineValidationTest, StepsThatDoTheSameAreEachCompared) {
  learn(25);
  send(runner(2));
  send(page(kRun, 40, 20, "/products/:id"));
  send(page(kRun, 60, 21, "/products/:id"));
  const TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_THAT(names(seen.actual_path), ElementsAre("GET /products/:id", "GET /stock/:id", "products",
                                                   "GET /products/:id", "GET /stock/:id", "products"));
}

TEST_F(EngineValidationTest, ASlowSpanOfARunIsFoundAndTheRunTeachesNothing) {
  learn(25);
  for (int again = 0; again < 2; ++again) {
    send(runner());
    std::vector<model::Span> spans = page(kRun, 40, 20, "/products/:id");
    spans[3].end = spans[3].start + kSecond;
    send(spans);
    const TraceValidation seen = wait_for_verdict();
    ASSERT_THAT(seen.slow_spans, SizeIs(1)) << seen.summary;
    EXPECT_EQ(seen.slow_spans[0].operation, "GET /stock/:id");
    EXPECT_EQ(seen.slow_spans[0].samples, 25u);
    close_all();
    subject_.steps.clear();
  }
}

TEST_F(EngineValidationTest, ATraceOfCurlIsComparedOnceItsCallerIsNamed) {
  learn(25);
  subject_.is_run = false;
  subject_.parent_span_id = span_id(4711);
  send(page(kRun, 40, 4711, "/products/:id"));
  TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_LT(waited_, 2 * kSecond);
  subject_.parent_span_id.reset();
  seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_GE(waited_, 30 * kSecond);
}

TEST_F(EngineValidationTest, AForeignTraceThatWasCountedIsNoBaselineOfItself) {
  learn(25);
  subject_.is_run = false;
  std::vector<model::Span> spans = page(kRun, 40, 0, "/products/:id", false);
  spans.push_back(endpoint(kRun, 80, 40, "fraud", "/checks"));
  send(spans);
  close_all();
  const TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.unexpected_nodes), ElementsAre("GET /checks"));
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("GET /stock/:id"));
}

TEST_F(EngineValidationTest, AFlowIsFoundByTheFingerprintItWasExportedWith) {
  learn(3);
  const auto flows = engine_->flows(model::kDefaultWorkspace, {});
  ASSERT_TRUE(flows && flows->flows.size() == 1);
  flow_.discovered_from.emplace().fingerprint = base::to_hex(flows->flows[0].flow->fingerprint);
  send(runner());
  send(page(kRun, 40, 20, "/products/:id"));
  const TraceValidation seen = wait_for_verdict();
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kDiscoveredFrom);
  EXPECT_EQ(seen.path_match, true) << seen.summary;
}

}  // namespace
}  // namespace testmesh::validation
