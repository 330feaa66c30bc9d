#include "otlp/foreign_fields.h"

#include <array>
#include <cmath>
#include <limits>

namespace testmesh::otlp {
namespace {

std::optional<model::SpanKind> kind_of(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kLower{"unspecified", "internal", "server",
                                                          "client",      "producer", "consumer"};
  static constexpr std::array<std::string_view, 6> kUpper{"UNSPECIFIED", "INTERNAL", "SERVER",
                                                          "CLIENT",      "PRODUCER", "CONSUMER"};
  for (size_t i = 0; i < kLower.size(); ++i)
    if (text == kLower[i] || text == kUpper[i]) return static_cast<model::SpanKind>(i);
  return std::nullopt;
}

bool is_true(const model::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value.data)) return *flag;
  const auto* text = std::get_if<std::string>(&value.data);
  return text && (*text == "true" || *text == "True" || *text == "1");
}

}  // namespace

std::optional<uint64_t> microseconds(simdjson::dom::element value) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max() / 1000;
  if (uint64_t whole = 0; !value.get_uint64().get(whole)) {
    if (whole > kMost) return std::nullopt;
    return whole * 1000;
  }
  double number = 0;
  if (!value.is_double() || value.get_double().get(number)) return std::nullopt;
  if (!(number >= 0 && number < static_cast<double>(kMost))) return std::nullopt;
  return static_cast<uint64_t>(number) * 1000 + static_cast<uint64_t>((number - std::floor(number)) * 1000);
}

std::string_view text_or_empty(simdjson::dom::element value) {
  std::string_view text;
  return value.get_string().get(text) ? std::string_view() : text;
}

bool take_meaning(std::string_view key, const model::Value& value, model::Span& span, model::Scope& scope) {
  const auto* text = std::get_if<std::string>(&value.data);
  if (key == "error" && is_true(value)) {
    // otel.status_code says more precisely, whichever comes first.
    if (span.status == model::StatusCode::kUnset) span.status = model::StatusCode::kError;
    return true;
  }
  if (!text) return false;
  if (key == "span.kind") {
    const auto kind = kind_of(*text);
    if (kind) span.kind = *kind;
    return kind.has_value();
  }
  if (key == "otel.status_code") {
    if (*text == "ERROR") span.status = model::StatusCode::kError;
    if (*text == "OK") span.status = model::StatusCode::kOk;
    if (*text == "UNSET") span.status = model::StatusCode::kUnset;
    return *text == "ERROR" || *text == "OK" || *text == "UNSET";
  }
  if (key == "otel.status_description")
    span.status_message = *text;
  else if (key == "w3c.tracestate")
    span.trace_state = *text;
  else if (key == "otel.scope.name" || key == "otel.library.name")
    scope.name = *text;
  else if (key == "otel.scope.version" || key == "otel.library.version")
    scope.version = *text;
  else
    return false;
  return true;
}

}  // namespace testmesh::otlp
