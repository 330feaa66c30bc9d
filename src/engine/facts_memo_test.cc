// The memo must say of a row what a reader of the whole span says.
#include "engine/facts_memo.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "encoding/row_encoder.h"
#include "engine/testing/engine_fixture.h"

namespace testmesh::engine::testing {
namespace {

struct Choices {
  const char* key;
  std::vector<const char*> values;
};

const std::vector<Choices> kAttributes = {
    {"db.system", {"postgresql", "redis", "", "mssql"}},
    {"db.system.name", {"postgresql", "mysql", ""}},
    {"db.namespace", {"orders", "0", ""}},
    {"db.operation.name", {"", "SELECT", "insert", "BATCH", "BATCH INSERT"}},
    {"db.operation", {"", "HSET", "GET"}},
    {"db.query.text",
     {"", "SELECT 1", "SELECT 48213", "INSERT INTO t VALUES (48213)", "INSERT INTO t VALUES (99999)",
      "update t", "/* 0123456789 */ DELETE FROM t", "-- 0123456789 x\nSELECT 12345", " insert 1234567",
      "BATCH 12345 INSERT", "batch insert 12345", "insert123456", "INSERT/*x*/"}},
    {"db.statement", {"", "DROP TABLE t", "select 77777"}},
    {"http.request.method", {"GET", "", "post"}},
    {"http.route", {"/a/{id}", "", "/b"}},
    {"url.path", {"/x/12345", "/y/67890", ""}},
    {"messaging.destination.name", {"orders", "events-12345", ""}},
    {"messaging.operation.type", {"send", "receive", ""}},
    {"server.address", {"stock", "10.0.0.1", ""}},
    {"peer.service", {"pay", ""}},
    {"http.response.status_code", {"200", "500"}},
};

TEST(FactsMemo, SaysOfARowWhatTheWholeSpanSays) {
  const char* given = std::getenv("TESTMESH_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "seed " << seed << " (repeat with TESTMESH_SEED=" << seed << ")\n";
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 40; ++round) {
    encoding::Dictionary dictionary;
    encoding::RowEncoder encoder(dictionary);
    discovery::NameTries tries;
    discovery::FlowCatalog catalog;
    discovery::TraceAnalyzer analyzer(tries, catalog);
    FactsMemo memo(dictionary);
    // Few shapes with many values each.
    std::vector<std::vector<size_t>> shapes(4);
    for (auto& shape : shapes)
      for (size_t i = 0; i < kAttributes.size(); ++i)
        if (below(3) > 0) shape.push_back(i);
    for (int count = 0; count < 300; ++count) {
      std::vector<model::KeyValue> attributes;
      const size_t shape = below(shapes.size());
      for (const size_t i : shapes[shape])
        attributes.push_back(
            {kAttributes[i].key, {std::string(kAttributes[i].values[below(kAttributes[i].values.size())])}});
      const char* const names[] = {"GET", "INSERT orders", "work"};
      const auto kind = static_cast<model::SpanKind>(shape == 0 ? below(6) : 3);
      const model::Span span =
          span_of(1, 1, 0, below(2) ? "a" : "b", names[below(3)], kind, std::move(attributes));
      encoding::EncodedBatch batch;
      batch.reset(1);
      ASSERT_TRUE(encoder.encode(otlp::encode_protobuf({span}), batch));
      base::ByteReader reader(std::string_view(batch.parts[0]).substr(encoding::kGroupHeader));
      encoding::Row row;
      ASSERT_TRUE(encoding::parse_row(dictionary, reader.sized(), row));
      std::vector<std::string> scratch;
      const discovery::FactsId whole = analyzer.facts(discovery::describe(span, scratch));
      ASSERT_EQ(memo.facts(row, analyzer), whole);
      ASSERT_EQ(memo.facts(row, analyzer), whole);
    }
  }
}

}  // namespace
}  // namespace testmesh::engine::testing
