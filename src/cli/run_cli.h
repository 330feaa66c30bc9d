// The command line: everything of `testmesh` but the server itself, which is
// passed in, so that this module needs none of its parts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "model/ids.h"

namespace testmesh::cli {

// Where `import` puts what it reads. Used by one thread.
class ImportTarget {
 public:
  struct Outcome {
    uint64_t accepted = 0;
    uint64_t rejected = 0;
    std::string message;  // why; empty: nothing to say
  };
  virtual ~ImportTarget() = default;
  // One OTLP protobuf ExportTraceServiceRequest; durable when it returns.
  virtual base::Result<Outcome> send(std::string_view request) = 0;
  // After the last request: whatever must happen before the process ends.
  virtual base::Result<void> finish() = 0;
};

// A server within this process; gone when it is destroyed.
class LocalServer {
 public:
  virtual ~LocalServer() = default;
  virtual const std::string& url() const = 0;
  virtual const std::string& otlp_http() const = 0;  // "off": no further address
};

struct LocalServerOptions {
  std::string otlp_http = "127.0.0.1:4318";  // as `serve` takes them
  std::string otlp_grpc = "127.0.0.1:4317";
};

struct Hooks {
  // `testmesh serve …`: what follows the word, argv[0] being "testmesh serve".
  std::function<int(int argc, const char* const* argv)> serve;
  // `testmesh import --data-dir DIR`: opens the directory for one workspace.
  std::function<base::Result<std::unique_ptr<ImportTarget>>(const std::string& directory,
                                                            const model::WorkspaceId&)>
      open_data_dir;
  // `testmesh run` with no server named: one on loopback, whose data goes with it.
  std::function<base::Result<std::unique_ptr<LocalServer>>(const LocalServerOptions&)> start_server = {};
  std::string version = "0.1.0";
  // Time as --since and --watch see it, so that tests own it.
  const base::Clock* clock = &base::system_clock();
  // Waits so long between two rounds of --watch; false: the user wants to stop
  // (Ctrl-C). Empty: a real wait.
  std::function<bool(std::chrono::milliseconds)> pause = {};
};

// How output looks: what a terminal shows is cut to its width.
struct Terminal {
  std::ostream& out;
  std::ostream& err;
  unsigned width = 0;          // columns of `out`; 0: not a terminal, nothing is cut
  bool progress = false;       // `err` is a terminal
  unsigned height = 0;         // lines of `out`; 0: not a terminal
  bool colour = false;         // `out` is a terminal that shows colours, and they are wanted
  std::istream* in = nullptr;  // what a FILE of `-` reads
};

// Exit code: 0 done, 1 it failed, 2 it was called wrongly. `check`: 1 it found
// something, 2 it could not look.
int run_cli(int argc, const char* const* argv, const Hooks&);
int run_cli(int argc, const char* const* argv, const Hooks&, Terminal&);

}  // namespace testmesh::cli
