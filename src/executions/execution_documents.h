// Stored documents of executions (docs/formats/executions.md). Private to this
// module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "executions/execution_service.h"
#include "runner/run.h"

namespace testmesh::executions {

struct Record {
  Execution execution;
  // How the run itself ended, whatever its trace shows. None: no run, or it has
  // not ended.
  std::optional<runner::RunStatus> run_status;
  std::optional<runner::RunError> run_error;
};

bool has_ended(ExecutionStatus);

// Errors of the readers: kCorrupt, or kUnsupported for what a newer version wrote.
std::string encode(const Record&);
base::Result<Record> decode_record(std::string_view text);

std::string encode_steps(const std::vector<runner::StepResult>&);
base::Result<std::vector<runner::StepResult>> decode_steps(std::string_view text);
// As a step is kept: long texts and lists are cut, and say so.
runner::StepResult bounded(runner::StepResult);

}  // namespace testmesh::executions
