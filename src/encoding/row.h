// A span as one compact row: ids, times, and only what differs from its shape.
// Rows are the journal's content and the open trace in memory; a record of a
// closed trace holds the same tails (see record.h).
//
//   row   := varint shape · varint resource+1 · span id 8 · [parent id 8] · start 8 · varint duration · tail
//   tail  := mask ⌈n/8⌉ · the values whose bit is set · [varint size · extras]
//   value := string, array, map, bytes: varint 0 · sized content | 1 · varint template · runs | 2+n: value n
//   of the key
//            int: varint zigzag · bool: 1 byte · double: 8 bytes · absent: nothing
//
// n is the shape's number of attributes; the parent id is there when the shape
// says so; extras are OTLP Span fields as they came. A generic row (shape 0)
// always has a parent id (zero: none), and
//   tail  := flags 1 · [sized resource · sized schema] · varint scope | sized scope · sized schema · OTLP
//   Span fields
// with resource+1 = 0 when the resource is spelled out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "base/varint.h"
#include "encoding/dictionary.h"
#include "model/ids.h"

namespace testmesh::encoding {

inline constexpr uint8_t kGenericInlineResource = 1;
inline constexpr uint8_t kGenericInlineScope = 2;
inline constexpr uint8_t kGenericError = 4;

// Views into the row's bytes.
struct Row {
  uint32_t shape = kGenericShape;
  uint32_t resource = kNone;  // kNone: spelled out in the tail
  model::SpanId id;
  model::SpanId parent;  // zero: none
  base::UnixNanos start = 0, end = 0;
  std::string_view tail;
};

// False when the bytes are no row of this dictionary. The tail is what is
// left, unchecked.
bool parse_row(const Dictionary& dictionary, std::string_view bytes, Row& row);

// Size of the tail at the head of `bytes`; npos when it does not read back.
// Generic tails carry no size and take all.
size_t tail_size(const Dictionary& dictionary, uint32_t shape, std::string_view bytes);

bool has_error(const Dictionary& dictionary, const Row& row);

// One value of a row that differs from its shape's default.
struct RowValue {
  uint32_t attribute = 0;    // index into ShapeEntry::attributes
  std::string_view encoded;  // its bytes in the row: equal bytes, equal values
};

// Walks the values of a tail in order.
class ValueCursor {
 public:
  ValueCursor(const Dictionary& dictionary, const ShapeEntry& shape, std::string_view tail);
  bool next(RowValue& value);
  // After the last value: the extras.
  std::string_view extras();
  bool failed() const { return reader_.failed() || failed_; }
  std::string_view rest() const { return reader_.rest(); }

 private:
  const Dictionary& dictionary_;
  const ShapeEntry& shape_;
  std::string_view mask_;
  base::ByteReader reader_;
  uint32_t at_ = 0;
  bool failed_ = false;
};

// Appends the content (AnyValue content without tag; text of name or message)
// that `encoded` stands for.
bool append_value_content(const Dictionary& dictionary, const ShapeAttribute& attribute,
                          std::string_view encoded, std::string& out);

// The value as the text discovery reads (span_facts.h): strings as they are,
// integers in decimal, other types none. `scratch` holds texts that are not
// stored whole anywhere; the view lives as long as scratch and the row.
std::string_view value_text(const Dictionary& dictionary, const ShapeAttribute& attribute,
                            std::string_view encoded, std::string& scratch);
std::string_view default_text(const ShapeAttribute& attribute, std::string& scratch);

// A generic row's parts.
struct GenericTail {
  uint8_t flags = 0;
  std::string_view resource, resource_schema;  // when spelled out
  uint32_t scope = kNone;
  std::string_view scope_message, scope_schema;  // always filled
  std::string_view fields;                       // OTLP Span fields
};
bool parse_generic(const Dictionary& dictionary, std::string_view tail, GenericTail& generic);

// The row as an OTLP Span message, appended.
bool append_span_message(const Dictionary& dictionary, const model::TraceId& trace, const Row& row,
                         std::string& out);

// Rows of one trace as an OTLP TracesData message, appended: one
// ResourceSpans a row (decode_protobuf shares nothing between them, readers
// regroup).
bool append_traces_data(const Dictionary& dictionary, const model::TraceId& trace, const Row& row,
                        std::string& out);

}  // namespace testmesh::encoding
