// For tests: systems in a few lines of YAML, their traces as spans, and the
// paths that discovery finds in those.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "discovery/trace_analyzer.h"
#include "otlp/convert.h"
#include "simulate/emit.h"
#include "simulate/plan.h"
#include "simulate/system_yaml.h"

namespace testmesh::simulate {

inline constexpr base::UnixNanos kStartOfTest = 1'700'000'000'000'000'000;

inline System described(std::string_view yaml) {
  auto system = read_system(yaml);
  if (!system) {
    ADD_FAILURE() << to_text(system.error(), "file");
    return *read_system(example_system());
  }
  return std::move(*system);
}

// One service `shop`, whose only route does `steps`, each a line of a YAML list; two others, `user` and
// `stock`.
inline System shop_that(const std::string& steps, const std::string& more = "") {
  std::string indented;
  for (size_t begin = 0; begin < steps.size();) {
    const size_t end = std::min(steps.find('\n', begin), steps.size());
    indented += "          " + steps.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return described(
      "services:\n"
      "  shop:\n    routes:\n      POST /orders:\n        steps:\n" +
      indented +
      "  user:\n    routes:\n      GET /users/{id}:\n      GET /me:\n      rpc shop.Users/Find:\n"
      "  stock:\n    routes:\n      GET /stock/{sku}:\n        steps:\n          - db: postgresql stock\n"
      "      consume order.created:\n"
      "traffic:\n  - request: shop POST /orders\n" +
      more);
}

inline std::vector<model::Span> spans_of(const System& system, const TracePlan& plan, uint64_t seed = 1) {
  SpanWriter writer(system, seed, kStartOfTest);
  for (uint32_t i = 0; i < plan.actions.size(); ++i) writer.add(plan, i);
  auto decoded = otlp::decode_protobuf(writer.take());
  EXPECT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->rejected, 0u);
  EXPECT_EQ(decoded->repaired, 0u);
  return std::move(decoded->spans);
}

// The span that `name` names, of the first trace that has one.
inline std::string text_at(const model::Span& span, std::string_view key) {
  const model::Value* value = model::find_attribute(span.attributes, key);
  if (!value) return "";
  if (const auto* number = std::get_if<int64_t>(&value->data)) return std::to_string(*number);
  const auto* text = std::get_if<std::string>(&value->data);
  return text ? *text : "";
}

// What discovery finds in the spans.
class Discovery {
 public:
  std::string path_of(const std::vector<model::Span>& spans) {
    std::vector<discovery::SpanInput> inputs;
    for (const model::Span& span : spans) {
      std::vector<std::string> scratch;
      inputs.push_back({.id = span.span_id,
                        .parent = span.parent_span_id,
                        .start = span.start,
                        .end = span.end,
                        .facts = analyzer_.facts(discovery::describe(span, scratch)),
                        .error = span.status == model::StatusCode::kError});
    }
    std::vector<std::string> urls;
    for (const model::Span& span : spans) {
      const std::string url = text_at(span, "url.full");
      urls.push_back(url.empty() ? text_at(span, "http.url") : url);
    }
    const auto& found = analyzer_.analyze(inputs, [&](uint32_t i) { return std::string_view(urls[i]); });
    partial_ = found.partial;
    test_ = found.test;
    return found.flows.empty() ? "" : found.flows.front().flow->path;
  }
  bool partial() const { return partial_; }
  bool test() const { return test_; }

 private:
  discovery::NameTries tries_;
  discovery::FlowCatalog catalog_;
  discovery::TraceAnalyzer analyzer_{tries_, catalog_};
  bool partial_ = false, test_ = false;
};

}  // namespace testmesh::simulate
