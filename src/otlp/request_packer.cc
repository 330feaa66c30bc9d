#include "otlp/request_packer.h"

#include <vector>

#include "otlp/fields.h"
#include "otlp/wire.h"
#include "otlp/wire_writer.h"

namespace testmesh::otlp {
namespace {

// A message taken apart: the nested messages of one field, and all the rest as
// it came.
struct Parts {
  std::string rest;
  std::vector<std::string_view> nested;
};

base::Result<Parts> take_apart(std::string_view message, uint32_t number) {
  Parts parts;
  WireReaderView reader(message);
  const char* start = reader.position();
  while (reader.next()) {
    if (reader.tag() == field(number, WireType::kBytes)) {
      parts.nested.push_back(reader.bytes());
    } else {
      reader.skip(kMaxMessageDepth);
      parts.rest.append(start, static_cast<size_t>(reader.position() - start));
    }
    start = reader.position();
  }
  if (reader.failed()) return base::fail(base::ErrorCode::kInvalidArgument, "broken or cut-off protobuf");
  return parts;
}

}  // namespace

base::Result<void> RequestPacker::emit(std::string_view request) {
  ++emitted_;
  return emit_(request);
}

base::Result<void> RequestPacker::finish() {
  if (pending_.empty()) return {};
  const std::string request = std::move(pending_);
  pending_.clear();
  return emit(request);
}

base::Result<void> RequestPacker::add_request(std::string_view protobuf) {
  TRY_ASSIGN(const Parts parts, take_apart(protobuf, request_field::kResourceSpans));
  for (const std::string_view message : parts.nested) TRY(add_resource_spans(message));
  return {};
}

base::Result<void> RequestPacker::add_resource_spans(std::string_view message) {
  if (pending_.size() + message.size() > limit_) TRY(finish());
  if (message.size() > limit_) return add_in_parts(message);
  WireWriter(pending_).add_bytes(request_field::kResourceSpans, message);
  return {};
}

base::Result<void> RequestPacker::add_in_parts(std::string_view message) {
  TRY_ASSIGN(const Parts resource, take_apart(message, resource_spans_field::kScopeSpans));
  for (const std::string_view scope_spans : resource.nested) {
    TRY_ASSIGN(const Parts scope, take_apart(scope_spans, scope_spans_field::kSpans));
    std::string spans;  // of one part, behind what their scope has beside them
    const auto flush = [&]() -> base::Result<void> {
      std::string request;
      {
        std::string body = resource.rest;
        WireWriter(body).add_bytes(resource_spans_field::kScopeSpans, scope.rest + spans);
        WireWriter(request).add_bytes(request_field::kResourceSpans, body);
      }
      spans.clear();
      return emit(request);
    };
    for (const std::string_view span : scope.nested) {
      if (!spans.empty() && resource.rest.size() + scope.rest.size() + spans.size() + span.size() > limit_)
        TRY(flush());
      WireWriter(spans).add_bytes(scope_spans_field::kSpans, span);
    }
    if (!spans.empty()) TRY(flush());
  }
  return {};
}

}  // namespace testmesh::otlp
