// The value of a KeyValue in canonical form, read in place: part of the hot
// path, hence in a header.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/varint.h"
#include "encoding/dictionary.h"

namespace testmesh::encoding {

// The value inside canonical KeyValue bytes, behind `prefix`.
struct ParsedValue {
  ValueType type = ValueType::kAbsent;
  bool empty_value = false;
  std::string_view content;  // without tag; texts without length
  uint64_t number = 0;       // kInt, kBool
};

// Reads `wire` from the value field's tag on; false unless it is canonical.
inline bool parse_canonical_value(std::string_view wire, ParsedValue& value) {
  if (wire.empty()) {
    value.type = ValueType::kAbsent;
    value.empty_value = false;
    value.content = {};
    return true;
  }
  if (wire[0] != 0x12) return false;
  base::ByteReader reader(wire.substr(1));
  const uint64_t size = reader.varint();
  if (reader.failed() || size != reader.rest().size()) return false;
  if (size == 0) {
    value.type = ValueType::kAbsent;
    value.empty_value = true;
    value.content = {};
    return true;
  }
  const auto type = static_cast<ValueType>(reader.fixed<uint8_t>());
  value.type = type;
  value.empty_value = false;
  switch (type) {
    case ValueType::kString:
    case ValueType::kBytes: {
      const uint64_t length = reader.varint();
      value.content = reader.rest();
      return !reader.failed() && length == value.content.size();
    }
    case ValueType::kBool:
      value.content = reader.rest();
      return value.content.size() == 1 && static_cast<uint8_t>(value.content[0]) <= 1;
    case ValueType::kInt: {
      value.content = reader.rest();
      value.number = reader.varint();
      if (reader.failed() || !reader.done()) return false;
      char minimal[base::kMaxVarintBytes];
      return base::put_varint(minimal, value.number) == minimal + value.content.size();
    }
    case ValueType::kDouble:
      value.content = reader.rest();
      return value.content.size() == 8;
    // Lists may be spelled in many ways: only their canonical form is coded,
    // and only the slow path knows whether this is it.
    default:
      return false;
  }
}

// As above, for bytes that append_canonical_key_value made: lists too.
inline bool parse_canonicalised_value(std::string_view wire, ParsedValue& value) {
  if (parse_canonical_value(wire, value)) return true;
  base::ByteReader reader(wire.substr(1));
  reader.varint();
  value.type = static_cast<ValueType>(reader.fixed<uint8_t>());
  value.empty_value = false;
  value.content = reader.sized();
  return !reader.failed();
}

// Bytes of the key field of a canonical KeyValue; 0 when it does not start
// with one.
inline size_t key_prefix(std::string_view wire) {
  if (wire.empty() || wire[0] != 0x0a) return 0;
  base::ByteReader reader(wire.substr(1));
  reader.sized();
  return reader.failed() ? 0 : static_cast<size_t>(reader.position() - wire.data());
}

}  // namespace testmesh::encoding
