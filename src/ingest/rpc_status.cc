#include "ingest/rpc_status.h"

namespace testmesh::ingest {
namespace {

using base::ErrorCode;

constexpr size_t kMaxMessage = 1024;

void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void put_number(std::string& out, int field, uint64_t value) {
  if (value == 0) return;
  put_varint(out, static_cast<uint64_t>(field) << 3);
  put_varint(out, value);
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  if (bytes.empty()) return;
  put_varint(out, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string quoted(std::string_view clean) {
  std::string text = "\"";
  for (const char c : clean) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
  return text;
}

}  // namespace

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kUnsupported:
      return 415;
    case ErrorCode::kUnprocessable:
      return 422;
    case ErrorCode::kOverloaded:
      return 429;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kCorrupt:
      return 503;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

int grpc_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 3;
    case ErrorCode::kUnauthenticated:
      return 16;
    case ErrorCode::kPermissionDenied:
      return 7;
    case ErrorCode::kNotFound:
      return 5;
    case ErrorCode::kAlreadyExists:
      return 6;
    case ErrorCode::kTooLarge:
      return 8;
    case ErrorCode::kUnsupported:
      return 3;
    case ErrorCode::kUnprocessable:
      return 3;
    case ErrorCode::kOverloaded:
      return 14;
    case ErrorCode::kUnavailable:
      return 14;
    case ErrorCode::kCorrupt:
      return 14;
    case ErrorCode::kInternal:
      return 13;
  }
  return 13;
}

std::string clean_message(std::string_view message) {
  std::string text(message.substr(0, kMaxMessage));
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text;
}

std::string status_protobuf(int code, std::string_view message) {
  std::string status;
  put_number(status, 1, static_cast<uint64_t>(code));
  put_bytes(status, 2, clean_message(message));
  return status;
}

std::string status_json(int code, std::string_view message) {
  return "{\"code\":" + std::to_string(code) + ",\"message\":" + quoted(clean_message(message)) + "}";
}

std::string export_response_protobuf(uint64_t rejected_spans, std::string_view message) {
  std::string partial;
  put_number(partial, 1, rejected_spans);
  put_bytes(partial, 2, clean_message(message));
  std::string response;
  put_bytes(response, 1, partial);
  return response;
}

std::string export_response_json(uint64_t rejected_spans, std::string_view message) {
  if (rejected_spans == 0 && message.empty()) return "{}";
  return "{\"partialSuccess\":{\"rejectedSpans\":\"" + std::to_string(rejected_spans) +
         "\",\"errorMessage\":" + quoted(clean_message(message)) + "}}";
}

}  // namespace testmesh::ingest
