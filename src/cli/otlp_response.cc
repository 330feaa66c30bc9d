#include "cli/otlp_response.h"

#include <protozero/pbf_reader.hpp>

namespace testmesh::cli {
namespace {

// Field numbers of the wire.
constexpr uint32_t kResourceSpans = 1, kScopeSpans = 2, kSpans = 2;
constexpr uint32_t kPartialSuccess = 1, kRejectedSpans = 1, kErrorMessage = 2;
constexpr uint32_t kStatusMessage = 2;

constexpr auto kMessage = protozero::pbf_wire_type::length_delimited;
constexpr auto kVarint = protozero::pbf_wire_type::varint;

protozero::pbf_reader reader_of(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

uint64_t count_spans(std::string_view request) try {
  uint64_t spans = 0;
  auto message = reader_of(request);
  while (message.next(kResourceSpans, kMessage)) {
    auto resource = message.get_message();
    while (resource.next(kScopeSpans, kMessage)) {
      auto scope = resource.get_message();
      for (; scope.next(kSpans, kMessage); scope.skip()) ++spans;
    }
  }
  return spans;
} catch (const protozero::exception&) {
  return 0;
}

base::Result<ImportTarget::Outcome> parse_export_response(std::string_view response) try {
  ImportTarget::Outcome outcome;
  auto message = reader_of(response);
  while (message.next(kPartialSuccess, kMessage)) {
    auto partial = message.get_message();
    while (partial.next()) {
      if (partial.tag_and_type() == protozero::tag_and_type(kRejectedSpans, kVarint))
        outcome.rejected = partial.get_uint64();
      else if (partial.tag_and_type() == protozero::tag_and_type(kErrorMessage, kMessage))
        outcome.message = partial.get_string();
      else
        partial.skip();
    }
  }
  return outcome;
} catch (const protozero::exception&) {
  return base::fail(base::ErrorCode::kInternal,
                    "The answer to the spans is no OTLP response; is it a testmesh server?");
}

std::string status_message(std::string_view response) try {
  auto message = reader_of(response);
  while (message.next(kStatusMessage, kMessage)) return message.get_string();
  return "it gave no reason";
} catch (const protozero::exception&) {
  return "its answer is no OTLP; is it a testmesh server?";
}

}  // namespace testmesh::cli
