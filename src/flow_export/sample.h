// What a trace of a flow shows beyond the flow. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/flow_book.h"
#include "store/telemetry_store.h"

namespace testmesh::flow_export {

class SampleView {
 public:
  // `detail` may be null: nothing is shown.
  SampleView(const discovery::FlowDetail&, const store::TraceDetail* detail);

  // Each of a node of the flow, by its position; empty or nullopt: not shown.
  std::string statement(size_t node) const;
  std::string request_path(size_t node) const;   // of an HTTP endpoint, without the query
  std::string request_query(size_t node) const;  // as it is in the URL
  std::string method(size_t node) const;         // as it was sent
  std::optional<int64_t> http_status(size_t node) const;
  std::string request_body(size_t node) const;
  std::string base_url(size_t node) const;   // "http://host:port"
  std::string host_port(size_t node) const;  // of a database, a broker, an RPC server
  std::string db_system(size_t node) const;
  std::string db_user(size_t node) const;
  // "service/operation" of spans that failed.
  std::vector<std::string> failed_operations() const;
  std::string operation(size_t node) const;  // "service/operation" of the node's span

 private:
  // The first value of these attributes in the spans of the node, or, of an
  // endpoint, in the client's span right above.
  std::string text(size_t node, std::initializer_list<std::string_view> keys, bool caller_too = false) const;

  const store::TraceDetail* detail_;
  std::vector<std::vector<uint32_t>> spans_;  // by node
};

// "a=b&c" -> pairs, percent signs and `+` resolved.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace testmesh::flow_export
