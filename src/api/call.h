// One REST request on its way to a handler, and what comes back.
#pragma once

#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/event_hub.h"
#include "api/json_writer.h"
#include "base/result.h"
#include "base/time.h"
#include "executions/execution_service.h"
#include "model/ids.h"
#include "store/graph_layers.h"
#include "store/telemetry_store.h"
#include "store/workspace_registry.h"
#include "transport/http/server.h"

namespace testmesh::api {

struct Reply {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  http::Headers headers = {};
  std::shared_ptr<http::Stream> stream = nullptr;  // the body, instead of `body`
};

// Becomes {"error", "code", "details"}.
struct Failure {
  int status = 500;
  std::string code = "internal";
  std::string message;
  std::string details = "{}";  // a JSON object
  http::Headers headers = {};

  Failure(int http_status, std::string snake_case_code, std::string sentence,
          std::string json_details = "{}");
  Failure(base::Error error);  // by the one table from codes to statuses
};
using Answer = std::expected<Reply, Failure>;

// What handlers work with; each is thread-safe.
struct Context {
  store::WorkspaceRegistry& registry;
  store::TelemetryStore& store;
  store::GraphLayers& graph_layers;
  executions::ExecutionService& executions;
  EventHub& events;
  std::function<std::string()> metrics;
  std::string openapi;
  std::mutex settings_mutex;  // a PUT reads, changes and writes
};

// A request that matched a route. The workspace was found to exist.
struct Call {
  http::Request request;
  std::vector<std::string> path_values;  // of the route's {names}, in order
  std::optional<model::Workspace> workspace;

  // First of that name; null when absent. Unknown names are ignored.
  const std::string* query(std::string_view name) const;
  std::string_view header(std::string_view lower_case_name) const;
};

Failure bad_parameter(std::string_view name, std::string sentence);
Failure not_found(std::string sentence);

// ---- Query parameters; a Failure names the parameter ------------------------

std::expected<size_t, Failure> limit_of(const Call&);  // 1…1000, default 50
std::string cursor_of(const Call&);
std::expected<std::optional<bool>, Failure> bool_of(const Call&, std::string_view name);
std::expected<std::optional<base::UnixNanos>, Failure> time_of(const Call&, std::string_view name);
std::expected<std::optional<uint64_t>, Failure> unsigned_of(const Call&, std::string_view name);
std::expected<std::optional<double>, Failure> share_of(const Call&, std::string_view name);  // 0…1
// Milliseconds with a fraction, as nanoseconds.
std::expected<std::optional<uint64_t>, Failure> milliseconds_of(const Call&, std::string_view name);
std::expected<std::optional<store::StatusFilter>, Failure> status_of(const Call&);
// Absent or empty: none.
std::optional<std::string> text_of(const Call&, std::string_view name);

template <typename Id>
std::expected<Id, Failure> parse_id(std::string_view text, std::string_view what) {
  if (const auto id = Id::parse(text)) return *id;
  return std::unexpected(Failure(400, "invalid_argument", std::string(what)));
}
std::expected<model::FlowId, Failure> flow_id_of(std::string_view text);
std::expected<model::TraceId, Failure> trace_id_of(std::string_view text);
std::expected<model::ExecutionId, Failure> execution_id_of(std::string_view text);

// ---- Lists --------------------------------------------------------------------

struct Slice {
  size_t begin = 0, end = 0;
  std::optional<std::string> next_cursor;
};
// Pages over items that are sorted by `key`; a cursor is the key of the last
// item shown, so that pages neither overlap nor skip when items come or go.
std::expected<Slice, Failure> slice_of(const Call&, const std::vector<std::string>& keys);

// Writes "total" and "next_cursor".
void write_page_end(JsonWriter&, uint64_t total, const std::optional<std::string>& next_cursor);

}  // namespace testmesh::api
