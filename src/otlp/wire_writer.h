// Writes protobuf's wire format onto the end of a string, shortest varints.
// (protozero's writer drops a nested message without fields; here an empty
// message is a value of its own: the empty array, the empty attribute.)
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "otlp/wire.h"

namespace testmesh::otlp {

// One message. A nested one is open until it is destroyed; its parent must not
// be written to meanwhile.
class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}
  WireWriter(WireWriter& parent, uint32_t number) : out_(parent.out_) {
    add_tag(number, WireType::kBytes);
    out_ += '\0';  // most messages are shorter than 128 bytes
    start_ = out_.size();
  }
  ~WireWriter() {
    if (start_ == 0) return;
    size_t size = out_.size() - start_;
    if (size >= 0x80) {
      size_t more = 0;
      for (size_t rest = size >> 7; rest != 0; rest >>= 7) ++more;
      out_.insert(start_, more, '\0');
    }
    char* at = out_.data() + start_ - 1;
    for (; size >= 0x80; size >>= 7) *at++ = static_cast<char>(size | 0x80);
    *at = static_cast<char>(size);
  }
  WireWriter(const WireWriter&) = delete;
  WireWriter& operator=(const WireWriter&) = delete;

  void add_uint64(uint32_t number, uint64_t value) {
    add_tag(number, WireType::kVarint);
    add_varint(value);
  }
  void add_int64(uint32_t number, int64_t value) { add_uint64(number, static_cast<uint64_t>(value)); }
  void add_enum(uint32_t number, int32_t value) { add_int64(number, value); }  // the sign goes all the way up
  void add_bool(uint32_t number, bool value) { add_uint64(number, value ? 1 : 0); }
  void add_double(uint32_t number, double value) { add_fixed(number, WireType::kFixed64, value); }
  void add_fixed64(uint32_t number, uint64_t value) { add_fixed(number, WireType::kFixed64, value); }
  void add_fixed32(uint32_t number, uint32_t value) { add_fixed(number, WireType::kFixed32, value); }
  void add_bytes(uint32_t number, std::string_view bytes) {
    add_tag(number, WireType::kBytes);
    add_varint(bytes.size());
    out_.append(bytes);
  }

 private:
  void add_tag(uint32_t number, WireType type) { add_varint(field(number, type)); }
  void add_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  template <typename T>
  void add_fixed(uint32_t number, WireType type, T value) {
    add_tag(number, type);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof bytes);
  }

  std::string& out_;
  size_t start_ = 0;  // of a nested message's fields; 0: the outermost
};

}  // namespace testmesh::otlp
