#include "server/running_server.h"

#include <arpa/inet.h>
#include <spdlog/spdlog.h>

#include "api/event_hub.h"
#include "api/rest_api.h"
#include "executions/execution_service.h"
#include "ingest/otlp_http.h"
#include "otlp/convert.h"
#include "server/metrics.h"
#include "server/storage.h"
#include "server/version.h"
#include "store/graph_layers.h"
#include "transport/http/server.h"

namespace testmesh::server {
namespace {

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

// Destroyed from the last to the first: what uses a part stands behind it.
struct RunningServer::Impl {
  Storage storage;
  bool require_workspace = false;
  ingest::IngestCounters ingest_counters;
  store::GraphLayers graph_layers;
  std::unique_ptr<api::EventHub> events;
  std::unique_ptr<executions::ExecutionService> executions;
  ingest::OtlpHttp otlp;
  std::unique_ptr<http::Server> server;  // set before anything asks for metrics
  api::RestApi rest;
  std::string url, otlp_http = "off";

  Impl(Storage opened, std::unique_ptr<api::EventHub> hub, std::unique_ptr<executions::ExecutionService> runs,
       const ServeOptions& options)
      : storage(std::move(opened)),
        require_workspace(options.require_workspace),
        graph_layers(*storage.documents),
        events(std::move(hub)),
        executions(std::move(runs)),
        otlp(
            {}, *storage.engine,
            [this](std::string_view header, std::string_view authorization) {
              return storage.registry->resolve_ingest(header, authorization, require_workspace);
            },
            otlp::json_to_protobuf, ingest_counters),
        rest(*storage.registry, *storage.engine, graph_layers, *executions, *events,
             [this] {
               return metrics_text(*storage.engine, ingest_counters, server->stats(), executions->counts());
             },
             {.workers = 2, .version = kVersion}) {
    server = std::make_unique<http::Server>(http::ServerOptions{.threads = options.threads},
                                            [this](http::Request request, http::Responder respond) {
                                              if (otlp.handles(request))
                                                return otlp.handle(std::move(request), std::move(respond));
                                              if (api::RestApi::handles(request.path))
                                                return rest.handle(std::move(request), std::move(respond));
                                              respond(request.path == "/" ? landing_page() : not_found());
                                            });
  }
};

RunningServer::RunningServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RunningServer::~RunningServer() { stop(); }
const std::string& RunningServer::url() const { return impl_->url; }
const std::string& RunningServer::otlp_http() const { return impl_->otlp_http; }

base::Result<std::unique_ptr<RunningServer>> RunningServer::start(const ServeOptions& options) {
  for (const std::string& address : {options.listen, options.otlp_http})
    if (address != "off" && !is_loopback(address))
      return base::fail(
          base::ErrorCode::kInvalidArgument,
          "with --auth off the server listens on loopback only, and '" + address +
              "' is not. Listen on 127.0.0.1 and put a proxy that checks who may enter in front of it, or "
              "reach it through an SSH tunnel (API keys for every request come in a later version).");
  TRY_ASSIGN(Storage storage, open_storage(options));
  auto events = std::make_unique<api::EventHub>(*storage.engine, [engine = storage.engine.get()] {
    return engine->counters().received_spans.load(std::memory_order_relaxed);
  });
  executions::ExecutionServiceOptions runs;
  runs.concurrency = options.run_concurrency;
  runs.hosts = actions::HostPolicy(options.run_hosts);
  runs.warn = [](const std::string& text) { spdlog::warn(text); };
  TRY_ASSIGN(auto executions,
             executions::ExecutionService::open(
                 *storage.documents, *storage.engine, *storage.engine, *storage.registry, std::move(runs),
                 [view = events.get()](const model::WorkspaceId& workspace, std::string_view event,
                                       const std::string& json) { view->publish(workspace, event, json); }));
  auto impl = std::make_unique<Impl>(std::move(storage), std::move(events), std::move(executions), options);
  TRY_ASSIGN(const http::Endpoint listening, impl->server->listen(options.listen));
  impl->url = url_of(listening);
  if (options.otlp_http != "off") {
    const auto further = impl->server->listen(options.otlp_http);
    if (!further)
      return base::fail(further.error().code,
                        further.error().message + " (or turn this address off with --otlp-http off)");
    impl->otlp_http = url_of(*further);
  }
  impl->server->start();
  return std::unique_ptr<RunningServer>(new RunningServer(std::move(impl)));
}

void RunningServer::stop() {
  impl_->server->stop();
  impl_->rest.stop();
  impl_->executions->stop();
  impl_->events->stop();
  impl_->storage.engine->stop();
}

}  // namespace testmesh::server
