// One OTLP Span message taken apart without being copied: views into the
// message, which must outlive them. Reused from span to span.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "encoding/wire.h"

namespace testmesh::encoding {

struct ScannedSpan {
  std::string_view trace_id, span_id, parent_id, name;  // ids as they came, of any length; the name unchecked
  std::string_view status_message;
  uint64_t start = 0, end = 0;
  int32_t kind = 0, status = 0;
  uint32_t flags = 0;
  bool has_parent = false;                   // the caller's, once it knows the id to be good
  std::vector<std::string_view> attributes;  // KeyValue bytes, unchecked
  std::vector<std::string_view> extras;      // whole fields: events, links, trace state, dropped counts
  uint64_t repaired_ids = 0;                 // ids of links that had a wrong length: cleared
  size_t bytes = 0, repaired_bytes = 0;      // of the message; of the links written anew

  // False when libprotobuf would refuse the message, attributes and name aside.
  bool scan(std::string_view message);
  // The same for attributes and name: a span that is turned away must still be
  // valid OTLP, or the request is not.
  bool rest_is_valid() const;

 private:
  void clear();
  bool take_link(WireReader& reader);
  std::string status_joined_;               // when the status came in pieces
  std::deque<std::string> repaired_links_;  // addresses hold while it grows
};

}  // namespace testmesh::encoding
