#include "server/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <iostream>
#include <thread>

#include "server/options.h"
#include "server/running_server.h"
#include "server/storage.h"
#include "server/version.h"

namespace testmesh::server {

int serve(int argc, const char* const* argv) {
  ServeOptions options;
  int exit_code = 0;
  if (!parse_serve_options(argc, argv, options, exit_code)) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_mt("testmesh"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));

  // Signals go to this thread alone, from before any other exists.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  // Few arenas: memory freed by one thread is used by the next.
  mallopt(M_ARENA_MAX, 4);

  const auto server = RunningServer::start(options);
  if (!server) {
    std::cerr << "testmesh serve: " << server.error().message << "\n";
    return 1;
  }
  std::cout << "TestMesh " << kVersion << " is ready\n"
            << "  API and OTLP/HTTP  " << (*server)->url() << "\n"
            << "  OTLP/HTTP          " << (*server)->otlp_http() << "\n"
            << "  OTLP/gRPC          off (this version takes OTLP/HTTP: "
               "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)\n"
            << "  data               " << options.data_dir << "\n"
            << std::flush;

  int signal = 0;
  while (sigwait(&signals, &signal) != 0 || signal == SIGHUP) {
  }
  spdlog::info("stopping: taking no more connections, saving what was taken");
  (*server)->stop();
  spdlog::info("stopped");
  return 0;
}

namespace {

class DirectoryImport final : public cli::ImportTarget {
 public:
  DirectoryImport(Storage storage, const model::WorkspaceId& workspace)
      : storage_(std::move(storage)), workspace_(workspace) {}

  base::Result<Outcome> send(std::string_view request) override {
    for (;;) {
      std::promise<base::Result<store::IngestOutcome>> promise;
      auto done = promise.get_future();
      storage_.engine->submit(workspace_, request, [&](base::Result<store::IngestOutcome> outcome) {
        promise.set_value(std::move(outcome));
      });
      auto outcome = done.get();
      if (!outcome && outcome.error().code == base::ErrorCode::kOverloaded) {
        storage_.engine->wait_until_taken();
        continue;
      }
      if (!outcome) return std::unexpected(outcome.error());
      return Outcome{outcome->accepted_spans, outcome->rejected_spans, std::move(outcome->message)};
    }
  }
  base::Result<void> finish() override {
    storage_.engine->wait_until_taken();
    const auto state = storage_.engine->ready();  // before stop(), which makes every engine say no
    storage_.engine->stop();
    return state;
  }

 private:
  Storage storage_;
  const model::WorkspaceId workspace_;
};

}  // namespace

base::Result<std::unique_ptr<cli::ImportTarget>> open_import_target(const std::string& data_dir,
                                                                    const model::WorkspaceId& workspace) {
  ServeOptions options;
  options.data_dir = data_dir;
  options.shards = std::clamp(std::thread::hardware_concurrency(), 1u, 16u);
  TRY_ASSIGN(Storage storage, open_storage(options));
  if (!storage.registry->find(workspace))
    return base::fail(base::ErrorCode::kNotFound,
                      "there is no workspace " + workspace.to_string() + " in " + data_dir);
  return std::make_unique<DirectoryImport>(std::move(storage), workspace);
}

}  // namespace testmesh::server
