#include "server/serve.h"

#include <arpa/inet.h>
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

#include "api/rest_api.h"
#include "engine/engine.h"
#include "ingest/otlp_http.h"
#include "otlp/convert.h"
#include "server/metrics.h"
#include "server/options.h"
#include "store/documents/document_store.h"
#include "store/workspace_registry.h"
#include "transport/http/server.h"

namespace testmesh::server {
namespace {

constexpr const char* kVersion = "0.1.0";

// The parts that a data directory needs, in the order they depend on each other.
struct Storage {
  std::unique_ptr<store::DocumentStore> documents;
  std::unique_ptr<store::WorkspaceRegistry> registry;
  std::unique_ptr<engine::Engine> engine;
};

base::Result<Storage> open_storage(const ServeOptions& options) {
  Storage storage;
  TRY_ASSIGN(storage.documents, store::open_document_store(options.data_dir + "/documents"));
  model::TelemetrySettings defaults;
  defaults.trace_idle_timeout_ms = options.trace_idle_timeout.count();
  TRY_ASSIGN(storage.registry,
             store::WorkspaceRegistry::open(*storage.documents, base::system_clock(), defaults));
  TRY_ASSIGN(storage.engine,
             engine::Engine::open({.data_directory = options.data_dir,
                                   .shards = options.shards,
                                   .max_open_bytes = options.max_open_mib << 20,
                                   .graph = options.graph},
                                  *storage.documents, base::system_clock(),
                                  [registry = storage.registry.get()](const model::WorkspaceId& id) {
                                    return registry->settings(id);
                                  }));
  return storage;
}

// Of "host:port" as http::Server::listen takes it: addresses, not names.
bool is_loopback(std::string_view address) {
  const size_t colon = address.rfind(':');
  std::string host(address.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int fail_start(const std::string& message) {
  std::cerr << "testmesh serve: " << message << "\n";
  return 1;
}

std::string url_of(const http::Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

http::Response landing_page() {
  http::Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body =
      "TestMesh is running.\n\n"
      "  flows      /api/v1/workspaces/00000000-0000-4000-8000-000000000001/telemetry/flows\n"
      "  API        /api/v1/openapi.json\n"
      "  metrics    /metrics\n"
      "  send OTLP  POST /v1/traces\n";
  return response;
}

http::Response not_found() {
  http::Response response;
  response.status = 404;
  response.body =
      R"({"error":"There is nothing at this path. OTLP goes to /v1/traces, the API is under /api/v1","code":"not_found","details":{}})";
  return response;
}

}  // namespace

int serve(int argc, const char* const* argv) {
  ServeOptions options;
  int exit_code = 0;
  if (!parse_serve_options(argc, argv, options, exit_code)) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_mt("testmesh"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));

  for (const std::string& address : {options.listen, options.otlp_http})
    if (address != "off" && !is_loopback(address))
      return fail_start("with --auth off the server listens on loopback only, and '" + address +
                        "' is not. Listen on 127.0.0.1 and put a proxy that checks who may enter in front of "
                        "it, or reach it "
                        "through an SSH tunnel (API keys for every request come in a later version).");

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

  auto storage = open_storage(options);
  if (!storage) return fail_start(storage.error().message);
  if (const uint32_t shards = storage->engine->shard_count();
      options.shards_given && shards != options.shards)
    spdlog::warn("{} was made with {} shards and keeps them: --shards {} is for new directories",
                 options.data_dir, shards, options.shards);

  ingest::IngestCounters ingest_counters;
  ingest::OtlpHttp otlp(
      {}, *storage->engine,
      [&](std::string_view header, std::string_view authorization) {
        return storage->registry->resolve_ingest(header, authorization, options.require_workspace);
      },
      otlp::json_to_protobuf, ingest_counters);
  http::Server* server_view = nullptr;
  api::RestApi rest(*storage->registry, *storage->engine,
                    [&] {
                      return metrics_text(*storage->engine, ingest_counters,
                                          server_view ? server_view->stats() : http::ServerStats{});
                    },
                    {.workers = 2, .version = kVersion});
  http::Server server({.threads = options.threads}, [&](http::Request request, http::Responder respond) {
    if (otlp.handles(request)) return otlp.handle(std::move(request), std::move(respond));
    if (api::RestApi::handles(request.path)) return rest.handle(std::move(request), std::move(respond));
    respond(request.path == "/" ? landing_page() : not_found());
  });
  server_view = &server;
  const auto listening = server.listen(options.listen);
  if (!listening) return fail_start(listening.error().message);
  std::string otlp_url = "off";
  if (options.otlp_http != "off") {
    const auto further = server.listen(options.otlp_http);
    if (!further)
      return fail_start(further.error().message + " (or turn this address off with --otlp-http off)");
    otlp_url = url_of(*further);
  }
  server.start();

  std::cout << "TestMesh " << kVersion << " is ready\n"
            << "  API and OTLP/HTTP  " << url_of(*listening) << "\n"
            << "  OTLP/HTTP          " << otlp_url << "\n"
            << "  OTLP/gRPC          off (this version takes OTLP/HTTP: "
               "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)\n"
            << "  data               " << options.data_dir << "\n"
            << std::flush;

  int signal = 0;
  while (sigwait(&signals, &signal) != 0 || signal == SIGHUP) {
  }
  spdlog::info("stopping: taking no more connections, saving what was taken");
  server.stop();
  rest.stop();
  storage->engine->stop();
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
