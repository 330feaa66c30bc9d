#include "discovery/trace_analyzer.h"

namespace testmesh::discovery {
namespace {

// Strings as they are, integers in decimal, everything else no name.
std::string_view text_of(const model::Value& value, std::vector<std::string>& scratch) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value.data))
    return scratch.emplace_back(std::to_string(*number));
  return {};
}

}  // namespace

SpanDescription describe(const model::Span& span, std::vector<std::string>& scratch) {
  // Views point into its elements, which must not move.
  scratch.clear();
  scratch.reserve(kSlotCount + 3);
  SpanDescription result;
  result.kind = span.kind;
  result.name = span.name;
  if (const model::Value* value = model::find_attribute(span.resource->attributes, "service.name"))
    result.service = text_of(*value, scratch);
  for (const char* key : {"deployment.environment.name", "deployment.environment"}) {
    const model::Value* value = model::find_attribute(span.resource->attributes, key);
    if (value) result.environment = text_of(*value, scratch);
    if (!result.environment.empty()) break;
  }
  SlotSet seen;
  for (const auto& [key, value] : span.attributes) {
    const auto slot = slot_of(key);
    if (!slot) continue;
    const auto index = static_cast<size_t>(*slot);
    if (seen[index]) continue;
    seen.set(index);
    result.values[index] = *slot == Slot::kTestmeshExecutionId ? "1" : text_of(value, scratch);
  }
  return result;
}

}  // namespace testmesh::discovery
