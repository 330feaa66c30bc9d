#include "transport/http/chunk_decoder.h"

#include <algorithm>

#include "transport/http/request_head.h"

namespace testmesh::http {
namespace {

constexpr size_t kMaxLine = 8 << 10;
// A body of one-byte chunks with long extensions costs far more than it
// carries; nobody sends extensions.
constexpr size_t kMaxOverhead = 16 << 10;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

size_t token_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && is_token(text.substr(length, 1))) ++length;
  return length;
}

// The length of a quoted string with its quotes; 0 when it is none.
size_t quoted_length(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\' && ++i == text.size()) return 0;
    if (!is_field_value(text.substr(i, 1))) return 0;
  }
  return 0;
}

// *( ";" name [ "=" ( token / quoted-string ) ] ), white space only before names.
bool is_extension_list(std::string_view text) {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text = text.substr(1);
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    const size_t name = token_length(text);
    if (name == 0) return false;
    text.remove_prefix(name);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    const size_t value = text.starts_with('"') ? quoted_length(text) : token_length(text);
    if (value == 0) return false;
    text.remove_prefix(value);
  }
  return true;
}

}  // namespace

size_t ChunkDecoder::feed(std::string_view bytes, std::string& body) {
  size_t taken = 0;
  while (state_ == State::kMore && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    if (part_ == Part::kData) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
      body.append(rest.substr(0, length));
      taken += length;
      left_ -= length;
      if (left_ == 0) part_ = Part::kDataEnd;
      continue;
    }
    const size_t newline = rest.find('\n');
    const std::string_view piece = rest.substr(0, newline);
    if (partial_.size() + piece.size() > kMaxLine) {
      state_ = State::kBad;
      break;
    }
    if (newline == std::string_view::npos) {
      taken += piece.size();
      // Everything wrong so far is said at once, not when the line ends.
      const bool dangling = partial_.ends_with('\r');
      const size_t carriage = piece.find('\r');
      partial_.append(piece);
      if (dangling || (carriage != std::string_view::npos && carriage + 1 != piece.size()) ||
          (part_ == Part::kDataEnd && partial_ != "\r") ||
          (part_ == Part::kSizeLine && hex_digit(partial_.front()) < 0)) {
        state_ = State::kBad;
      }
      break;
    }
    taken += newline + 1;
    std::string_view line = piece;
    if (!partial_.empty()) {
      partial_.append(piece);
      line = partial_;
    }
    if (!line.ends_with('\r')) {
      state_ = State::kBad;
      break;
    }
    line.remove_suffix(1);
    take_line(line);
    partial_.clear();
  }
  return taken;
}

void ChunkDecoder::take_line(std::string_view line) {
  switch (part_) {
    case Part::kDataEnd:
      if (!line.empty()) state_ = State::kBad;
      part_ = Part::kSizeLine;
      return;
    case Part::kTrailer: {
      if (line.empty()) {
        state_ = State::kDone;
        return;
      }
      const size_t colon = line.find(':');
      overhead_ += line.size();
      if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
          !is_field_value(line.substr(colon + 1)) || overhead_ > kMaxOverhead) {
        state_ = State::kBad;
      }
      return;
    }
    case Part::kSizeLine:
    case Part::kData:
      break;
  }
  size_t digits = 0;
  uint64_t size = 0;
  while (digits < line.size() && hex_digit(line[digits]) >= 0) {
    if (digits == 16) {  // one more would shift the first out
      state_ = State::kBad;
      return;
    }
    size = size << 4 | static_cast<uint64_t>(hex_digit(line[digits++]));
  }
  const std::string_view extensions = line.substr(digits);
  overhead_ += extensions.size();
  if (digits == 0 || !is_extension_list(extensions) || overhead_ > kMaxOverhead) {
    state_ = State::kBad;
    return;
  }
  if (size == 0) {
    part_ = Part::kTrailer;
    return;
  }
  if (size > max_body_ - size_) {
    state_ = State::kTooLarge;
    return;
  }
  size_ += static_cast<size_t>(size);
  left_ = size;
  part_ = Part::kData;
}

}  // namespace testmesh::http
