// Protobuf's wire format, read field by field, accepting and refusing exactly
// what libprotobuf does: overlong varints, unknown fields and groups are fine;
// field number 0, stray group ends and lengths past the end are not.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace testmesh::otlp {

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroup = 3,
  kGroupEnd = 4,
  kFixed32 = 5
};

// Messages (and unknown groups) inside the outermost one: libprotobuf's limit.
inline constexpr int kMaxMessageDepth = 100;

// The fields of one message. After each `next()` read the field by exactly one
// call; once failed() every call returns nothing and next() false. Keeps a view
// of the bytes.
class WireReaderView {
 public:
  explicit WireReaderView(std::string_view message) : at_(message.data()), end_(at_ + message.size()) {}

  bool next() {
    if (failed_ || at_ == end_) return false;
    tag_ = read_tag();
    if (!failed_ && ((tag_ >> 3) == 0 || type() == WireType::kGroupEnd || (tag_ & 7) > 5)) failed_ = true;
    return !failed_;
  }

  // Number and type in one, as the wire has them: compare with field().
  uint32_t tag() const { return tag_; }
  WireType type() const { return static_cast<WireType>(tag_ & 7); }
  const char* position() const { return at_; }
  bool failed() const { return failed_; }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  uint64_t fixed64() { return fixed<uint64_t>(); }
  uint32_t fixed32() { return fixed<uint32_t>(); }

  std::string_view bytes() {
    const uint64_t size = read_size();
    if (failed_ || size > static_cast<uint64_t>(end_ - at_)) {
      failed_ = true;
      return {};
    }
    const std::string_view value(at_, size);
    at_ += size;
    return value;
  }

  // `depth`: how many more levels of groups may open.
  void skip(int depth) {
    switch (type()) {
      case WireType::kVarint:
        varint();
        return;
      case WireType::kFixed64:
        fixed64();
        return;
      case WireType::kBytes:
        bytes();
        return;
      case WireType::kFixed32:
        fixed32();
        return;
      case WireType::kGroup:
        skip_group(depth);
        return;
      case WireType::kGroupEnd:
        break;
    }
    failed_ = true;
  }

 private:
  template <typename T>
  T fixed() {
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) {
      failed_ = true;
      return 0;
    }
    T value;  // the wire is little-endian, as is every machine this runs on
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  // At most five bytes; bits past the 32nd are dropped.
  uint32_t read_tag() {
    uint32_t value = 0;
    for (int shift = 0; shift < 35 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  // At most five bytes and below 2 GiB.
  uint32_t read_size() {
    uint32_t value = 0;
    for (int shift = 0; shift < 35 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift == 28 && byte >= 8) break;
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  void skip_group(int depth) {
    const uint32_t end_tag = tag_ + 1;  // same number, type kGroupEnd
    if (depth <= 0) failed_ = true;
    while (!failed_) {
      tag_ = read_tag();
      if (failed_ || tag_ == end_tag) return;
      if ((tag_ >> 3) == 0 || (tag_ & 7) > 5) failed_ = true;
      if (!failed_) skip(depth - 1);
    }
  }

  const char* at_;
  const char* end_;
  uint32_t tag_ = 0;
  bool failed_ = false;
};

constexpr uint32_t field(uint32_t number, WireType type) { return number << 3 | static_cast<uint32_t>(type); }

}  // namespace testmesh::otlp
