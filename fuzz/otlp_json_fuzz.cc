// Any text: what the JSON reader accepts is protobuf that decodes, and its
// spans survive being written as JSON and read again.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "otlp/convert.h"
#include "otlp/json_document.h"
#include "otlp/testing/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh::otlp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)find_json_error(text);
  const auto bytes = json_to_protobuf(text);
  if (!bytes) {
    CHECK(bytes.error().code == testmesh::base::ErrorCode::kInvalidArgument);
    return 0;
  }
  const auto decoded = decode_protobuf(*bytes);
  CHECK(decoded);
  const auto theirs = testing::Oracle::decode(*bytes);
  CHECK(theirs && testing::same(*decoded, *theirs));
  const auto again = json_to_protobuf(encode_json(decoded->spans));
  CHECK(again && *again == encode_protobuf(decoded->spans));
  return 0;
}
