#include "encoding/row.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "encoding/row_encoder.h"
#include "encoding/wire.h"
#include "otlp/convert.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::encoding {
namespace {

// Every row of a batch, in the order of its groups.
struct Encoded {
  std::vector<model::TraceId> traces;
  std::vector<std::string> rows;
};

Encoded rows_of(const EncodedBatch& batch) {
  Encoded encoded;
  for (const std::string& part : batch.parts) {
    base::ByteReader reader(part);
    while (!reader.done()) {
      model::TraceId id;
      id.bytes = reader.fixed<std::array<uint8_t, 16>>();
      const auto size = reader.fixed<uint32_t>();
      const auto count = reader.fixed<uint32_t>();
      base::ByteReader group(reader.bytes(size));
      for (uint32_t i = 0; i < count; ++i) {
        encoded.traces.push_back(id);
        encoded.rows.emplace_back(group.sized());
      }
      EXPECT_TRUE(group.done() && !group.failed() && !reader.failed());
      if (reader.failed()) return encoded;
    }
  }
  return encoded;
}

model::Span decode(const Dictionary& dictionary, const model::TraceId& trace, std::string_view bytes) {
  Row row;
  EXPECT_TRUE(parse_row(dictionary, bytes, row));
  EXPECT_EQ(tail_size(dictionary, row.shape, row.tail), row.tail.size());
  std::string message;
  EXPECT_TRUE(append_traces_data(dictionary, trace, row, message));
  auto decoded = otlp::decode_protobuf(message);
  EXPECT_TRUE(decoded && decoded->spans.size() == 1);
  if (!decoded || decoded->spans.size() != 1) return {};
  EXPECT_EQ(has_error(dictionary, row), decoded->spans.front().status == model::StatusCode::kError);
  return decoded->spans.front();
}

class RowTest : public testing::TestWithParam<DictionaryLimits> {
 protected:
  void expect_lossless(const std::vector<model::Span>& spans) {
    EncodedBatch batch;
    batch.reset(3);
    const std::string request = otlp::encode_protobuf(spans);
    ASSERT_TRUE(encoder_.encode(request, batch));
    const auto reference = otlp::decode_protobuf(request);
    ASSERT_TRUE(reference);
    EXPECT_EQ(batch.spans, reference->spans.size());
    EXPECT_EQ(batch.rejected_ids + batch.rejected_times, reference->rejected);
    EXPECT_EQ(batch.repaired_ids, reference->repaired);
    const Encoded encoded = rows_of(batch);
    ASSERT_EQ(encoded.rows.size(), batch.spans);
    std::multimap<std::pair<model::TraceId, model::SpanId>, const model::Span*> wanted;
    for (const model::Span& span : reference->spans)
      wanted.emplace(std::pair(span.trace_id, span.span_id), &span);
    for (size_t i = 0; i < encoded.rows.size(); ++i) {
      const model::Span span = decode(dictionary_, encoded.traces[i], encoded.rows[i]);
      const auto [first, last] = wanted.equal_range({span.trace_id, span.span_id});
      auto same = first;
      while (same != last && !model::same_span(*same->second, span)) ++same;
      ASSERT_NE(same, last) << "span " << span.span_id.to_hex() << " changed on the way";
      wanted.erase(same);
    }
  }

  Dictionary dictionary_{GetParam()};
  RowEncoder encoder_{dictionary_};
};

TEST_P(RowTest, ASpanComesBackAsItWasSent) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 30; ++round) {
    const std::vector<model::Span> spans = otlp::testing::random_spans(random, 100);
    expect_lossless(spans);
    expect_lossless(spans);  // now every value is known
    if (HasFatalFailure()) return;
  }
}

TEST_P(RowTest, TheDictionaryReadsBackFromItsLog) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  EncodedBatch batch;
  batch.reset(1);
  ASSERT_TRUE(encoder_.encode(otlp::encode_protobuf(otlp::testing::random_spans(random, 300)), batch));
  const std::string log = dictionary_.definitions(0);
  Dictionary copy(GetParam());
  // In pieces that overlap, as a journal replayed over a saved log gives them.
  uint64_t cut = 0;
  for (base::ByteReader reader(log); !reader.done() && cut < log.size() / 2;) {
    reader.fixed<char>();
    reader.sized();
    cut = static_cast<uint64_t>(reader.position() - log.data());
  }
  ASSERT_TRUE(copy.apply(0, std::string_view(log).substr(0, cut)));
  ASSERT_TRUE(copy.apply(0, log));
  EXPECT_EQ(copy.definitions(0), log);
  const Encoded encoded = rows_of(batch);
  for (size_t i = 0; i < encoded.rows.size(); ++i)
    EXPECT_TRUE(model::same_span(decode(copy, encoded.traces[i], encoded.rows[i]),
                                 decode(dictionary_, encoded.traces[i], encoded.rows[i])));
}

TEST_P(RowTest, ACutRequestIsRefusedWhole) {
  std::mt19937_64 random(7);
  const std::string request = otlp::encode_protobuf(otlp::testing::random_spans(random, 6));
  EncodedBatch batch;
  for (size_t size = 0; size < request.size(); ++size) {
    batch.reset(2);
    const std::string cut = request.substr(0, size);  // its own allocation: reading past it shows
    const bool taken = encoder_.encode(cut, batch).has_value();
    EXPECT_EQ(taken, otlp::decode_protobuf(cut).has_value()) << "cut at " << size;
  }
}

TEST_P(RowTest, ChangedBytesAreTakenExactlyWhenTheReferenceReaderTakesThem) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string request = otlp::encode_protobuf(otlp::testing::random_spans(random, 12));
  EncodedBatch batch;
  for (int i = 0; i < 5'000; ++i) {
    std::string changed = request;
    for (uint64_t n = 1 + random() % 3; n > 0; --n)
      changed[random() % changed.size()] = static_cast<char>(random());
    batch.reset(2);
    const auto reference = otlp::decode_protobuf(changed);
    ASSERT_EQ(encoder_.encode(changed, batch).has_value(), reference.has_value())
        << base::to_hex({reinterpret_cast<const uint8_t*>(changed.data()), changed.size()});
    if (!reference) continue;
    ASSERT_EQ(batch.spans, reference->spans.size());
    const Encoded encoded = rows_of(batch);
    std::map<std::pair<model::TraceId, model::SpanId>, model::Span> by_id;
    for (size_t row = 0; row < encoded.rows.size(); ++row) {
      model::Span span = decode(dictionary_, encoded.traces[row], encoded.rows[row]);
      by_id.emplace(std::pair(span.trace_id, span.span_id), std::move(span));
    }
    for (const model::Span& span : reference->spans) {
      const auto found = by_id.find({span.trace_id, span.span_id});
      ASSERT_NE(found, by_id.end());
      // Of several with one id the map holds the first alone.
      if (reference->spans.size() == by_id.size()) {
        ASSERT_TRUE(model::same_span(found->second, span));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, RowTest,
                         testing::Values(DictionaryLimits{},
                                         DictionaryLimits{.resources = 2,
                                                          .scopes = 2,
                                                          .keys = 12,
                                                          .values_per_key = 2,
                                                          .templates = 3,
                                                          .shapes = 4,
                                                          .bytes = 1 << 20},
                                         DictionaryLimits{.resources = 0,
                                                          .scopes = 0,
                                                          .keys = 2,
                                                          .values_per_key = 0,
                                                          .templates = 0,
                                                          .shapes = 1,
                                                          .bytes = 0}),
                         [](const auto& limits) {
                           return limits.index == 0 ? "Roomy" : limits.index == 1 ? "Tight" : "None";
                         });

}  // namespace
}  // namespace testmesh::encoding
