// Protobuf wire format, as much as the encoder needs: a forward reader that
// never throws and never reads past its end, a check of whole messages against
// what libprotobuf would accept, and the canonical form of a KeyValue.
//
// Written by hand rather than with protozero because malformed input must be
// told apart without exceptions and unknown groups must be skipped, as
// libprotobuf does.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace testmesh::encoding {

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

class WireReader {
 public:
  // `depth`: how many messages stand around this one; it bounds the groups in it.
  explicit WireReader(std::string_view bytes, int depth = 0)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), depth_(depth) {}

  // Reads the next field's tag. False at the end, or when malformed (see ok()).
  bool next() {
    if (at_ == end_) return false;
    field_start_ = at_;
    uint32_t tag;
    if (!read_short_varint(tag, 0x7f) || (tag >> 3) == 0) return fail();
    field_ = tag >> 3;
    type_ = static_cast<WireType>(tag & 7);
    return true;
  }
  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  bool is(uint32_t field, WireType type) const { return field_ == field && type_ == type; }

  uint64_t varint() {
    uint64_t value = 0;
    if (!read_varint(value)) fail();
    return value;
  }
  uint64_t fixed64() { return fixed<uint64_t>(); }
  uint32_t fixed32() { return fixed<uint32_t>(); }
  std::string_view bytes() {
    uint32_t size;
    if (!read_short_varint(size, 7) || size > static_cast<uint64_t>(end_ - at_)) {
      fail();
      return {};
    }
    const std::string_view view(at_, static_cast<size_t>(size));
    at_ += size;
    return view;
  }
  // Passes over the field just announced by next().
  void skip();
  // The whole field just read or skipped, tag included.
  std::string_view field_bytes() const { return {field_start_, static_cast<size_t>(at_ - field_start_)}; }

  bool ok() const { return ok_; }

 private:
  template <typename T>
  T fixed() {
    T value{};
    if (static_cast<size_t>(end_ - at_) < sizeof value) {
      fail();
      return value;
    }
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  bool read_varint(uint64_t& value) {
    if (at_ < end_ && !(*at_ & 0x80)) [[likely]] {
      value = static_cast<uint8_t>(*at_++);
      return true;
    }
    return read_long_varint(value);
  }
  // Tags and sizes have five bytes at most; of the fifth, bits above `last`
  // are refused when it is a size and dropped when it is a tag.
  bool read_short_varint(uint32_t& value, uint8_t last) {
    if (at_ < end_ && !(*at_ & 0x80)) [[likely]] {
      value = static_cast<uint8_t>(*at_++);
      return true;
    }
    return read_long_short_varint(value, last);
  }
  bool read_long_short_varint(uint32_t& value, uint8_t last);
  bool read_long_varint(uint64_t& value);
  bool fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }

  const char* at_;
  const char* end_;
  int depth_;
  const char* field_start_ = nullptr;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  bool ok_ = true;
};

// Messages that are checked as a whole.
enum class WireMessage : uint8_t { kResource, kScope, kKeyValue, kEvent, kLink, kStatus };

// Whether libprotobuf would accept these bytes as that message: well-formed,
// string fields valid UTF-8, not nested deeper than it allows. `depth` is how
// many messages already stand around it.
bool valid_message(WireMessage message, std::string_view bytes, int depth);

// The canonical encoding of a KeyValue, appended to `out`: key (always
// written), then value when it was there; in the value the last member of the
// oneof, no unknown fields. False when the bytes are not a valid KeyValue.
bool append_canonical_key_value(std::string_view bytes, std::string& out);

bool valid_utf8(std::string_view text);

inline void append_tag(std::string& out, uint32_t field, WireType type) {
  out += static_cast<char>(field << 3 | static_cast<uint32_t>(type));  // fields below 16 only
}

}  // namespace testmesh::encoding
