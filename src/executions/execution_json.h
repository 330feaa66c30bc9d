// Executions and steps as the API shows them (api.md 2).
#pragma once

#include <string>

#include "executions/execution_service.h"
#include "expr/value.h"
#include "runner/run.h"

namespace testmesh::executions {

std::string to_json(const Execution&);
expr::Map to_map(const Execution&);

std::string to_json(const runner::StepResult&);
expr::Map to_map(const runner::StepResult&);
// Of what to_map() made.
base::Result<runner::StepResult> step_from(const expr::Value&);

}  // namespace testmesh::executions
