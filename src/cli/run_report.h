// What a run of flow files came to, as every form it is told in. Pure functions.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/flow_inputs.h"
#include "cli/junit_report.h"

namespace testmesh::cli {

enum class RunVerdict { kPassed, kFailed, kError };

struct FlowRun {
  FlowInput input = {};
  Json execution = {};       // as the server gave it last; null: it was not started
  Json steps = {};           // a list
  Json validation = {};      // null: none
  std::string problem = {};  // why it could not be run; empty: it was

  RunVerdict verdict() const;
  std::string name() const;  // the flow's, else the file's
};

struct RunReport {
  std::vector<FlowRun> runs = {};
  std::string server = {}, version = {}, started_at = {};  // RFC 3339
  double seconds = 0;
  size_t skipped = 0;  // flows without any of the wanted tags

  size_t count(RunVerdict) const;
  int exit_code() const;  // 0 all passed, 1 some failed, 2 some could not be run
};

// Something that is not as it should be, where it stands in the file.
struct RunFinding {
  flow_file::Position at;
  std::string step;     // id; empty: of the whole run; "trace": of its validation
  std::string message;  // one line
};
std::vector<RunFinding> findings_of(const FlowRun&);

// One sentence about a trace's validation: "5 nodes as expected (yaml)".
std::string validation_sentence(const Json& validation);

Json run_json(const RunReport&);
JUnitReport run_junit(const RunReport&);
std::string run_html(const RunReport&);
void print_flow_run(std::ostream&, const FlowRun&, bool colour);
void print_run_totals(std::ostream&, const RunReport&, bool colour);

}  // namespace testmesh::cli
