#include "encoding/span_scanner.h"

#include "base/varint.h"
#include "encoding/wire.h"

namespace testmesh::encoding {

void ScannedSpan::clear() {
  trace_id = span_id = parent_id = name = status_message = {};
  start = end = 0;
  kind = status = 0;
  flags = 0;
  has_parent = false;
  bytes = repaired_bytes = 0;
  repaired_ids = 0;
  attributes.clear();
  extras.clear();
  status_joined_.clear();
  repaired_links_.clear();
}

bool ScannedSpan::scan(std::string_view message) {
  clear();
  bytes = message.size();
  std::string_view status_bytes;
  WireReader reader(message, 3);
  while (reader.next()) {
    if (reader.type() == WireType::kBytes) {
      switch (reader.field()) {
        case 1:
          trace_id = reader.bytes();
          continue;
        case 2:
          span_id = reader.bytes();
          continue;
        case 4:
          parent_id = reader.bytes();
          continue;
        case 5:
          // Only the last name counts, but all must be text.
          if (!name.empty() && !valid_utf8(name)) return false;
          name = reader.bytes();
          continue;
        case 9:
          attributes.push_back(reader.bytes());
          continue;
        case 3:
          if (!valid_utf8(reader.bytes())) return false;
          extras.push_back(reader.field_bytes());
          continue;
        case 11:
          if (!valid_message(WireMessage::kEvent, reader.bytes(), 4)) return false;
          extras.push_back(reader.field_bytes());
          continue;
        case 13:
          if (!take_link(reader)) return false;
          continue;
        case 15: {
          const std::string_view piece = reader.bytes();
          if (!valid_message(WireMessage::kStatus, piece, 4)) return false;
          if (!status_bytes.empty()) {
            if (status_joined_.empty()) status_joined_ = status_bytes;
            status_joined_ += piece;
            status_bytes = status_joined_;
          } else {
            status_bytes = piece;
          }
          continue;
        }
        default:
          break;
      }
    } else if (reader.type() == WireType::kFixed64) {
      if (reader.field() == 7) {
        start = reader.fixed64();
        continue;
      }
      if (reader.field() == 8) {
        end = reader.fixed64();
        continue;
      }
    } else if (reader.type() == WireType::kVarint) {
      if (reader.field() == 6) {
        kind = static_cast<int32_t>(reader.varint());
        continue;
      }
      if (reader.field() == 10 || reader.field() == 12 || reader.field() == 14) {
        // Zero is what is not there, unless it takes back what came before.
        if (static_cast<uint32_t>(reader.varint()) != 0 || !extras.empty())
          extras.push_back(reader.field_bytes());
        continue;
      }
    } else if (reader.is(16, WireType::kFixed32)) {
      flags = reader.fixed32();
      continue;
    }
    reader.skip();
  }
  if (!reader.ok()) return false;
  WireReader status_reader(status_bytes);
  while (status_reader.next()) {
    if (status_reader.is(2, WireType::kBytes))
      status_message = status_reader.bytes();
    else if (status_reader.is(3, WireType::kVarint))
      status = static_cast<int32_t>(status_reader.varint());
    else
      status_reader.skip();
  }
  return true;
}

// Ids of a wrong length in a link are cleared.
bool ScannedSpan::take_link(WireReader& reader) {
  const std::string_view link = reader.bytes();
  if (!valid_message(WireMessage::kLink, link, 4)) return false;
  std::string_view link_trace, link_span;
  WireReader fields(link);
  while (fields.next()) {
    if (fields.is(1, WireType::kBytes))
      link_trace = fields.bytes();
    else if (fields.is(2, WireType::kBytes))
      link_span = fields.bytes();
    else
      fields.skip();
  }
  const bool bad_trace = !link_trace.empty() && link_trace.size() != 16;
  const bool bad_span = !link_span.empty() && link_span.size() != 8;
  if (!bad_trace && !bad_span) {
    extras.push_back(reader.field_bytes());
    return true;
  }
  repaired_ids += uint64_t{bad_trace} + uint64_t{bad_span};
  std::string repaired;
  WireReader again(link);
  while (again.next()) {
    const bool drop =
        (bad_trace && again.is(1, WireType::kBytes)) || (bad_span && again.is(2, WireType::kBytes));
    again.skip();
    if (!drop) repaired += again.field_bytes();
  }
  std::string field;
  append_tag(field, 13, WireType::kBytes);
  base::append_sized(field, repaired);
  repaired_bytes += field.size();
  extras.push_back(repaired_links_.emplace_back(std::move(field)));
  return true;
}

bool ScannedSpan::rest_is_valid() const {
  for (const std::string_view attribute : attributes)
    if (!valid_message(WireMessage::kKeyValue, attribute, 4)) return false;
  return valid_utf8(name);
}

}  // namespace testmesh::encoding
