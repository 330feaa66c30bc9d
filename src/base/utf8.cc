#include "base/utf8.h"

namespace testmesh::base {

bool valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    const unsigned first = byte(i);
    size_t length = 1;
    unsigned low = 0x80, high = 0xbf;  // of the second byte
    if (first >= 0x80) {
      if (first >= 0xc2 && first <= 0xdf)
        length = 2;
      else if (first >= 0xe0 && first <= 0xef)
        length = 3;
      else if (first >= 0xf0 && first <= 0xf4)
        length = 4;
      else
        return false;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
      if (byte(i + 1) < low || byte(i + 1) > high) return false;
      for (size_t k = 2; k < length; ++k)
        if (byte(i + k) < 0x80 || byte(i + k) > 0xbf) return false;
    }
    i += length;
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace testmesh::base
