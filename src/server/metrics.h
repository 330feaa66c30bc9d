// Prometheus text of everything that is counted.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "executions/execution_service.h"
#include "ingest/otlp_http.h"
#include "transport/http/server.h"

namespace testmesh::server {

std::string metrics_text(const engine::Engine&, const ingest::IngestCounters&, const http::ServerStats&,
                         const executions::ExecutionCounts&);

}  // namespace testmesh::server
