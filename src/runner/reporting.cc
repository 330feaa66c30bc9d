// What a run tells, keeps and emits: everything masked and bounded.
#include <algorithm>

#include "runner/run_impl.h"

namespace testmesh::runner {
namespace {

using expr::Value;
using flow_file::Step;

// Of one step.
constexpr size_t kMostRequest = 64 << 10, kMostResult = 256 << 10, kMostOutput = 64 << 10,
                 kMostSide = 4 << 10;
// Of a run: past it the values of steps are shown as little more than their shape.
constexpr uint64_t kMostShown = uint64_t{32} << 20;
constexpr size_t kShownPastThat = 512;
constexpr size_t kMostMessage = 4 << 10;

std::string cut(std::string text) {
  if (text.size() <= kMostMessage) return text;
  const size_t whole = text.size();
  size_t end = kMostMessage;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text + "… (cut, " + std::to_string(whole) + " bytes)";
}

}  // namespace

void Run::tell_started(const Step& step, const PlaceView& place) {
  if (!services_.observer || kept_results_ >= kMostStepResults) return;
  const std::scoped_lock lock(observer_mutex_);
  services_.observer->step_started(step, place.phase);
}

StepResult Run::blank_result(const Step& step, const PlaceView& place) const {
  StepResult result;
  result.id = place.prefix + step.id;
  result.name = step.name;
  result.action = step.action;
  result.phase = place.phase;
  result.started_at = services_.clock.now();
  result.request = result.result = result.output = expr::Map();
  result.at = step.at;
  result.depth = place.depth;
  return result;
}

Value Run::shown(const Value& value, size_t max_bytes) {
  if (shown_bytes_ > kMostShown) max_bytes = std::min(max_bytes, kShownPastThat);
  Value result = masker_.shown(value, max_bytes);
  shown_bytes_ += std::min<uint64_t>(result.weight(), max_bytes);
  return result;
}

void Run::mask(StepResult& step) const {
  // What was cut to its bound is a little over it with the note that says so.
  const auto again = [this](Value& value) { value = masker_.shown(value, SIZE_MAX / 4); };
  again(step.request);
  again(step.result);
  again(step.output);
  step.name = masker_.mask(step.name);
  if (step.error) step.error->message = masker_.mask(step.error->message);
  for (FailedAssertion& failed : step.failed_assertions) {
    failed.expression = masker_.mask(failed.expression);
    again(failed.actual);
    if (failed.expected) again(*failed.expected);
    if (failed.error) failed.error = masker_.mask(*failed.error);
  }
}

void Run::finish(StepResult step, std::vector<StepResult> nested, std::vector<StepResult>& results) {
  if (step.depth > 0 && step.status != StepStatus::kFailed && kept_results_ >= kMostStepResults) {
    ++left_out_;
    return;
  }
  ++kept_results_;
  uint64_t none_yet = UINT64_MAX;
  first_kept_at_.compare_exchange_strong(none_yet, masker_.version());
  step.name = masker_.mask(step.name);
  step.request = shown(step.request, kMostRequest);
  step.result = shown(step.result, kMostResult);
  step.output = shown(step.output, kMostOutput);
  if (step.error) step.error->message = cut(masker_.mask(step.error->message));
  for (FailedAssertion& failed : step.failed_assertions) {
    failed.expression = masker_.mask(failed.expression);
    failed.actual = shown(failed.actual, kMostSide);
    if (failed.expected) failed.expected = shown(*failed.expected, kMostSide);
    if (failed.error) failed.error = cut(masker_.mask(*failed.error));
  }
  if (services_.observer) {
    const std::scoped_lock lock(observer_mutex_);
    services_.observer->step_finished(step);
  }
  results.push_back(std::move(step));
  std::ranges::move(nested, std::back_inserter(results));
}

void Run::mask(std::vector<model::KeyValue>& attributes) const {
  for (model::KeyValue& attribute : attributes)
    if (auto* text = std::get_if<std::string>(&attribute.value.data)) {
      *text = is_secret_key(attribute.key.substr(attribute.key.rfind('.') + 1)) ? std::string(kMask)
                                                                                : masker_.mask(*text);
    } else if (auto* array = std::get_if<model::Array>(&attribute.value.data)) {
      // Headers come as `http.request.header.<name>` with a list.
      const bool secret = is_secret_key(attribute.key.substr(attribute.key.rfind('.') + 1));
      for (model::Value& value : array->values)
        if (auto* part = std::get_if<std::string>(&value.data))
          *part = secret ? std::string(kMask) : masker_.mask(*part);
    }
}

void Run::emit_step(const Step& step, const PlaceView& place, const StepResult& result,
                    std::vector<model::Span> spans) {
  if (!services_.emit) return;
  for (model::Span& span : spans) {
    span.name = masker_.mask(span.name);
    span.status_message = cut(masker_.mask(span.status_message));
    mask(span.attributes);
  }
  model::Span span = spans_.step(step.action, result.span_id, place.span,
                                 {result.started_at, result.started_at + result.duration_ns});
  span.attributes.push_back(attribute("testmesh.step.id", result.id));
  if (!step.name.empty()) span.attributes.push_back(attribute("testmesh.step.name", masker_.mask(step.name)));
  span.attributes.push_back(attribute("testmesh.step.phase", std::string(to_string(result.phase))));
  span.attributes.push_back(attribute("testmesh.step.status", std::string(to_string(result.status))));
  span.attributes.push_back(attribute("testmesh.step.attempts", int64_t{result.attempts}));
  if (result.status == StepStatus::kFailed) {
    span.status = model::StatusCode::kError;
    if (result.error) span.status_message = cut(masker_.mask(result.error->message));
  }
  spans.push_back(std::move(span));
  services_.emit(request_.workspace, std::move(spans));
}

void Run::emit_root(const RunResult& result) {
  if (!services_.emit) return;
  model::Span span = spans_.root({result.started_at, result.finished_at});
  span.attributes.push_back(attribute("testmesh.execution.status", std::string(to_string(result.status))));
  if (result.status != RunStatus::kPassed) {
    span.status = model::StatusCode::kError;
    if (result.error) span.status_message = cut(result.error->message);
  }
  std::vector<model::Span> spans;
  spans.push_back(std::move(span));
  services_.emit(request_.workspace, std::move(spans));
}

}  // namespace testmesh::runner
