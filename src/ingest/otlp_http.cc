#include "ingest/otlp_http.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ingest/decompress.h"
#include "ingest/rpc_status.h"

namespace testmesh::ingest {
namespace {

using base::ErrorCode;

constexpr std::string_view kProtobufType = "application/x-protobuf";
constexpr std::string_view kJsonType = "application/json";
// What a thread keeps of its decompression buffer between requests.
constexpr size_t kKeptBuffer = 8 << 20;

void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// The media type without parameters, in lower case.
std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::ranges::transform(type, type.begin(), lower);
  return type;
}

std::string_view without_prefix(std::string_view path) {
  return path.starts_with("/otlp/") ? path.substr(5) : path;
}

http::Response make_response(int status, bool protobuf, std::string body) {
  http::Response response;
  response.status = status;
  response.content_type = protobuf ? kProtobufType : kJsonType;
  response.body = std::move(body);
  return response;
}

http::Response make_failure(int status, int code, bool protobuf, std::string_view message) {
  auto response =
      make_response(status, protobuf, protobuf ? status_protobuf(code, message) : status_json(code, message));
  // More than five seconds, and today's SDKs give the batch up.
  if (status == 429) response.headers.emplace_back("Retry-After", "1");
  if (status == 503) response.headers.emplace_back("Retry-After", "2");
  return response;
}

http::Response make_failure(const base::Error& error, bool protobuf) {
  return make_failure(http_status(error.code), grpc_code(error.code), protobuf, error.message);
}

// Empty when there is none; nullopt when there are several.
std::optional<std::string_view> single_header(const http::Request& request, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& [header, value] : request.headers) {
    if (header != name) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found.value_or(std::string_view());
}

}  // namespace

OtlpHttp::OtlpHttp(OtlpHttpOptions options, store::SpanSink& sink, Resolver resolver,
                   JsonConverter json_to_protobuf, IngestCounters& counters)
    : options_(options),
      sink_(sink),
      resolver_(std::move(resolver)),
      json_to_protobuf_(std::move(json_to_protobuf)),
      counters_(counters) {}

bool OtlpHttp::handles(const http::Request& request) const {
  const std::string_view path = without_prefix(request.path);
  return path == "/v1/traces" || path == "/v1/metrics" || path == "/v1/logs";
}

void OtlpHttp::handle(http::Request request, http::Responder respond) {
  const std::string_view path = without_prefix(request.path);
  const bool traces = path == "/v1/traces";
  if (traces) {
    count(counters_.requests);
    count(counters_.received_bytes, request.body.size());
  }
  const std::string type = media_type(request.header("content-type"));
  const bool protobuf = type == kProtobufType;
  if (request.method != "POST") {
    if (traces) count(counters_.wrong_method);
    auto response = make_failure(405, 12, protobuf, "OTLP requests are sent with POST.");
    response.headers.emplace_back("Allow", "POST");
    return respond(std::move(response));
  }
  if (!protobuf && type != kJsonType) {
    if (traces) count(counters_.unsupported_type);
    return respond(make_failure(415, grpc_code(ErrorCode::kUnsupported), false,
                                "The Content-Type is neither application/x-protobuf nor application/json."));
  }
  const Encoding encoding = protobuf ? Encoding::kProtobuf : Encoding::kJson;
  if (request.body_too_large) {
    if (traces) count(counters_.too_large);
    return respond(make_failure(
        {ErrorCode::kTooLarge, "The request's body is larger than this server takes."}, protobuf));
  }
  if (!traces) return answer_other_signal(path, encoding, std::move(respond));
  handle_traces(std::move(request), std::move(respond), encoding);
}

void OtlpHttp::handle_traces(http::Request request, http::Responder respond, Encoding encoding) {
  const bool protobuf = encoding == Encoding::kProtobuf;
  const auto refuse = [&](const base::Error& error) { respond(make_failure(error, protobuf)); };

  const auto workspace = resolver_(request.header("x-workspace-id"), request.header("authorization"));
  if (!workspace) {
    count(workspace.error().code == ErrorCode::kUnavailable ? counters_.unavailable
                                                            : counters_.bad_workspace);
    return refuse(workspace.error());
  }
  const base::Error overloaded{ErrorCode::kOverloaded,
                               "The server has as much to write as it takes; send again soon."};
  // Before any work: nothing is cheaper to refuse than a body not yet decompressed.
  if (counters_.in_flight_bytes.load(std::memory_order_relaxed) >= options_.max_in_flight_bytes) {
    count(counters_.overloaded);
    return refuse(overloaded);
  }

  // Requests of one thread follow each other, so they share a buffer.
  thread_local std::string decompressed;
  std::string converted;
  const auto body = decode_body(request, encoding, decompressed, converted);
  if (!body) {
    refuse(body.error());
  } else if (!reserve(body->size())) {
    count(counters_.overloaded);
    refuse(overloaded);
  } else {
    count(counters_.decoded_bytes, body->size());
    sink_.submit(*workspace, *body,
                 [this, encoding, bytes = body->size(),
                  respond = std::move(respond)](base::Result<store::IngestOutcome> outcome) mutable {
                   release(bytes);
                   finish(encoding, std::move(outcome), std::move(respond));
                 });
  }
  if (decompressed.capacity() > kKeptBuffer) {
    decompressed.clear();
    decompressed.shrink_to_fit();
  }
}

// The request as protobuf: the body itself, or what one of the two buffers got.
base::Result<std::string_view> OtlpHttp::decode_body(const http::Request& request, Encoding encoding,
                                                     std::string& decompressed, std::string& converted) {
  const auto encoding_header = single_header(request, "content-encoding");
  const auto coding = encoding_header ? parse_content_coding(*encoding_header) : std::nullopt;
  if (!coding) {
    count(counters_.unsupported_encoding);
    return base::fail(ErrorCode::kUnsupported,
                      "The Content-Encoding is none of gzip, zstd, deflate and identity.");
  }
  std::string_view body = request.body;
  if (body.size() > options_.max_body_bytes) {
    count(counters_.too_large);
    return base::fail(ErrorCode::kTooLarge, "The request's body is larger than this server takes.");
  }
  if (body.empty()) return body;  // no spans, in any encoding
  if (*coding != ContentCoding::kIdentity) {
    if (auto result = decompress(*coding, body, options_.max_body_bytes, decompressed); !result) {
      count(result.error().code == ErrorCode::kTooLarge ? counters_.too_large : counters_.undecompressable);
      return std::unexpected(std::move(result).error());
    }
    body = decompressed;
    if (body.empty()) return body;
  }
  if (encoding == Encoding::kJson) {
    auto result = json_to_protobuf_(body);
    if (!result) {
      count(counters_.bad_json);
      return std::unexpected(std::move(result).error());
    }
    converted = std::move(*result);
    body = converted;
  }
  return body;
}

bool OtlpHttp::reserve(size_t bytes) {
  uint64_t held = counters_.in_flight_bytes.load(std::memory_order_relaxed);
  do {
    // A request alone always passes, or one larger than the budget never would.
    if (held > 0 && held + bytes > options_.max_in_flight_bytes) return false;
  } while (!counters_.in_flight_bytes.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  return true;
}

void OtlpHttp::release(size_t bytes) {
  counters_.in_flight_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

void OtlpHttp::finish(Encoding encoding, base::Result<store::IngestOutcome> outcome,
                      http::Responder respond) {
  const bool protobuf = encoding == Encoding::kProtobuf;
  if (!outcome) {
    switch (http_status(outcome.error().code)) {
      case 429:
        count(counters_.overloaded);
        break;
      case 503:
        count(counters_.unavailable);
        break;
      case 413:
        count(counters_.too_large);
        break;
      case 500:
        count(counters_.failed);
        break;
      default:
        count(counters_.undecodable);
        break;
    }
    return respond(make_failure(outcome.error(), protobuf));
  }
  count(counters_.succeeded);
  count(counters_.accepted_spans, outcome->accepted_spans);
  count(counters_.rejected_spans, outcome->rejected_spans);
  respond(make_response(200, protobuf,
                        protobuf ? export_response_protobuf(outcome->rejected_spans, outcome->message)
                                 : export_response_json(outcome->rejected_spans, outcome->message)));
}

void OtlpHttp::answer_other_signal(std::string_view path, Encoding encoding, http::Responder respond) {
  const bool metrics = path == "/v1/metrics";
  auto& counter = metrics ? counters_.metrics_requests : counters_.logs_requests;
  if (counter.fetch_add(1, std::memory_order_relaxed) == 0) {
    spdlog::info("a client sends {}: they are answered and not kept, TestMesh is about traces",
                 metrics ? "metrics" : "logs");
  }
  const bool protobuf = encoding == Encoding::kProtobuf;
  respond(make_response(200, protobuf, protobuf ? std::string() : "{}"));
}

}  // namespace testmesh::ingest
