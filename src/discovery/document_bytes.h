// Bytes of the documents discovery stores: varints, length-prefixed strings.
// Readers take anything: a value that does not fit its field, or a document
// that ends early, makes the reader fail, never the process.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "model/ids.h"

namespace testmesh::discovery {

__extension__ typedef unsigned __int128 Uint128;  // sums of nanoseconds, exact

inline void put_varint(std::string& out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  out.append(bytes, size);
}

inline void put_uint128(std::string& out, Uint128 value) {
  put_varint(out, static_cast<uint64_t>(value));
  put_varint(out, static_cast<uint64_t>(value >> 64));
}

inline void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out += bytes;
}

// After a failure every read gives zero and ok() stays false, so that a
// decoder may read on and ask once at its end.
class ByteReaderView {
 public:
  explicit ByteReaderView(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  uint8_t byte() {
    if (rest_.empty()) {
      fail();
      return 0;
    }
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      if (!ok_ || (shift == 63 && part > 1)) break;
      value |= static_cast<uint64_t>(part & 0x7f) << shift;
      if (part < 0x80) return value;
    }
    fail();
    return 0;
  }

  Uint128 uint128() {
    const uint64_t low = varint();
    return static_cast<Uint128>(varint()) << 64 | low;
  }

  std::string_view bytes() { return take(varint()); }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace testmesh::discovery
