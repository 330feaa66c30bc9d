#include "cli/otlp_response.h"

#include "otlp/wire.h"

namespace testmesh::cli {
namespace {

// Field numbers of the wire.
constexpr uint32_t kResourceSpans = 1, kScopeSpans = 2, kSpans = 2;
constexpr uint32_t kPartialSuccess = 1, kRejectedSpans = 1, kErrorMessage = 2;
constexpr uint32_t kStatusMessage = 2;

using otlp::WireReaderView;

constexpr uint32_t message_field(uint32_t number) { return otlp::field(number, otlp::WireType::kBytes); }

// Calls `visit` with each message that field `number` holds; false: malformed.
template <typename Visit>
bool each(std::string_view bytes, uint32_t number, const Visit& visit) {
  WireReaderView reader(bytes);
  bool fine = true;
  while (reader.next()) {
    if (reader.tag() == message_field(number))
      fine &= visit(reader.bytes());
    else
      reader.skip(otlp::kMaxMessageDepth);
  }
  return fine && !reader.failed();
}

}  // namespace

uint64_t count_spans(std::string_view request) {
  uint64_t spans = 0;
  const auto count = [&](std::string_view) {
    ++spans;
    return true;
  };
  const bool fine = each(request, kResourceSpans, [&](std::string_view resource) {
    return each(resource, kScopeSpans, [&](std::string_view scope) { return each(scope, kSpans, count); });
  });
  return fine ? spans : 0;
}

base::Result<ImportTarget::Outcome> parse_export_response(std::string_view response) {
  ImportTarget::Outcome outcome;
  const bool fine = each(response, kPartialSuccess, [&](std::string_view partial) {
    WireReaderView reader(partial);
    while (reader.next()) {
      if (reader.tag() == otlp::field(kRejectedSpans, otlp::WireType::kVarint))
        outcome.rejected = reader.varint();
      else if (reader.tag() == message_field(kErrorMessage))
        outcome.message = reader.bytes();
      else
        reader.skip(otlp::kMaxMessageDepth);
    }
    return !reader.failed();
  });
  if (fine) return outcome;
  return base::fail(base::ErrorCode::kInternal,
                    "The answer to the spans is no OTLP response; is it a testmesh server?");
}

std::string status_message(std::string_view response) {
  std::string message = "it gave no reason";
  const bool fine = each(response, kStatusMessage, [&](std::string_view text) {
    message = text;
    return true;
  });
  return fine ? message : "its answer is no OTLP; is it a testmesh server?";
}

}  // namespace testmesh::cli
