// Any bytes as a request: the row encoder and the reference reader must agree
// on whether it is one, and every row must give its span back. Then the same
// bytes as a row: reading it must neither crash nor read past it.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "encoding/row.h"
#include "encoding/row_encoder.h"
#include "otlp/convert.h"

namespace {

using namespace testmesh;

void check_rows(const encoding::Dictionary& dictionary, const encoding::EncodedBatch& batch,
                const otlp::DecodedSpans& reference) {
  std::multimap<std::pair<model::TraceId, model::SpanId>, const model::Span*> wanted;
  for (const model::Span& span : reference.spans)
    wanted.emplace(std::pair(span.trace_id, span.span_id), &span);
  for (const std::string& part : batch.parts) {
    base::ByteReader reader(part);
    while (!reader.done()) {
      model::TraceId id;
      id.bytes = reader.fixed<std::array<uint8_t, 16>>();
      const auto size = reader.fixed<uint32_t>();
      const auto count = reader.fixed<uint32_t>();
      base::ByteReader rows(reader.bytes(size));
      for (uint32_t i = 0; i < count; ++i) {
        encoding::Row row;
        CHECK(encoding::parse_row(dictionary, rows.sized(), row));
        std::string message;
        CHECK(encoding::append_traces_data(dictionary, id, row, message));
        const auto decoded = otlp::decode_protobuf(message);
        CHECK(decoded && decoded->spans.size() == 1);
        auto [same, last] = wanted.equal_range({id, row.id});
        while (same != last && !model::same_span(*same->second, decoded->spans.front())) ++same;
        CHECK(same != last);
        wanted.erase(same);
      }
      CHECK(!reader.failed() && !rows.failed() && rows.done());
    }
  }
  CHECK(wanted.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  encoding::Dictionary dictionary({.resources = 4,
                                   .scopes = 4,
                                   .keys = 64,
                                   .values_per_key = 8,
                                   .templates = 8,
                                   .shapes = 16,
                                   .bytes = 1 << 20});
  encoding::RowEncoder encoder(dictionary);
  encoding::EncodedBatch batch;
  batch.reset(2);
  const bool taken = encoder.encode(bytes, batch).has_value();
  const auto reference = otlp::decode_protobuf(bytes);
  CHECK(taken == reference.has_value());
  if (taken) {
    CHECK(batch.spans == reference->spans.size() && batch.repaired_ids == reference->repaired);
    CHECK(batch.rejected_ids + batch.rejected_times == reference->rejected);
    check_rows(dictionary, batch, *reference);
  }
  encoding::Row row;
  if (encoding::parse_row(dictionary, bytes, row)) {
    encoding::tail_size(dictionary, row.shape, row.tail);
    std::string message;
    encoding::append_traces_data(dictionary, {{1}}, row, message);
  }
  return 0;
}
