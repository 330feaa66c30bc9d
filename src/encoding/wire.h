// Protobuf wire format, as much as the encoder needs beyond otlp/wire.h: a check
// of whole messages against what libprotobuf would accept, and the canonical
// form of a KeyValue.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "otlp/wire.h"

namespace testmesh::encoding {

using otlp::WireType;

// otlp's reader, and what the encoder asks beyond it: field numbers, the bytes
// of whole fields, and how deep the message stands.
class WireReader : public otlp::WireReaderView {
 public:
  // `depth`: how many messages stand around this one; it bounds the groups in it.
  explicit WireReader(std::string_view bytes, int depth = 0) : WireReaderView(bytes), depth_(depth) {}

  bool next() {
    field_start_ = position();
    return WireReaderView::next();
  }
  uint32_t field() const { return tag() >> 3; }
  bool is(uint32_t field, WireType type) const { return tag() == (field << 3 | static_cast<uint32_t>(type)); }
  // Passes over the field just announced by next().
  void skip() { WireReaderView::skip(otlp::kMaxMessageDepth - depth_); }
  // The whole field just read or skipped, tag included.
  std::string_view field_bytes() const {
    return {field_start_, static_cast<size_t>(position() - field_start_)};
  }
  bool ok() const { return !failed(); }

 private:
  const char* field_start_ = nullptr;
  int depth_;
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
