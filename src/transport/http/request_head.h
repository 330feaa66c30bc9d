// Reads the head of an HTTP/1.x request, line by line as the bytes arrive, and
// decides how its body is framed.
//
// Stricter than the grammar's "robust" readings wherever two readers could
// disagree about where a request ends (request smuggling): no bare CR or LF,
// no folded lines, no space before the colon, one Content-Length only, never
// beside Transfer-Encoding. A bad line is known as soon as it is complete.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transport/http/server.h"

namespace testmesh::http {

enum class BodyFraming { kNone, kLength, kChunked };

struct RequestHead {
  Request request;  // all but the body
  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expects_continue = false;
};

class RequestHeadParser {
 public:
  explicit RequestHeadParser(size_t max_bytes) : max_bytes_(max_bytes) {}

  enum class State { kMore, kDone, kBad };

  // Takes bytes up to the end of the head and says how many it took; what
  // follows is body. Not to be called after kDone or kBad before reset().
  size_t feed(std::string_view bytes);

  State state() const { return state_; }
  bool started() const { return size_ > 0; }  // some byte of a head has come
  RequestHead& head() { return head_; }       // complete at kDone
  // At kBad: what to answer.
  int error_status() const { return error_status_; }
  const std::string& error() const { return error_; }
  void reset();

 private:
  void take_line(std::string_view line);
  void take_request_line(std::string_view line);
  void take_field(std::string_view line);
  void finish();
  void fail(int status, std::string sentence);

  size_t max_bytes_;
  State state_ = State::kMore;
  size_t size_ = 0;      // of the head so far, leading empty lines included
  std::string partial_;  // of a line cut by the end of the bytes
  bool has_request_line_ = false;
  RequestHead head_;
  int error_status_ = 0;
  std::string error_;
};

// Shared with the client's reading of responses.
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);
std::string_view trim_whitespace(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view text);
// Calls visit(element) for each non-empty element of a comma-separated list.
template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view element = trim_whitespace(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (!element.empty()) visit(element);
  }
}
// Digits only, at most 18 of them after leading zeros.
bool parse_content_length(std::string_view text, uint64_t& out);

}  // namespace testmesh::http
