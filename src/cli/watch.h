// --watch: a report again and again, until the user has seen enough.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/commands.h"

namespace testmesh::cli {

struct WatchOptions {
  bool on = false;
  std::string interval = "2s";
};

void add_watch_options(CLI::App&, WatchOptions&);

// Runs `round` once; with --watch again after every interval, until pausing
// says that the user wants to stop, which is no failure. On a terminal each
// round is drawn over the one before; elsewhere it is printed when it differs
// from the last one printed. A server that is away, or busy, is waited for,
// and that is said; any other failure ends it. The exit code that the last
// successful round set stays.
base::Result<void> run_watched(Program&, const WatchOptions&,
                               const std::function<base::Result<void>(Program&)>& round);

}  // namespace testmesh::cli
