// A workspace and its telemetry settings (api.md, "Workspaces and settings").
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "model/ids.h"

namespace testmesh::model {

struct TelemetrySettings {
  bool enabled = true;         // false: ingest answers 403
  bool auto_discovery = true;  // read when a trace completes
  bool auto_validation = true;
  int64_t retention_days = 30;             // 0…3650; 0 keeps for ever; counted from arrival
  int64_t default_timeout_ms = 30'000;     // 1000…600000
  int64_t drift_min_baseline = 10;         // 1…1000000
  int64_t trace_idle_timeout_ms = 10'000;  // 100…600000

  friend bool operator==(const TelemetrySettings&, const TelemetrySettings&) = default;
};

struct Workspace {
  WorkspaceId id;
  std::string name;
  base::UnixNanos created_at = 0;
};

}  // namespace testmesh::model
