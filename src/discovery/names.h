// What a span is called (discovery.md 2.2, 2.3), independent of its place in
// the trace.
//
// Every field is filled for those kinds only for which 2.2 reads it, so that
// ids in attributes nobody reads (the URL of a CLIENT span) change nothing;
// relevant_slots() (span_facts.h) says which values can. UNSPECIFIED, and
// numbers that are no kind, count as INTERNAL.
#pragma once

#include <string>
#include <string_view>

#include "discovery/span_facts.h"

namespace testmesh::discovery {

struct SpanNames {
  // SERVER and INTERNAL: the api_endpoint, should the span add one. HTTP
  // before RPC; "" : none.
  std::string endpoint;          // "METHOD route" or "package.Service/Method"
  std::string method;            // HTTP endpoint: upper case, "_OTHER" for unknown ones; "" otherwise
  std::string route;             // HTTP endpoint: "/users/:id"; "" otherwise
  bool route_from_path = false;  // `route` (and so `endpoint`) is subject to the trie, not applied yet

  // CLIENT and INTERNAL with a database system.
  std::string database;         // "" : none
  std::string database_system;  // by its present name
  bool writes = false;          // else it reads

  // PRODUCER and CONSUMER: the destination. CLIENT and INTERNAL: only if the
  // span sends and `database` is empty (the first row that fits counts).
  std::string topic;                 // "" : none
  bool sends = false;                // adds `topic` as PRODUCER, CLIENT or INTERNAL span; topic is not empty
  bool receives_or_settles = false;  // CONSUMER with operation `receive` or `settle`

  // CLIENT without any database or messaging attribute: the uninstrumented
  // dependency's name. "" : none, or not such a span.
  std::string peer;

  std::string operation;   // the span name, templated
  bool is_test = false;    // 2.7
  bool is_resend = false;  // http.request.resend_count above 0

  friend bool operator==(const SpanNames&, const SpanNames&) = default;
};

SpanNames names_of(const SpanDescription& span);

// The `endpoint` of an HTTP span whose route took another form in the trie.
std::string endpoint_name(std::string_view method, std::string_view route);

// `users/{id:int}/` -> `/users/:id`. Values are not looked at.
std::string template_route(std::string_view route);

// `/users/42?x=1` -> `/users/:id`: segments by class, without query and
// fragment, without the trie. Parameter spellings are not looked at.
std::string template_path(std::string_view path);

// Whether an HTTP span of this name has its route from it, should no attribute
// say one: `GET /items/{id}`.
bool names_route(std::string_view span_name);

// Word by word; `HTTP GET` -> `GET`.
std::string template_span_name(std::string_view name);

}  // namespace testmesh::discovery
