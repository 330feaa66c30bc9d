#include "otlp/import_formats.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <vector>

#include "otlp/convert.h"
#include "otlp/fields.h"
#include "otlp/foreign_json.h"
#include "otlp/input_stream.h"
#include "otlp/json_document.h"
#include "otlp/json_splitter.h"
#include "otlp/json_to_protobuf.h"
#include "otlp/request_packer.h"
#include "otlp/wire.h"

namespace testmesh::otlp {
namespace {

using base::ErrorCode;
using base::Result;
using simdjson::dom::element;

constexpr size_t kRequestLimit = 4 << 20;
constexpr size_t kDocumentLimit = 1 << 30;
constexpr size_t kChunk = 128 << 10;

enum class Document { kOtlp, kOtherSignal, kJaeger, kJaegerTrace, kZipkinSpan, kUnknown };

ImportFormat format_of(Document document) {
  switch (document) {
    case Document::kOtlp:
    case Document::kOtherSignal:
      return ImportFormat::kOtlpJson;
    case Document::kJaeger:
    case Document::kJaegerTrace:
      return ImportFormat::kJaegerJson;
    case Document::kZipkinSpan:
      return ImportFormat::kZipkinJson;
    case Document::kUnknown:
      break;
  }
  return ImportFormat::kUnknown;
}

// By the members only that format has.
Document kind_of(simdjson::dom::object object) {
  enum Place { kResourceSpans, kMetrics, kLogs, kProfiles, kData, kJaegerId, kSpans, kZipkinId, kId };
  static constexpr std::array<std::string_view, 9> kNames{"resourceSpans",
                                                          "resourceMetrics",
                                                          "resourceLogs",
                                                          "resourceProfiles",
                                                          "data",
                                                          "traceID",
                                                          "spans",
                                                          "traceId",
                                                          "id"};
  const JsonMembers<9> members(object, kNames);
  if (members.has(kResourceSpans)) return Document::kOtlp;
  if (members.has(kMetrics) || members.has(kLogs) || members.has(kProfiles)) return Document::kOtherSignal;
  if (members.has(kJaegerId) || (members.has(kSpans) && !members.has(kZipkinId)))
    return Document::kJaegerTrace;
  if (members.has(kZipkinId) && members.has(kId)) return Document::kZipkinSpan;
  if (members.has(kData)) return Document::kJaeger;
  return object.size() == 0 ? Document::kOtlp : Document::kUnknown;  // {}: a request without spans
}

class Importer {
 public:
  Importer(const std::string& name, const ImportCallbacks& callbacks)
      : name_(name), callbacks_(callbacks), packer_(kRequestLimit, callbacks.request) {}

  Result<ImportSummary> run(Result<std::unique_ptr<InputStream>> stored) {
    Result<void> done = stored ? read(*std::move(stored)) : std::unexpected(stored.error());
    summary_.requests = packer_.emitted();
    if (done) return summary_;
    const std::string format =
        format_ == ImportFormat::kUnknown ? std::string() : fmt::format(" ({})", to_string(format_));
    const std::string place = place_.empty() ? std::string() : place_ + ": ";
    return base::fail(done.error().code,
                      fmt::format("{}{}: {}{}", name_, format, place, done.error().message));
  }

 private:
  Result<void> read(std::unique_ptr<InputStream> stored) {
    TRY_ASSIGN(stream_, decompressed(std::move(stored)));
    TRY_ASSIGN(bool more, fetch());
    while (more && buffer_.size() < 64) {
      TRY_ASSIGN(more, fetch());
    }
    if (buffer_.empty()) return {};
    TRY(looks_like_json(buffer_) ? read_json() : read_protobuf());
    TRY(packer_.finish());
    return {};
  }

  // Appends a chunk to the buffer; false at the end of the input.
  Result<bool> fetch() {
    const size_t before = buffer_.size();
    buffer_.resize(before + kChunk);
    const auto got = stream_->read(buffer_.data() + before, kChunk);
    buffer_.resize(before + got.value_or(0));
    if (!got) return std::unexpected(got.error());
    if (callbacks_.progress) callbacks_.progress(stream_->consumed(), stream_->size());
    return *got > 0;
  }

  // A request begins with byte 0x0a, which is white space to JSON, and a length
  // that may be '{'. But then no text of a first member follows.
  static bool looks_like_json(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) return true;
    const auto skip_space = [&text] {
      text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    };
    skip_space();
    if (text.empty()) return true;
    if (text.front() != '{' && text.front() != '[') return false;
    const bool in_object = text.front() == '{';
    text.remove_prefix(1);
    skip_space();
    if (text.empty()) return true;
    if (!in_object) return text.front() == '{' || text.front() == '[' || text.front() == ']';
    if (text.front() != '"') return text.front() == '}';
    for (const char c : text.substr(1)) {
      if (c == '"') return true;
      if (static_cast<uint8_t>(c) < 0x20) return false;
    }
    return true;
  }

  // ---- protobuf ----

  Result<void> read_protobuf() {
    format_ = summary_.format = ImportFormat::kOtlpProtobuf;
    // No request begins with a zero byte, every length below 16 MiB does.
    return buffer_.front() == 0 ? read_framed() : read_fields();
  }

  // Makes `size` bytes visible from `at_` on; false when the input ends before.
  Result<bool> need(size_t size) {
    while (buffer_.size() - at_ < size) {
      if (at_ >= kChunk) {
        buffer_.erase(0, at_);
        at_ = 0;
      }
      TRY_ASSIGN(const bool more, fetch());
      if (!more) return false;
    }
    return true;
  }
  void drop(size_t size) {
    at_ += size;
    offset_ += size;
    place_ = fmt::format("near byte {}", offset_);
  }

  Result<void> read_framed() {
    while (true) {
      TRY_ASSIGN(const bool some, need(1));
      if (!some) return {};
      TRY_ASSIGN(const bool framed, need(4));
      if (!framed) return base::fail(ErrorCode::kInvalidArgument, "cut off inside a length");
      uint32_t size = 0;
      for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(buffer_[at_ + i]);
      if (size > kDocumentLimit)
        return base::fail(ErrorCode::kTooLarge,
                          fmt::format("a request of {} bytes; at most {} are read", size, kDocumentLimit));
      TRY_ASSIGN(const bool whole, need(4 + size_t{size}));
      if (!whole) return base::fail(ErrorCode::kInvalidArgument, "cut off inside a request");
      TRY(read_frame(std::string_view(buffer_).substr(at_ + 4, size)));
      drop(4 + size_t{size});
    }
  }

  // With compression the exporter frames JSON as well, and compresses each frame.
  Result<void> read_frame(std::string_view frame) {
    TRY_ASSIGN(const auto content, decompressed(view_bytes(frame)));
    std::string bytes;
    while (true) {
      const size_t before = bytes.size();
      if (before > kDocumentLimit)
        return base::fail(ErrorCode::kTooLarge,
                          fmt::format("a request of more than {} bytes", kDocumentLimit));
      bytes.resize(before + kChunk);
      TRY_ASSIGN(const size_t got, content->read(bytes.data() + before, kChunk));
      bytes.resize(before + got);
      if (got == 0) break;
    }
    return looks_like_json(bytes) ? read_document(bytes) : packer_.add_request(bytes);
  }

  // One ResourceSpans at a time, whatever request it is of: requests one after
  // the other are one request.
  Result<void> read_fields() {
    constexpr size_t kLongestHead = 10;  // tag and length, five bytes each
    while (true) {
      TRY_ASSIGN(const bool some, need(1));
      if (!some) return {};
      TRY(need(kLongestHead));
      std::string_view window = std::string_view(buffer_).substr(at_);
      const auto head = field_head(window);
      if (!head || (offset_ == 0 && head->tag != field(request_field::kResourceSpans, WireType::kBytes)))
        return base::fail(ErrorCode::kInvalidArgument, "neither OTLP protobuf nor JSON");
      if (head->size > kDocumentLimit)
        return base::fail(
            ErrorCode::kTooLarge,
            fmt::format("a ResourceSpans of {} bytes; at most {} are read", head->size, kDocumentLimit));
      TRY_ASSIGN(const bool whole, need(head->length + head->size));
      if (!whole)
        return base::fail(ErrorCode::kInvalidArgument, "cut off, or neither OTLP protobuf nor JSON");
      window = std::string_view(buffer_).substr(at_, head->length + head->size);
      TRY(packer_.add_request(window));  // checks the field; drops what is not a ResourceSpans
      drop(window.size());
    }
  }

  struct Head {
    uint64_t tag;
    size_t length;
    size_t size;  // of what follows
  };
  // Of the field at the front. Groups and other oddities no writer of requests
  // has are not looked for: files of another kind must not pass as empty ones.
  static std::optional<Head> field_head(std::string_view bytes) {
    size_t at = 0;
    const auto varint = [&]() -> std::optional<uint64_t> {
      uint64_t value = 0;
      for (int shift = 0; shift < 35 && at < bytes.size(); shift += 7) {
        const auto byte = static_cast<uint8_t>(bytes[at++]);
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
      return std::nullopt;
    };
    const auto tag = varint();
    if (!tag || *tag >> 3 == 0 || (*tag & 7) != static_cast<uint64_t>(WireType::kBytes)) return std::nullopt;
    const auto size = varint();
    if (!size) return std::nullopt;
    return Head{*tag, at, *size};
  }

  // ---- JSON ----

  Result<void> read_json() {
    JsonSplitter splitter;
    size_t scanned = buffer_.starts_with("\xef\xbb\xbf") ? 3 : 0;
    size_t begin = 0;
    uint64_t line = 1;
    while (true) {
      size_t taken = 0;
      const auto event = splitter.scan(std::string_view(buffer_).substr(scanned), taken);
      scanned += taken;
      if (event == JsonSplitter::Event::kBegin) {
        begin = scanned;
        line = splitter.line();
      } else if (event == JsonSplitter::Event::kEnd) {
        ++documents_;
        place_ = fmt::format("document {}, from line {} on", documents_, line);
        TRY(read_document(std::string_view(buffer_).substr(begin, scanned - begin)));
        begin = scanned;
      } else if (event == JsonSplitter::Event::kStray) {
        place_ = fmt::format("line {}", splitter.line());
        return base::fail(ErrorCode::kInvalidArgument,
                          "expected a JSON object or list, found something else");
      } else {
        if (!splitter.inside()) begin = scanned;
        buffer_.erase(0, begin);
        scanned -= begin;
        begin = 0;
        if (buffer_.size() > kDocumentLimit) {
          place_ = fmt::format("document {}, from line {} on", documents_ + 1, line);
          return base::fail(ErrorCode::kTooLarge,
                            fmt::format("longer than {} bytes; write it as JSON lines", kDocumentLimit));
        }
        TRY_ASSIGN(const bool more, fetch());
        if (more) continue;
        if (!splitter.inside()) return {};
        place_ = fmt::format("document {}, from line {} on", documents_ + 1, line);
        return base::fail(ErrorCode::kInvalidArgument, "JSON cut off");
      }
    }
  }

  void guess(ImportFormat format) {
    format_ = format;
    if (summary_.format == ImportFormat::kUnknown) summary_.format = format;
  }

  Result<void> read_document(std::string_view text) {
    format_ = ImportFormat::kUnknown;
    TRY_ASSIGN(const element root, parser_.parse(text));
    simdjson::dom::array list;
    if (root.get_array().get(list)) return read_object(root);
    return read_list(list);
  }

  Result<void> read_object(element value) {
    const Document kind = kind_of(value.get_object().value_unsafe());
    guess(format_of(kind));
    switch (kind) {
      case Document::kOtlp: {
        TRY_ASSIGN(const std::string request, json_to_protobuf(value));
        return packer_.add_request(request);
      }
      case Document::kOtherSignal:
        ++summary_.skipped_documents;
        return {};
      case Document::kJaegerTrace:
        return read_jaeger({value});
      case Document::kZipkinSpan:
        return read_zipkin({value});
      case Document::kJaeger: {
        simdjson::dom::array traces;
        if (value["data"].get_array().get(traces))
          return base::fail(ErrorCode::kInvalidArgument, "`data` is no list of traces");
        return read_jaeger({traces.begin(), traces.end()});
      }
      case Document::kUnknown:
        break;
    }
    return base::fail(
        ErrorCode::kInvalidArgument,
        "an object with neither OTLP's resourceSpans, Jaeger's data nor Zipkin's traceId and id");
  }

  // Of spans (Zipkin), of lists of them (Zipkin's traces), of traces (Jaeger) or
  // of requests (OTLP): as its first entry is.
  Result<void> read_list(simdjson::dom::array list) {
    std::vector<element> entries;
    for (const element entry : list) {
      simdjson::dom::array inner;
      if (entry.get_array().get(inner)) {
        entries.push_back(entry);
      } else {
        for (const element each : inner) entries.push_back(each);
      }
    }
    if (entries.empty()) {
      guess(ImportFormat::kZipkinJson);  // what it answers when it has no trace
      return {};
    }
    for (const element entry : entries)
      if (!entry.is_object())
        return base::fail(ErrorCode::kInvalidArgument, "a list with something that is no object");
    const Document kind = kind_of(entries.front().get_object().value_unsafe());
    guess(format_of(kind));
    if (kind == Document::kZipkinSpan) return read_zipkin(entries);
    if (kind == Document::kJaegerTrace) return read_jaeger(entries);
    for (const element entry : entries) TRY(read_object(entry));
    return {};
  }

  Result<void> read_jaeger(const std::vector<element>& traces) {
    const std::string document = place_;
    for (size_t i = 0; i < traces.size(); ++i) {
      if (traces.size() > 1) place_ = fmt::format("{}, trace {}", document, i);
      ForeignSpans spans;
      TRY(read_jaeger_trace(traces[i], spans));
      TRY(hand_over(spans));
    }
    return {};
  }

  Result<void> read_zipkin(const std::vector<element>& entries) {
    ForeignSpans spans;
    TRY(read_zipkin_spans(entries, spans));
    return hand_over(spans);
  }

  Result<void> hand_over(const ForeignSpans& spans) {
    summary_.rejected_spans += spans.rejected;
    return packer_.add_request(encode_protobuf(spans.spans));
  }

  const std::string& name_;
  const ImportCallbacks& callbacks_;
  RequestPacker packer_;
  ImportSummary summary_;
  std::unique_ptr<InputStream> stream_;
  JsonParser parser_;

  std::string buffer_;  // decompressed, not yet handed over
  size_t at_ = 0;       // protobuf: the next field's place in it
  uint64_t offset_ = 0;
  uint64_t documents_ = 0;

  ImportFormat format_ = ImportFormat::kUnknown;  // of what is being read, for errors
  std::string place_;
};

}  // namespace

std::string_view to_string(ImportFormat format) {
  switch (format) {
    case ImportFormat::kUnknown:
      return "unknown";
    case ImportFormat::kOtlpProtobuf:
      return "OTLP protobuf";
    case ImportFormat::kOtlpJson:
      return "OTLP JSON";
    case ImportFormat::kJaegerJson:
      return "Jaeger JSON";
    case ImportFormat::kZipkinJson:
      return "Zipkin JSON";
  }
  return "unknown";
}

Result<ImportSummary> import_file(const std::string& path, const ImportCallbacks& callbacks) {
  return Importer(path, callbacks).run(open_file(path));
}

Result<ImportSummary> import_bytes(std::string_view bytes, const std::string& name,
                                   const ImportCallbacks& callbacks) {
  return Importer(name, callbacks).run(view_bytes(bytes));
}

}  // namespace testmesh::otlp
