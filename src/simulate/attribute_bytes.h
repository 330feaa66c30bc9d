// OTLP's attributes and the like, appended as wire bytes. Private to the module.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "otlp/fields.h"
#include "otlp/wire.h"

namespace testmesh::simulate {

inline size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

inline void append_varint(std::string& out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  out.append(bytes, size);
}

inline void append_tag(std::string& out, uint32_t number, otlp::WireType type) {
  append_varint(out, otlp::field(number, type));
}

inline void append_bytes(std::string& out, uint32_t number, std::string_view bytes) {
  append_tag(out, number, otlp::WireType::kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}

inline void append_fixed64(std::string& out, uint32_t number, uint64_t value) {
  append_tag(out, number, otlp::WireType::kFixed64);
  char bytes[8];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

// A KeyValue as field `number`, its AnyValue `value_size` bytes long; the
// caller appends that value.
inline void append_key(std::string& out, uint32_t number, std::string_view key, size_t value_size) {
  const size_t size = 1 + varint_size(key.size()) + key.size() + 1 + varint_size(value_size) + value_size;
  append_tag(out, number, otlp::WireType::kBytes);
  append_varint(out, size);
  append_bytes(out, otlp::key_value_field::kKey, key);
  append_tag(out, otlp::key_value_field::kValue, otlp::WireType::kBytes);
  append_varint(out, value_size);
}

inline void append_attribute(std::string& out, uint32_t number, std::string_view key,
                             std::string_view value) {
  append_key(out, number, key, 1 + varint_size(value.size()) + value.size());
  append_bytes(out, otlp::any_value_field::kString, value);
}

inline void append_attribute(std::string& out, uint32_t number, std::string_view key, int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  append_key(out, number, key, 1 + varint_size(bits));
  append_tag(out, otlp::any_value_field::kInt, otlp::WireType::kVarint);
  append_varint(out, bits);
}

}  // namespace testmesh::simulate
