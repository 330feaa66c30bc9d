#include "transport/http/response_head.h"

#include <ctime>

#include "transport/http/request_head.h"

namespace testmesh::http {
namespace {

std::string_view error_code(int status) {
  switch (status) {
    case 408:
      return "timeout";
    case 413:
      return "too_large";
    case 417:
      return "expectation_failed";
    case 431:
      return "headers_too_large";
    case 500:
      return "internal";
    case 501:
      return "not_implemented";
    case 503:
      return "unavailable";
    default:
      return "bad_request";
  }
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string encode_response_head(const Response& response, bool keep_alive, bool http_1_0,
                                 std::string_view date) {
  std::string head;
  head.reserve(256);
  head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  head.append(reason_phrase(response.status)).append("\r\nDate: ").append(date).append("\r\n");
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ");
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      head += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    head.append("\r\n");
  };
  if (status_has_body(response.status)) {
    if (!response.content_type.empty()) add("Content-Type", response.content_type);
    if (!response.stream) {
      add("Content-Length", std::to_string(response.body.size()));
    } else if (!http_1_0) {
      add("Transfer-Encoding", "chunked");
    }
  }
  for (const auto& [name, value] : response.headers) {
    if (is_token(name)) add(name, value);
  }
  if (!keep_alive) {
    add("Connection", "close");
  } else if (http_1_0) {
    add("Connection", "keep-alive");
  }
  head.append("\r\n");
  return head;
}

std::string http_date(int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon],
                                   parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return std::string(text, static_cast<size_t>(length));
}

Response make_error(int status, std::string_view sentence) {
  Response response;
  response.status = status;
  response.body.append("{\"error\":\"").append(sentence).append("\",\"code\":\"");
  response.body.append(error_code(status)).append("\",\"details\":{}}");
  response.close = true;
  return response;
}

}  // namespace testmesh::http
