#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "validation/testing/validation_fixture.h"

namespace testmesh::validation {
namespace {

using namespace testing;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A run whose spans arrive as time passes; time passes only while validate() pauses.
class WaitingTest : public ::testing::Test {
 protected:
  WaitingTest() {
    flow_.expects_of_trace = true;
    subject_.workspace = model::kDefaultWorkspace;
    subject_.trace_id = trace_id(1);
    subject_.flow = &flow_;
    subject_.is_run = true;
    options_.clock = &clock_;
    options_.pause = [this](milliseconds wait) {
      pauses_.push_back(wait);
      clock_.time += static_cast<uint64_t>(wait.count()) * kMs;
      while (!events_.empty() && events_.begin()->first <= passed()) {
        events_.begin()->second();
        events_.erase(events_.begin());
      }
      return !stopped_;
    };
  }

  uint64_t passed() const { return (clock_.time - kNoon) / kMs; }
  void at(uint64_t ms, std::function<void()> what) { events_.emplace(ms, std::move(what)); }
  void arrives(uint64_t ms, std::vector<model::Span> spans) {
    at(ms, [this, spans = std::move(spans)] { store_.receive(spans); });
  }
  // The runner's spans now; what the step called, to be sent later.
  std::vector<model::Span> run(uint64_t entries = 1) {
    TraceOf runner(1);
    const SpanOf& step = runner.step(runner.execution());
    const SpanOf& call = runner.call_of_step(step);
    subject_.steps.push_back({.step_id = "call", .span_id = step.span.span_id, .reaches_out = true});
    store_.receive(runner.spans());
    TraceOf application(1, 100);
    SpanOf& entry = application.server("shop", "GET", "/").under(call);
    for (uint64_t i = 0; i < entries; ++i) application.query("shop", "stock").under(entry);
    return application.spans();
  }
  TraceValidation validate() {
    auto result = validation::validate(subject_, store_, options_);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : TraceValidation{};
  }

  FakeClock clock_;
  MemoryStore store_;
  flow_file::FlowFile flow_;
  Subject subject_;
  WaitOptions options_;
  std::multimap<uint64_t, std::function<void()>> events_;
  std::vector<milliseconds> pauses_;
  bool stopped_ = false;
};

TEST_F(WaitingTest, TheVerdictComesASecondAfterTheLastSpan) {
  arrives(4000, run());
  EXPECT_EQ(validate().status, ValidationStatus::kPassed);
  EXPECT_GE(passed(), 5000u);
  EXPECT_LE(passed(), 5300u);
}

TEST_F(WaitingTest, SpansThatComeOneByOneEachStartTheSecondAnew) {
  const std::vector<model::Span> spans = run(4);
  for (size_t i = 0; i < spans.size(); ++i) arrives(500 + 700 * i, {spans[i]});
  EXPECT_EQ(validate().actual_path.size(), 2u);
  EXPECT_GE(passed(), 500 + 700 * (spans.size() - 1) + 1000);
}

TEST_F(WaitingTest, WhenTimeIsUpWhatIsMissingIsSaid) {
  run();
  const TraceValidation seen = validate();
  EXPECT_EQ(seen.status, ValidationStatus::kPartial);
  EXPECT_THAT(names(seen.unmet), ElementsAre("spans", "steps"));
  EXPECT_GE(passed(), 30'000u);
  EXPECT_LE(passed(), 30'010u);
}

TEST_F(WaitingTest, ATraceOfWhichNothingComesEndsToo) {
  options_.timeout = milliseconds(1000);
  EXPECT_EQ(validate().status, ValidationStatus::kPartial);
  EXPECT_LE(passed(), 1010u);
}

TEST_F(WaitingTest, SpansOfTheLastMomentCount) {
  options_.timeout = milliseconds(3000);
  arrives(1700, run());
  EXPECT_EQ(validate().status, ValidationStatus::kPassed);
}

TEST_F(WaitingTest, PausesGrowFromFiftyToTwoHundredAndFiftyMilliseconds) {
  run();
  validate();
  EXPECT_EQ(pauses_.front(), milliseconds(50));
  EXPECT_EQ(*std::ranges::max_element(pauses_), milliseconds(250));
}

TEST_F(WaitingTest, ATraceThatDoesNotChangeIsReadOnce) {
  run();
  validate();
  EXPECT_GT(store_.summaries, 100u);
  EXPECT_EQ(store_.reads, 1u);
}

TEST_F(WaitingTest, TheBaselineIsReadOnce) {
  const std::vector<model::Span> spans = run(5);
  for (size_t i = 0; i < spans.size(); ++i) arrives(300 * i, {spans[i]});
  validate();
  EXPECT_EQ(store_.flow_questions, 1u);
}

TEST_F(WaitingTest, ALargeTraceIsNotKeptBetweenLooks) {
  arrives(100, run(25'000));
  EXPECT_EQ(validate().status, ValidationStatus::kPassed);
  EXPECT_EQ(store_.reads, 3u);  // the runner's spans; all of them; once more for the verdict
}

TEST_F(WaitingTest, WhoIsToldToStopGivesNoVerdict) {
  run();
  at(700, [this] { stopped_ = true; });
  const auto result = validation::validate(subject_, store_, options_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, base::ErrorCode::kUnavailable);
}

TEST_F(WaitingTest, AClockThatIsSetBackMakesNobodyWaitForLonger) {
  run();
  at(1000, [this] { clock_.time -= 3600 * kSecond; });
  size_t turns = 0;
  const auto pause = options_.pause;
  options_.pause = [&](milliseconds wait) { return ++turns < 1000 && pause(wait); };
  EXPECT_EQ(validate().status, ValidationStatus::kPartial);
  EXPECT_LT(turns, 200u);
}

}  // namespace
}  // namespace testmesh::validation
