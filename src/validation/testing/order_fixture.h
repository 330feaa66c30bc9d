// The shop's orders, and a run of a flow that makes one.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hex.h"
#include "validation/testing/validation_fixture.h"
#include "validation/trace_validation.h"

namespace testmesh::validation::testing {

// How the shop's order goes, and how it may go wrong.
struct Order {
  bool asks_user = true, asks_products = true, writes = true, announces = true;
  bool asks_fraud = false;
  bool products_first = false;
  uint64_t products_ms = 20;
  bool products_fail = false;
};

// Spans of an order below `parent`: 100 ms from `from` on.
struct OrderSpans {
  SpanOf *entry = nullptr, *user_client = nullptr, *user = nullptr, *user_db = nullptr,
         *product_client = nullptr, *product = nullptr, *product_db = nullptr, *write = nullptr,
         *topic = nullptr;
};
inline OrderSpans order(TraceOf& trace, const model::SpanId& parent = {}, const Order& how = {},
                        uint64_t from = 10) {
  OrderSpans s;
  s.entry = &trace.server("order-service", "POST", "/orders").under(parent).ms(from, from + 100);
  const uint64_t first = from + 5, second = from + 35;
  if (how.asks_user) {
    const uint64_t at = how.products_first ? second : first;
    s.user_client = &trace.client("order-service", "GET").under(*s.entry).ms(at, at + 20);
    s.user = &trace.server("user-service", "GET", "/users/:id").under(*s.user_client).ms(at + 1, at + 19);
    s.user_db = &trace.query("user-service", "users").under(*s.user).ms(at + 2, at + 10);
  }
  if (how.asks_products) {
    const uint64_t at = how.products_first ? first : second;
    s.product_client = &trace.client("order-service", "GET").under(*s.entry).ms(at, at + how.products_ms + 5);
    s.product = &trace.server("product-service", "GET", "/products/:id")
                     .under(*s.product_client)
                     .ms(at + 1, at + 1 + how.products_ms);
    s.product_db = &trace.query("product-service", "products").under(*s.product).ms(at + 2, at + 10);
    if (how.products_fail) s.product->failing("no such product").with("error.type", "NotFound");
  }
  if (how.asks_fraud) {
    SpanOf& client = trace.client("order-service", "POST").under(*s.entry).ms(from + 65, from + 69);
    trace.server("fraud-service", "POST", "/checks").under(client).ms(from + 66, from + 68);
  }
  if (how.writes) s.write = &trace.query("order-service", "orders").under(*s.entry).ms(from + 70, from + 80);
  if (how.announces)
    s.topic = &trace.send("order-service", "order.created").under(*s.entry).ms(from + 85, from + 90);
  return s;
}

inline const std::vector<std::string> kOrderPath{
    "POST /orders", "GET /users/:id", "users", "GET /products/:id", "products", "orders", "order.created"};

class OrderTest : public ::testing::Test {
 protected:
  OrderTest() {
    flow_.name = "order";
    subject_.execution = *model::ExecutionId::parse("00000000-0000-4000-8000-000000000007");
    subject_.workspace = model::kDefaultWorkspace;
    subject_.trace_id = trace_id(1);
    subject_.flow = &flow_;
    subject_.is_run = true;
    subject_.started_at = kNoon;
  }

  void learn(int times, const Order& how = {}) {
    for (int i = 0; i < times; ++i) {
      TraceOf trace(++learned_ + 1000);
      order(trace, {}, how);
      store_.learn(trace.spans());
    }
  }
  void expect_path(std::vector<model::PathNode> path) {
    flow_.trace.emplace().expected_path = std::move(path);
    flow_.expects_of_trace = true;
  }
  void discovered_from(const model::Fingerprint& fingerprint) {
    flow_.discovered_from.emplace().fingerprint = base::to_hex(fingerprint);
    flow_.expects_of_trace = true;
  }
  model::Fingerprint fingerprint_of(const std::vector<model::Span>& spans) {
    store_.receive(spans);
    return store_.trace(subject_.workspace, spans.front().trace_id)->value().parts.at(0).fingerprint;
  }

  // The runner's spans of one step that calls, with what it called.
  const SpanOf& begin(TraceOf& trace, const std::string& step_id = "create_order") {
    execution_ = &trace.execution();
    return step(trace, step_id);
  }
  const SpanOf& step(TraceOf& trace, const std::string& step_id) {
    SpanOf& span = trace.step(*execution_);
    const SpanOf& call = trace.call_of_step(span);
    subject_.steps.push_back({.step_id = step_id, .span_id = span.span.span_id, .reaches_out = true});
    return call;
  }
  void run_order(const Order& how = {}) {
    TraceOf trace(1);
    const SpanOf& call = begin(trace);
    order(trace, call.span.span_id, how);
    store_.receive(trace.spans());
  }

  std::shared_ptr<const store::TraceDetail> detail() {
    auto found = store_.trace(subject_.workspace, subject_.trace_id);
    EXPECT_TRUE(found);
    return *found ? std::make_shared<const store::TraceDetail>(std::move(**found)) : nullptr;
  }
  // As it is now, `quiet` after the last span.
  TraceValidation look(bool time_is_up = false, uint64_t quiet = kSecond) {
    const ValidationMemoryPtr memory = make_validation_memory();
    auto result = validate_once(subject_, store_, detail(), kNoon + quiet, kNoon, time_is_up, *memory);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : TraceValidation{};
  }

  MemoryStore store_;
  flow_file::FlowFile flow_;
  Subject subject_;
  SpanOf* execution_ = nullptr;
  uint64_t learned_ = 0;
};

}  // namespace testmesh::validation::testing
