// Builds every part, runs the server until SIGTERM or SIGINT, stops it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/run_cli.h"
#include "model/ids.h"

namespace testmesh::server {

// Exit code: 0 stopped in order, 1 it could not start, 2 it was called wrongly.
int serve(int argc, const char* const* argv);

// `testmesh import --data-dir`: writes straight into a directory no server has
// open.
base::Result<std::unique_ptr<cli::ImportTarget>> open_import_target(const std::string& data_dir,
                                                                    const model::WorkspaceId&);

// For `testmesh run` with no server named: on loopback, with its data in a new
// directory below the system's temporary one, removed at the end.
base::Result<std::unique_ptr<cli::LocalServer>> start_local_server(const cli::LocalServerOptions&);

}  // namespace testmesh::server
