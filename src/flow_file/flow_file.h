// A flow file (flow-yaml.md): a test as it is written, read and checked but not
// run. Plain values; texts keep their `{{name}}` references until they are run.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "expr/program.h"
#include "expr/value.h"
#include "flow_file/json_path.h"
#include "model/flow.h"

namespace testmesh::flow_file {

using Milliseconds = std::chrono::milliseconds;

struct Position {
  uint32_t line = 1, column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

// Something wrong with the file.
struct Problem {
  Position at;
  std::string message;          // a sentence; names what was found and expected where that applies
  std::string found, expected;  // empty: not of that kind
};

struct Assertion {
  std::string source;     // as written
  expr::Program program;  // compiled; its positions are within `source`
  Position at;            // where `source` starts in the file
};

struct Output {
  std::string name;
  JsonPath path;
  Position at;
};

struct Retry {
  enum class Backoff : uint8_t { kConstant, kLinear, kExponential };
  uint32_t max_attempts = 1;
  Milliseconds delay{1000};
  Backoff backoff = Backoff::kConstant;
  std::vector<std::string> retry_on;  // error codes, "assertion", "any"; empty: any failure
};

struct Step {
  std::string id;    // given, or "step_<n>" where it has none
  std::string name;  // as given; may be empty
  std::string action;
  Position at;
  // Always a map. Keys and types were checked where values have no reference;
  // the step lists of control actions are not in it.
  expr::Value config;
  std::map<std::string, Position, std::less<>> config_at;  // of the top keys
  std::optional<Assertion> when;
  std::vector<Assertion> assertions;  // `assert`
  std::vector<Output> outputs;
  Retry retry;
  std::optional<Milliseconds> timeout;
  bool continue_on_error = false;
  bool disabled = false;
  std::vector<Step> error_steps;
  std::vector<Assertion> trace_assert;
  // Of control actions, by key: for_each and wait_until `steps`; condition
  // `then`, `else`; parallel `steps` (each is a branch) or `branches` (each a
  // list, keys "0", "1", …).
  std::vector<std::pair<std::string, std::vector<Step>>> nested;
  // Expressions in the config of control actions: condition `if`, wait_until
  // `condition`, assert and otel.assert `assert`.
  std::vector<std::pair<std::string, std::vector<Assertion>>> config_assertions;
};

struct TraceExpectations {
  enum class Performance : uint8_t { kFail, kWarn, kOff };
  std::optional<std::vector<model::PathNode>> expected_path;  // service empty: not said
  Performance performance = Performance::kFail;
  std::vector<expr::Value> allow_errors;  // selectors: a text or a map
};

struct DiscoveredFrom {
  std::string fingerprint, sample_trace_id;
  uint64_t occurrence_count = 0;
};

struct FlowFile {
  std::string name, description, version, author, suite;
  std::vector<std::string> tags;
  std::string env_file;
  std::vector<std::pair<std::string, expr::Value>> env;
  std::vector<Step> setup, steps, teardown;
  std::optional<TraceExpectations> trace;
  std::vector<Assertion> trace_assert;
  std::optional<DiscoveredFrom> discovered_from;
  // Something is expected of the trace: `trace`, a `trace_assert` of the flow or
  // of a step, or `discovered_from`.
  bool expects_of_trace = false;
};

struct Reading {
  FlowFile flow;                  // of use only when there is no problem
  std::vector<Problem> problems;  // all of them, by position
};

// Bounded in size (1 MiB), depth and what aliases expand to. Never throws.
Reading read_flow(std::string_view yaml);

// `env_file`: KEY=VALUE lines, `#` comments, quotes. kInvalidArgument with the line.
base::Result<std::vector<std::pair<std::string, std::string>>> read_env_file(std::string_view text);

// "500ms", "30s", "5m", "2h", "1m30s"; also a bare number of seconds is refused.
std::optional<Milliseconds> parse_duration(std::string_view text);

// Whether what stands under this name is a secret (section 1), in any case.
bool is_secret_name(std::string_view name);

// The JSON Schema of flow files, for editors.
const std::string& json_schema();

}  // namespace testmesh::flow_file
