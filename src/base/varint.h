// LEB128 integers and fixed little-endian ones, the building blocks of every
// stored format.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace testmesh::base {

inline constexpr size_t kMaxVarintBytes = 10;

// Writes at `out` (kMaxVarintBytes must fit); returns the end.
inline char* put_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline void append_varint(std::string& out, uint64_t value) {
  char buffer[kMaxVarintBytes];
  out.append(buffer, static_cast<size_t>(put_varint(buffer, value) - buffer));
}

template <typename T>
void append_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out += bytes;
}

inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

template <typename T>
T load_fixed(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Reads stored bytes. Past the end, or at a malformed number, it turns `failed`
// and gives zeros from then on; callers check once at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  uint64_t varint() {
    if (at_ < end_ && !(*at_ & 0x80)) [[likely]]
      return static_cast<uint8_t>(*at_++);
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && at_ < end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << (shift & 63);
      if (!(byte & 0x80)) return value;
    }
    fail();
    return 0;
  }
  template <typename T>
  T fixed() {
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) {
      fail();
      return T{};
    }
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string_view bytes(uint64_t size) {
    if (static_cast<uint64_t>(end_ - at_) < size) {
      fail();
      return {};
    }
    std::string_view view(at_, static_cast<size_t>(size));
    at_ += size;
    return view;
  }
  std::string_view sized() { return bytes(varint()); }
  std::string_view rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }
  const char* position() const { return at_; }
  bool done() const { return at_ == end_; }
  bool failed() const { return failed_; }

 private:
  void fail() {
    failed_ = true;
    at_ = end_;
  }

  const char* at_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace testmesh::base
