// What `otel.assert` asks, answered from the server's own store.
#pragma once

#include "base/result.h"
#include "runner/run.h"
#include "store/telemetry_store.h"

namespace testmesh::executions {

// One look. Without a trace id: the newest trace that began with the run or
// later and holds a span of that service and operation that is not a runner's.
base::Result<runner::TraceLook> answer(const runner::TraceQuestionView&, store::TelemetryStore&);

}  // namespace testmesh::executions
