// OTLP over HTTP: requests in, one SpanSink call each, answers as the protocol
// wants them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"
#include "store/span_sink.h"
#include "transport/http/server.h"

namespace testmesh::ingest {

// What ingest did since the start; shared by all ways in. Written relaxed: one
// moment's values need not agree with each other.
struct IngestCounters {
  std::atomic<uint64_t> requests{0};   // for traces, whatever became of them
  std::atomic<uint64_t> succeeded{0};  // answered 200
  std::atomic<uint64_t> accepted_spans{0};
  std::atomic<uint64_t> rejected_spans{0};                      // of requests answered 200
  std::atomic<uint64_t> received_bytes{0};                      // as sent, compressed or not
  std::atomic<uint64_t> decoded_bytes{0};                       // as protobuf
  std::atomic<uint64_t> in_flight_bytes{0};                     // handed over and not yet answered
  std::atomic<uint64_t> metrics_requests{0}, logs_requests{0};  // answered, kept nowhere

  // Requests refused, by reason.
  std::atomic<uint64_t> wrong_method{0};
  std::atomic<uint64_t> unsupported_type{0};      // Content-Type
  std::atomic<uint64_t> unsupported_encoding{0};  // Content-Encoding
  std::atomic<uint64_t> too_large{0};             // before or after decompression
  std::atomic<uint64_t> undecompressable{0};
  std::atomic<uint64_t> bad_json{0};
  std::atomic<uint64_t> undecodable{0};    // the protobuf
  std::atomic<uint64_t> bad_workspace{0};  // malformed, unknown, disabled, not allowed
  std::atomic<uint64_t> overloaded{0};     // answered 429
  std::atomic<uint64_t> unavailable{0};    // answered 503
  std::atomic<uint64_t> failed{0};         // answered 500
};

struct OtlpHttpOptions {
  size_t max_body_bytes = 64ull << 20;        // after decompression
  size_t max_in_flight_bytes = 256ull << 20;  // requests handed over and not yet durable; past it 429
};

// Thread-safe. The sink and the counters outlive it, and it outlives every
// call of the sink's `done`.
class OtlpHttp {
 public:
  // Which workspace: the values of X-Workspace-ID and Authorization, "" when absent.
  using Resolver = std::function<base::Result<model::WorkspaceId>(std::string_view header,
                                                                  std::string_view authorization)>;
  // OTLP/JSON -> protobuf (otlp::json_to_protobuf).
  using JsonConverter = std::function<base::Result<std::string>(std::string_view json)>;

  OtlpHttp(OtlpHttpOptions, store::SpanSink&, Resolver, JsonConverter, IngestCounters&);

  // Whether the path is one of OTLP's, whatever the method.
  bool handles(const http::Request&) const;
  // Answers at once or, when the spans are durable, from the sink's thread.
  void handle(http::Request, http::Responder);

 private:
  enum class Encoding { kProtobuf, kJson };

  void handle_traces(http::Request, http::Responder, Encoding);
  base::Result<std::string_view> decode_body(const http::Request&, Encoding, std::string& decompressed,
                                             std::string& converted);
  bool reserve(size_t bytes);
  void release(size_t bytes);
  void finish(Encoding, base::Result<store::IngestOutcome>, http::Responder);
  void answer_other_signal(std::string_view path, Encoding, http::Responder);

  const OtlpHttpOptions options_;
  store::SpanSink& sink_;
  const Resolver resolver_;
  const JsonConverter json_to_protobuf_;
  IngestCounters& counters_;
};

}  // namespace testmesh::ingest
