// The flow files of a command line, with all that running them needs from this
// side: what they include, and what this machine's environment says.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "flow_file/flow_file.h"

namespace testmesh::cli {

struct FlowInput {
  std::string file = {};  // as named; "-" is standard input
  std::string text = {};
  flow_file::FlowFile flow = {};
  std::vector<flow_file::Problem> problems = {};  // of the file
  std::optional<base::Error> unreadable = {};     // it, its env_file, or what it runs
  std::map<std::string, std::string> files = {};  // of run_flow: name as written → text
  std::vector<std::pair<std::string, std::string>> variables = {};
};

// Files as they are named, directories as their *.yaml and *.yml files by path,
// at any depth. Each once.
base::Result<std::vector<std::string>> flow_paths(const std::vector<std::string>& arguments);

using Environment = std::function<const char*(const char* name)>;  // as std::getenv

// `--env KEY=VALUE` texts; kInvalidArgument names the wrong one.
base::Result<std::vector<std::pair<std::string, std::string>>> parse_variables(
    const std::vector<std::string>& texts);

// Reads one file; what is wrong with it is in the input. Variables, later ones
// winning: env_file (of names that `env` does not give), the environment for
// names listed in `env`, `given`.
FlowInput read_input(Program&, const std::string& file,
                     const std::vector<std::pair<std::string, std::string>>& given,
                     const Environment& environment);

}  // namespace testmesh::cli
