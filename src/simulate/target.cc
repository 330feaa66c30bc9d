#include "simulate/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <thread>

#include "otlp/convert.h"
#include "otlp/wire.h"
#include "transport/http/client.h"

namespace testmesh::simulate {
namespace {

using base::ErrorCode;
using base::Result;
using std::chrono::milliseconds;

constexpr milliseconds kSlice(100);  // how soon a stop is noticed
constexpr std::chrono::seconds kLongestWait(30);

// ExportTraceServiceResponse.partial_success {rejected_spans, error_message}.
Sent read_answer(std::string_view body) {
  Sent sent;
  otlp::WireReaderView answer(body);
  while (answer.next()) {
    if (answer.tag() != otlp::field(1, otlp::WireType::kBytes)) {
      answer.skip(otlp::kMaxMessageDepth);
      continue;
    }
    otlp::WireReaderView partial(answer.bytes());
    while (partial.next()) {
      if (partial.tag() == otlp::field(1, otlp::WireType::kVarint)) {
        sent.rejected = partial.varint();
      } else if (partial.tag() == otlp::field(2, otlp::WireType::kBytes)) {
        sent.message = partial.bytes();
      } else {
        partial.skip(otlp::kMaxMessageDepth);
      }
    }
  }
  return sent;
}

// google.rpc.Status.message
std::string sentence_of(std::string_view body) {
  otlp::WireReaderView status(body);
  std::string message;
  while (status.next()) {
    if (status.tag() == otlp::field(2, otlp::WireType::kBytes)) {
      message = status.bytes();
    } else {
      status.skip(otlp::kMaxMessageDepth);
    }
  }
  return status.failed() || message.empty() ? "it gives no reason" : message;
}

milliseconds wait_asked_for(const http::Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name != "retry-after") continue;
    int seconds = 1;
    std::from_chars(value.data(), value.data() + value.size(), seconds);
    return std::chrono::seconds(std::clamp(seconds, 0, static_cast<int>(kLongestWait.count())));
  }
  return std::chrono::seconds(1);
}

bool means_later(int status) {
  return status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
}

class HttpTarget final : public Target {
 public:
  HttpTarget(HttpTargetOptions options, http::Client client)
      : options_(std::move(options)), client_(std::move(client)) {
    headers_ = {{"Content-Type", "application/x-protobuf"}};
    if (!options_.workspace.empty()) headers_.emplace_back("X-Workspace-ID", options_.workspace);
  }

  Result<Sent> send(std::string_view request, uint64_t spans) override {
    milliseconds waited{};
    for (uint64_t refusals = 0;; ++refusals) {
      auto response = client_.send("POST", "/v1/traces", request, headers_);
      milliseconds wait = std::chrono::seconds(1);
      std::string why;
      if (!response) {
        if (!answered_) return std::unexpected(std::move(response).error());
        why = response.error().message;
      } else {
        answered_ = true;
        if (response->status == 200) {
          Sent sent = read_answer(response->body);
          sent.refusals = refusals;
          return sent;
        }
        why = fmt::format("{} answered {}: {}", options_.url, response->status, sentence_of(response->body));
        if (!means_later(response->status)) return base::fail(ErrorCode::kInternal, std::move(why));
        wait = wait_asked_for(*response);
      }
      if (waited >= options_.patience)
        return base::fail(ErrorCode::kUnavailable, fmt::format("{}; {} spans were not sent after {} attempts",
                                                               why, spans, refusals + 1));
      if (!sleep(wait))
        return base::fail(ErrorCode::kUnavailable,
                          fmt::format("Stopped while waiting; {} spans were not sent: {}", spans, why));
      waited += std::max(wait, kSlice);
    }
  }

 private:
  // False: stopped meanwhile.
  bool sleep(milliseconds time) const {
    const auto stopped = [&] { return options_.stop && options_.stop->load(); };
    for (; time.count() > 0 && !stopped(); time -= kSlice) {
      if (options_.sleep) {
        options_.sleep(std::min(time, kSlice));
      } else {
        std::this_thread::sleep_for(std::min(time, kSlice));
      }
    }
    return !stopped();
  }

  const HttpTargetOptions options_;
  http::Client client_;
  http::Headers headers_;
  bool answered_ = false;
};

class FileTarget final : public Target {
 public:
  FileTarget(std::string path, FileFormat format, std::FILE* file)
      : path_(std::move(path)), format_(format), file_(file) {}
  ~FileTarget() override {
    if (file_) std::fclose(file_);
  }

  Result<Sent> send(std::string_view request, uint64_t) override {
    if (format_ == FileFormat::kProtobuf) {
      const auto size = static_cast<uint32_t>(request.size());
      const char length[4] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                              static_cast<char>(size >> 8), static_cast<char>(size)};
      TRY(write({length, sizeof length}));
      TRY(write(request));
      return Sent{};
    }
    TRY_ASSIGN(const otlp::DecodedSpans decoded, otlp::decode_protobuf(request));
    TRY(write(otlp::encode_json(decoded.spans) + "\n"));
    return Sent{};
  }
  Result<void> finish() override {
    std::FILE* file = std::exchange(file_, nullptr);
    return std::fclose(file) == 0 ? Result<void>() : failed();
  }

 private:
  Result<void> write(std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size() ? Result<void>() : failed();
  }
  Result<void> failed() const {
    return base::fail(ErrorCode::kUnavailable,
                      fmt::format("{} cannot be written: {}", path_, std::strerror(errno)));
  }

  const std::string path_;
  const FileFormat format_;
  std::FILE* file_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_http_target(HttpTargetOptions options) {
  std::string_view origin = options.url;
  while (origin.ends_with('/')) origin.remove_suffix(1);
  constexpr std::string_view kPath = "/v1/traces";
  if (origin.ends_with(kPath)) origin.remove_suffix(kPath.size());
  TRY_ASSIGN(http::Client client, http::Client::open(origin));
  return std::make_unique<HttpTarget>(std::move(options), std::move(client));
}

Result<std::unique_ptr<Target>> open_file_target(const std::string& path) {
  const bool json = path.ends_with(".jsonl") || path.ends_with(".json");
  if (!json && !path.ends_with(".pb"))
    return base::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} does not say what to write: name it .jsonl (JSON lines) or .pb (protobuf)", path));
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file)
    return base::fail(ErrorCode::kUnavailable,
                      fmt::format("{} cannot be written: {}", path, std::strerror(errno)));
  return std::make_unique<FileTarget>(path, json ? FileFormat::kJsonLines : FileFormat::kProtobuf, file);
}

}  // namespace testmesh::simulate
