// Any bytes: the reader and libprotobuf must agree on whether they are a
// request and on the spans in it, and what it read must survive being written
// and read again, in both spellings.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "otlp/convert.h"
#include "otlp/testing/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh::otlp;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto ours = decode_protobuf(bytes);
  const auto theirs = testing::Oracle::decode(bytes);
  CHECK(ours.has_value() == theirs.has_value());
  if (!ours) return 0;
  CHECK(testing::same(*ours, *theirs));

  const std::string written = encode_protobuf(ours->spans);
  const auto again = decode_protobuf(written);
  CHECK(again && again->rejected == 0 && again->repaired == 0);
  CHECK(again->spans.size() == ours->spans.size());
  CHECK(encode_protobuf(again->spans) == written);

  // JSON has one NaN only; without its payload the bytes may differ, not the number of spans.
  const auto from_json = json_to_protobuf(encode_json(ours->spans));
  CHECK(from_json);
  const auto spans = decode_protobuf(*from_json);
  CHECK(spans && spans->spans.size() == ours->spans.size());
  return 0;
}
