// Writes the head of a response.
#pragma once

#include <string>
#include <string_view>

#include "transport/http/server.h"

namespace testmesh::http {

std::string_view reason_phrase(int status);

// 1xx, 204 and 304 carry none.
bool status_has_body(int status);

// Status line and headers with the empty line at their end. Content-Length,
// Transfer-Encoding, Connection, Date and Content-Type come from here; control characters in the
// values of further headers become spaces, so that none can end its line.
std::string encode_response_head(const Response& response, bool keep_alive, bool http_1_0,
                                 std::string_view date);

// "Thu, 26 Nov 2026 18:31:15 GMT"
std::string http_date(int64_t unix_seconds);

// The server's own refusals: {"error": sentence, "code": …, "details": {}}.
Response make_error(int status, std::string_view sentence);

}  // namespace testmesh::http
