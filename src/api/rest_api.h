// The REST API (api.md 2): requests -> questions to the stores -> JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/event_hub.h"
#include "executions/execution_service.h"
#include "store/graph_layers.h"
#include "store/telemetry_store.h"
#include "store/workspace_registry.h"
#include "transport/http/server.h"

namespace testmesh::api {

struct RestApiOptions {
  unsigned workers = 2;           // threads that may block on the stores
  size_t max_queued = 64;         // requests waiting for one; past it 503
  size_t compress_from = 1024;    // bytes; smaller answers go as they are
  std::string version = "0.1.0";  // shown in the OpenAPI document
};

// Thread-safe. Everything passed in outlives it.
//
// A request waits for one of a few workers, since stores block on disk; health
// and metrics are answered on the caller's thread at once, however busy the
// workers are.
class RestApi {
 public:
  RestApi(store::WorkspaceRegistry&, store::TelemetryStore&, store::GraphLayers&,
          executions::ExecutionService&, EventHub&, std::function<std::string()> prometheus_text,
          RestApiOptions = {});
  ~RestApi();  // stop()

  // Everything under /api, and /healthz, /readyz, /metrics: also what leads
  // nowhere there, so that the 404 has the API's own form.
  static bool handles(std::string_view path);
  void handle(http::Request, http::Responder);

  // Answers what is queued, then joins; later requests get 503.
  void stop();

  uint64_t refused() const;  // requests answered 503 because the queue was full

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::api
