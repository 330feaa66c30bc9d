#include "cli/run_cli.h"
#include "server/serve.h"

int main(int argc, char** argv) {
  return testmesh::cli::run_cli(argc, argv,
                                {.serve = testmesh::server::serve,
                                 .open_data_dir = testmesh::server::open_import_target,
                                 .start_server = testmesh::server::start_local_server});
}
