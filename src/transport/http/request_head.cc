#include "transport/http/request_head.h"

#include <algorithm>
#include <array>
#include <utility>

#include "transport/http/target.h"

namespace testmesh::http {
namespace {

constexpr size_t kMaxFields = 256;

// The registered methods (and PURGE, of caches). A word that is none of them
// is taken for a mistake or for another protocol.
constexpr std::string_view kMethods[] = {
    "ACL",      "BIND",       "CHECKOUT", "CONNECT", "COPY",     "DELETE", "GET",
    "HEAD",     "LABEL",      "LINK",     "LOCK",    "M-SEARCH", "MERGE",  "MKCALENDAR",
    "MKCOL",    "MKACTIVITY", "MOVE",     "NOTIFY",  "OPTIONS",  "PATCH",  "POST",
    "PROPFIND", "PROPPATCH",  "PURGE",    "PUT",     "QUERY",    "REBIND", "REPORT",
    "SEARCH",   "SUBSCRIBE",  "TRACE",    "UNBIND",  "UNLINK",   "UNLOCK", "UNSUBSCRIBE"};

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<size_t>(c)] = true;
  return table;
}
constexpr auto kTokenTable = make_token_table();

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return kTokenTable[static_cast<uint8_t>(c)]; });
}

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string_view trim_whitespace(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

bool parse_content_length(std::string_view text, uint64_t& out) {
  if (text.empty()) return false;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || value > 99'999'999'999'999'999) return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  out = value;
  return true;
}

void RequestHeadParser::reset() {
  state_ = State::kMore;
  size_ = 0;
  partial_.clear();
  has_request_line_ = false;
  head_ = RequestHead{};
  error_status_ = 0;
  error_.clear();
}

void RequestHeadParser::fail(int status, std::string sentence) {
  state_ = State::kBad;
  error_status_ = status;
  error_ = std::move(sentence);
}

size_t RequestHeadParser::feed(std::string_view bytes) {
  size_t taken = 0;
  while (state_ == State::kMore && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    const size_t newline = rest.find('\n');
    const size_t length = newline == std::string_view::npos ? rest.size() : newline + 1;
    taken += length;
    size_ += length;
    if (size_ > max_bytes_) {
      fail(431, "The request's head is larger than this server reads.");
      break;
    }
    if (newline == std::string_view::npos) {
      // A CR is fine as the last byte so far, its LF may follow. TLS sent to
      // this port ends here.
      const bool dangling = partial_.ends_with('\r');
      partial_.append(rest);
      if (dangling || !is_field_value(rest.substr(0, rest.size() - (rest.ends_with('\r') ? 1 : 0)))) {
        fail(400, "A control character in the request's head.");
      }
      break;
    }
    std::string_view line = rest.substr(0, newline);
    if (!partial_.empty()) {
      partial_.append(line);
      line = partial_;
    }
    if (!line.ends_with('\r')) {
      fail(400, "A line of the request's head ends without a carriage return.");
      break;
    }
    line.remove_suffix(1);
    take_line(line);
    partial_.clear();
  }
  return taken;
}

void RequestHeadParser::take_line(std::string_view line) {
  if (!has_request_line_) {
    if (line.empty()) return;  // left behind by clients that end a body with CRLF
    return take_request_line(line);
  }
  if (line.empty()) return finish();
  take_field(line);
}

void RequestHeadParser::take_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return fail(400, "The request line is not a method, a target and a version.");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (std::ranges::find(kMethods, method) == std::end(kMethods)) {
    return fail(400, "The request's method is no method of HTTP.");
  }
  if (target.empty() || !std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return fail(400, "The request's target has invalid characters.");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return fail(400, "The request's version is neither HTTP/1.1 nor HTTP/1.0.");
  }
  if (method == "CONNECT") return fail(501, "This server is no proxy.");
  auto parsed = parse_target(target);
  if (!parsed) return fail(400, "The request's target is no valid path.");
  has_request_line_ = true;
  head_.http_1_0 = version == "HTTP/1.0";
  head_.request.method = method;
  head_.request.target = target;
  head_.request.path = std::move(parsed->path);
  head_.request.query = std::move(parsed->query);
  head_.request.headers.reserve(12);
}

void RequestHeadParser::take_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(400, "A header line has no colon.");
  // Also refuses folded lines and spaces before the colon.
  if (!is_token(line.substr(0, colon))) return fail(400, "A header's name has invalid characters.");
  const std::string_view value = trim_whitespace(line.substr(colon + 1));
  if (!is_field_value(value)) return fail(400, "A header's value has invalid characters.");
  if (head_.request.headers.size() == kMaxFields) return fail(431, "The request has too many headers.");
  std::string name = to_lower(line.substr(0, colon));
  if (name == "content-length") {
    if (head_.framing == BodyFraming::kLength)
      return fail(400, "The request has several Content-Length headers.");
    if (head_.framing == BodyFraming::kChunked) {
      return fail(400, "The request has both Content-Length and Transfer-Encoding.");
    }
    if (!parse_content_length(value, head_.content_length)) {
      return fail(400, "The request's Content-Length is no number of bytes.");
    }
    head_.framing = BodyFraming::kLength;
  } else if (name == "transfer-encoding") {
    if (head_.framing == BodyFraming::kLength) {
      return fail(400, "The request has both Content-Length and Transfer-Encoding.");
    }
    head_.framing = BodyFraming::kChunked;  // finish() reads the list
  }
  head_.request.headers.emplace_back(std::move(name), value);
}

void RequestHeadParser::finish() {
  size_t hosts = 0, codings = 0;
  bool chunked_last = false, close = false, keep_alive = false;
  for (const auto& [name, value] : head_.request.headers) {
    if (name == "host") {
      ++hosts;
    } else if (name == "connection") {
      for_each_element(value, [&](std::string_view option) {
        if (equals_ignoring_case(option, "close")) close = true;
        if (equals_ignoring_case(option, "keep-alive")) keep_alive = true;
      });
    } else if (name == "transfer-encoding") {
      for_each_element(value, [&](std::string_view coding) {
        ++codings;
        chunked_last = equals_ignoring_case(coding, "chunked");
      });
    } else if (name == "expect") {
      if (!equals_ignoring_case(value, "100-continue"))
        return fail(417, "This server knows no such expectation.");
      head_.expects_continue = !head_.http_1_0;
    }
  }
  if (hosts > 1 || (hosts == 0 && !head_.http_1_0))
    return fail(400, "The request needs exactly one Host header.");
  if (head_.framing == BodyFraming::kChunked) {
    if (head_.http_1_0) return fail(400, "HTTP/1.0 has no Transfer-Encoding.");
    if (!chunked_last) return fail(400, "The request's Transfer-Encoding does not end in chunked.");
    if (codings > 1) return fail(501, "This server reads no transfer coding but chunked.");
  }
  head_.keep_alive = !close && (!head_.http_1_0 || keep_alive);
  state_ = State::kDone;
}

}  // namespace testmesh::http
