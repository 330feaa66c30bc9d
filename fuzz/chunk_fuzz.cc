// Any bytes as the parts of a chunk of records, past the checksum that guards
// them on disk: reading records must neither crash nor read past them.
#include <cstdint>
#include <string>
#include <string_view>

#include "encoding/row.h"
#include "encoding/row_encoder.h"
#include "store/embedded/segment.h"

namespace {

// A dictionary with a shape of every kind of value in it.
const testmesh::encoding::Dictionary& dictionary() {
  static testmesh::encoding::Dictionary* const made = [] {
    auto* d = new testmesh::encoding::Dictionary;
    testmesh::encoding::RowEncoder encoder(*d);
    testmesh::encoding::EncodedBatch batch;
    batch.reset(1);
    const auto field = [](char tag, const std::string& bytes) {
      return std::string(1, tag) + static_cast<char>(bytes.size()) + bytes;
    };
    const auto attribute = [&](const std::string& key, const std::string& value) {
      return field(0x4a, field(0x0a, key) + field(0x12, value));
    };
    const std::string span =
        field(0x0a, std::string(16, 'T')) + field(0x12, std::string(8, 'S')) +
        field(0x22, std::string(8, 'P')) + field(0x2a, "GET /orders/8f3a61c0b2d4") +
        attribute("text", field(0x0a, "/a/8f3a61c0b2d4")) + attribute("truth", std::string("\x10\x01", 2)) +
        attribute("number", std::string("\x18\x07", 2)) +
        attribute("real", std::string("\x21", 1) + std::string(8, 'd')) +
        attribute("bytes", field(0x3a, "b")) + attribute("list", field(0x2a, field(0x0a, field(0x0a, "x")))) +
        field(0x1a, "state");
    encoder.encode(field(0x0a, field(0x0a, "") + field(0x12, field(0x12, span))), batch);
    return d;
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const size_t ids = std::min<size_t>(data[0], bytes.size());
  const size_t table = std::min<size_t>(data[1], bytes.size() - ids);
  (void)testmesh::store::Chunk::parse(bytes);
  const auto chunk = testmesh::store::Chunk::of_parts(
      std::string(bytes.substr(0, ids)), bytes.substr(ids, table), std::string(bytes.substr(ids + table)), 0);
  if (!chunk) return 0;
  for (uint32_t ordinal = 0; ordinal < (*chunk)->traces(); ++ordinal) {
    const auto record = (*chunk)->record(dictionary(), ordinal);
    if (!record) continue;
    for (const auto& span : record->spans) {
      std::string message;
      testmesh::encoding::append_traces_data(dictionary(), {{1}}, span.row, message);
    }
  }
  return 0;
}
