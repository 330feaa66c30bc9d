#include "api/rest_api.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "api/routes.h"

namespace testmesh::api {
namespace {

constexpr int kGzipLevel = 3;  // past it the bytes saved no longer pay for the time
constexpr size_t kWorkspacePathValue = 0;

std::string error_body(const Failure& failure) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("error", failure.message).field("code", failure.code).key("details");
  json.raw(failure.details);
  json.end_object();
  return body;
}

Reply reply_of(Answer answer) {
  if (answer) return std::move(*answer);
  Failure& failure = answer.error();
  Reply reply{.status = failure.status, .body = error_body(failure)};
  reply.headers = std::move(failure.headers);
  return reply;
}

Failure busy(std::string sentence) {
  Failure failure(503, "unavailable", std::move(sentence));
  failure.headers.emplace_back("Retry-After", "1");
  return failure;
}

// `gzip` or `*` among the codings, not refused by ;q=0.
bool accepts_gzip(std::string_view accept) {
  while (!accept.empty()) {
    const size_t comma = accept.find(',');
    std::string_view coding = accept.substr(0, comma);
    accept = comma == std::string_view::npos ? std::string_view() : accept.substr(comma + 1);
    std::string compact;
    for (const char c : coding)
      if (c != ' ' && c != '\t') compact += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const size_t semicolon = compact.find(';');
    const std::string_view name = std::string_view(compact).substr(0, semicolon);
    if (name != "gzip" && name != "*") continue;
    if (semicolon == std::string::npos) return true;
    const std::string_view weight = std::string_view(compact).substr(semicolon + 1);
    return !weight.starts_with("q=") || weight.find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

// Empty when it did not get smaller.
std::string gzip(std::string_view body) {
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(kGzipLevel), libdeflate_free_compressor);
  if (!compressor) return {};
  std::string out(body.size(), '\0');
  out.resize(libdeflate_gzip_compress(compressor.get(), body.data(), body.size(), out.data(), out.size()));
  return out;
}

std::expected<std::optional<model::Workspace>, Failure> workspace_of(
    const Context& context, const Route& route, const std::vector<std::string>& path_values) {
  if (route.path.find("{workspace_id}") == std::string_view::npos) return std::nullopt;
  TRY_ASSIGN(const model::WorkspaceId id,
             parse_id<model::WorkspaceId>(path_values[kWorkspacePathValue], "A workspace id is a UUID"));
  auto workspace = context.registry.find(id);
  if (!workspace) return std::unexpected(not_found(fmt::format("There is no workspace {}", id.to_string())));
  return workspace;
}

}  // namespace

struct RestApi::Impl {
  struct Job {
    const Route* route;
    Call call;
    http::Responder respond;
  };

  Impl(store::WorkspaceRegistry& registry, store::TelemetryStore& store, store::GraphLayers& graph_layers,
       executions::ExecutionService& executions, EventHub& events, std::function<std::string()> metrics,
       RestApiOptions settings)
      : options(std::move(settings)),
        context{.registry = registry,
                .store = store,
                .graph_layers = graph_layers,
                .executions = executions,
                .events = events,
                .metrics = std::move(metrics),
                .openapi = openapi_document(options.version),
                .settings_mutex = {}} {
    for (unsigned i = 0; i < std::max(1u, options.workers); ++i) workers.emplace_back([this] { work(); });
  }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex);
      wake.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      run(*job.route, std::move(job.call), std::move(job.respond));
    }
  }

  void run(const Route& route, Call call, http::Responder respond) {
    send(call.header("accept-encoding"), reply_of(answer(route, call)), std::move(respond));
  }

  Answer answer(const Route& route, Call& call) {
    TRY_ASSIGN(call.workspace, workspace_of(context, route, call.path_values));
    // Libraries below throw only when memory is short; the server goes on.
    try {
      return route.handler(context, call);
    } catch (const std::exception& error) {
      return std::unexpected(
          Failure(500, "internal", "The request could not be answered: " + std::string(error.what())));
    }
  }

  void send(std::string_view accept_encoding, Reply reply, http::Responder respond) const {
    http::Response response{.status = reply.status,
                            .content_type = std::move(reply.content_type),
                            .body = std::move(reply.body),
                            .headers = std::move(reply.headers),
                            .stream = std::move(reply.stream)};
    response.headers.emplace_back("Cache-Control", "no-store");
    if (response.body.size() >= options.compress_from) {
      response.headers.emplace_back("Vary", "Accept-Encoding");
      if (accepts_gzip(accept_encoding)) {
        if (std::string packed = gzip(response.body); !packed.empty()) {
          response.body = std::move(packed);
          response.headers.emplace_back("Content-Encoding", "gzip");
        }
      }
    }
    respond(std::move(response));
  }

  const RestApiOptions options;
  Context context;
  std::atomic<uint64_t> refused{0};

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;  // guarded by mutex, as is the next
  bool stopping = false;
  std::vector<std::thread> workers;
};

RestApi::RestApi(store::WorkspaceRegistry& registry, store::TelemetryStore& store,
                 store::GraphLayers& graph_layers, executions::ExecutionService& executions, EventHub& events,
                 std::function<std::string()> prometheus_text, RestApiOptions options)
    : impl_(std::make_unique<Impl>(registry, store, graph_layers, executions, events,
                                   std::move(prometheus_text), std::move(options))) {}

RestApi::~RestApi() { stop(); }

bool RestApi::handles(std::string_view path) {
  return path == "/api" || path.starts_with("/api/") || path == "/healthz" || path == "/readyz" ||
         path == "/metrics";
}

void RestApi::handle(http::Request request, http::Responder respond) {
  Call call{.request = std::move(request), .path_values = {}, .workspace = {}};
  const std::string accept(call.header("accept-encoding"));
  const auto fail = [&](Failure failure) {
    impl_->send(accept, reply_of(std::unexpected(std::move(failure))), std::move(respond));
  };
  Match found = match(call.request.path);
  if (found.routes.empty())
    return fail(not_found("There is nothing at this path; /api/v1/openapi.json lists what there is"));
  // HEAD is GET; the transport leaves the body away.
  const std::string_view method =
      call.request.method == "HEAD" ? "GET" : std::string_view(call.request.method);
  const Route* route = nullptr;
  std::string allowed;
  for (const Route* candidate : found.routes) {
    if (candidate->method == method) route = candidate;
    allowed += (allowed.empty() ? "" : ", ") + std::string(candidate->method);
    if (candidate->method == "GET") allowed += ", HEAD";
  }
  if (!route) {
    Failure failure(405, "method_not_allowed", fmt::format("This path answers {} only", allowed));
    failure.headers.emplace_back("Allow", allowed);
    return fail(std::move(failure));
  }
  call.path_values = std::move(found.path_values);
  if (route->at_once) return impl_->run(*route, std::move(call), std::move(respond));
  {
    const std::scoped_lock lock(impl_->mutex);
    if (!impl_->stopping && impl_->jobs.size() < impl_->options.max_queued) {
      impl_->jobs.push_back({route, std::move(call), std::move(respond)});
      impl_->wake.notify_one();
      return;
    }
  }
  ++impl_->refused;
  fail(busy("Too many requests are waiting for an answer; try again in a moment"));
}

void RestApi::stop() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (std::thread& worker : impl_->workers)
    if (worker.joinable()) worker.join();
}

uint64_t RestApi::refused() const { return impl_->refused; }

}  // namespace testmesh::api
