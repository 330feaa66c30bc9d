// What `testmesh serve` is told: flag, else TESTMESH_… in the environment, else
// the file named by --config, else the default.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace testmesh::server {

struct ServeOptions {
  std::string listen = "127.0.0.1:5016";
  std::string otlp_http = "127.0.0.1:4318";  // "off": not served
  std::string otlp_grpc = "127.0.0.1:4317";
  std::string data_dir = "./testmesh-data";
  std::chrono::milliseconds trace_idle_timeout{10'000};
  bool require_workspace = false;
  std::string auth = "off";
  std::string store = "embedded";
  uint32_t threads = 0;  // 0: one a core
  uint32_t shards = 0;   // 0: one a core; fixed when the data directory is made
  bool shards_given = false;
  uint64_t max_open_mib = 384;
  uint64_t max_flows = 20'000;
  std::string log_level = "info";
  bool graph = true;                   // the System Graph counts new traces
  std::vector<std::string> run_hosts;  // what runs may reach; empty: all but what is never reached
  unsigned run_concurrency = 16;       // runs at once
};

// Reads the command line. Returns true to go on; otherwise `exit_code` is what
// to end with, and whatever there is to say was said.
bool parse_serve_options(int argc, const char* const* argv, ServeOptions& options, int& exit_code);

}  // namespace testmesh::server
