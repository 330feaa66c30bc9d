#include "encoding/text_template.h"

#include <array>
#include <cstring>

#include "base/varint.h"

namespace testmesh::encoding {
namespace {

enum Marker : char {
  kDecimal = 1,       // no leading zero; varint
  kHexLower = 2,      // + length; nibbles, high first
  kDecimalFixed = 3,  // + length; leading zeros; varint
  kUuidLower = 4,     // 16 bytes
  kHexUpper = 5,      // + length
};
constexpr size_t kMaxDecimalDigits = 18;
constexpr size_t kMinHexDigits = 8;
constexpr size_t kMaxHexDigits = 255;
constexpr size_t kMinDigitsAfterLetters = 3;
constexpr size_t kIdDigits = 4;

enum CharClass : uint8_t { kOther = 0, kDigit = 1, kLowHex = 2, kUpHex = 4, kLetter = 8, kControl = 16 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 8; ++c) classes[static_cast<size_t>(c)] = kControl;
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<size_t>(c)] = kDigit;
  for (int c = 'a'; c <= 'z'; ++c) classes[static_cast<size_t>(c)] = c <= 'f' ? kLowHex : kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<size_t>(c)] = c <= 'F' ? kUpHex : kLetter;
  return classes;
}
constexpr auto kClasses = make_classes();

uint8_t class_of(char c) { return kClasses[static_cast<uint8_t>(c)]; }
constexpr uint8_t kAlnum = kDigit | kLowHex | kUpHex | kLetter;

uint8_t nibble(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

void pack_nibbles(std::string_view digits, std::string& out) {
  size_t i = 0;
  for (; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(nibble(digits[i]) << 4 | nibble(digits[i + 1]));
  if (i < digits.size()) out += static_cast<char>(nibble(digits[i]) << 4);
}

void unpack_nibbles(const char* packed, size_t digits, const char* alphabet, std::string& out) {
  for (size_t i = 0; i < digits; ++i) {
    const auto byte = static_cast<uint8_t>(packed[i / 2]);
    out += alphabet[i % 2 == 0 ? byte >> 4 : byte & 15];
  }
}

bool is_uuid_at(std::string_view text, size_t at) {
  if (text.size() - at < 36) return false;
  for (size_t i = 0; i < 36; ++i) {
    const char c = text[at + i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!(class_of(c) & (kDigit | kLowHex))) {
      return false;
    }
  }
  return at + 36 == text.size() || !(class_of(text[at + 36]) & kAlnum);
}

void take_decimal(std::string_view digits, SplitText& out) {
  uint64_t value = 0;
  for (const char c : digits) value = value * 10 + static_cast<uint64_t>(c - '0');
  if (digits.size() > 1 && digits.front() == '0') {
    out.skeleton += kDecimalFixed;
    out.skeleton += static_cast<char>(digits.size());
  } else {
    out.skeleton += kDecimal;
  }
  base::append_varint(out.payload, value);
  out.has_runs = true;
  out.has_id |= digits.size() >= kIdDigits;
}

// One maximal run of letters and digits.
void take_word(std::string_view word, uint8_t classes, SplitText& out) {
  if (classes == kDigit && word.size() <= kMaxDecimalDigits) return take_decimal(word, out);
  const bool lower = classes == (kDigit | kLowHex);
  if ((lower || classes == (kDigit | kUpHex)) && word.size() >= kMinHexDigits &&
      word.size() <= kMaxHexDigits) {
    out.skeleton += lower ? kHexLower : kHexUpper;
    out.skeleton += static_cast<char>(word.size());
    pack_nibbles(word, out.payload);
    out.has_runs = out.has_id = true;
    return;
  }
  size_t digits = 0;
  while (digits < word.size() && class_of(word[word.size() - 1 - digits]) == kDigit) ++digits;
  if (digits >= kMinDigitsAfterLetters && digits <= kMaxDecimalDigits && digits < word.size()) {
    out.skeleton += word.substr(0, word.size() - digits);
    return take_decimal(word.substr(word.size() - digits), out);
  }
  out.skeleton += word;
}

}  // namespace

bool split_text(std::string_view text, SplitText& out) {
  out.skeleton.clear();
  out.payload.clear();
  out.has_runs = out.has_id = false;
  if (text.size() > kMaxTemplateText) return false;
  size_t at = 0;
  while (at < text.size()) {
    const uint8_t first = class_of(text[at]);
    if (first == kControl) return false;
    if (!(first & kAlnum)) {
      out.skeleton += text[at++];
      continue;
    }
    uint8_t classes = 0;
    size_t end = at;
    while (end < text.size() && (class_of(text[end]) & kAlnum)) classes |= class_of(text[end++]);
    if (end - at == 8 && end < text.size() && text[end] == '-' && is_uuid_at(text, at)) {
      out.skeleton += kUuidLower;
      for (size_t i = 0; i < 36;) {
        if (text[at + i] == '-') {
          ++i;
          continue;
        }
        out.payload += static_cast<char>(nibble(text[at + i]) << 4 | nibble(text[at + i + 1]));
        i += 2;
      }
      out.has_runs = out.has_id = true;
      at += 36;
      continue;
    }
    take_word(text.substr(at, end - at), classes, out);
    at = end;
  }
  return true;
}

bool join_text(std::string_view skeleton, std::string_view& payload, std::string& out) {
  static constexpr char kLower[] = "0123456789abcdef";
  static constexpr char kUpper[] = "0123456789ABCDEF";
  base::ByteReader runs(payload);
  for (size_t i = 0; i < skeleton.size(); ++i) {
    switch (skeleton[i]) {
      case kDecimal:
        out += std::to_string(runs.varint());
        break;
      case kDecimalFixed: {
        if (++i == skeleton.size()) return false;
        const std::string digits = std::to_string(runs.varint());
        const auto width = static_cast<uint8_t>(skeleton[i]);
        if (digits.size() < width) out.append(width - digits.size(), '0');
        out += digits;
        break;
      }
      case kHexLower:
      case kHexUpper: {
        if (i + 1 == skeleton.size()) return false;
        const auto digits = static_cast<uint8_t>(skeleton[i + 1]);
        const std::string_view packed = runs.bytes((digits + 1u) / 2);
        if (runs.failed()) return false;
        unpack_nibbles(packed.data(), digits, skeleton[i] == kHexLower ? kLower : kUpper, out);
        ++i;
        break;
      }
      case kUuidLower: {
        const std::string_view packed = runs.bytes(16);
        if (runs.failed()) return false;
        for (size_t byte = 0; byte < 16; ++byte) {
          if (byte == 4 || byte == 6 || byte == 8 || byte == 10) out += '-';
          unpack_nibbles(packed.data() + byte, 2, kLower, out);
        }
        break;
      }
      default:
        out += skeleton[i];
    }
  }
  if (runs.failed()) return false;
  payload = runs.rest();
  return true;
}

size_t payload_size(std::string_view skeleton, std::string_view payload) {
  base::ByteReader runs(payload);
  for (size_t i = 0; i < skeleton.size(); ++i) {
    switch (skeleton[i]) {
      case kDecimalFixed:
        ++i;
        [[fallthrough]];
      case kDecimal:
        runs.varint();
        break;
      case kHexLower:
      case kHexUpper:
        if (++i == skeleton.size()) return std::string_view::npos;
        runs.bytes((static_cast<uint8_t>(skeleton[i]) + 1u) / 2);
        break;
      case kUuidLower:
        runs.bytes(16);
        break;
      default:
        break;
    }
  }
  return runs.failed() ? std::string_view::npos : static_cast<size_t>(runs.position() - payload.data());
}

}  // namespace testmesh::encoding
