// Paths, query strings, cursors, expressions and bodies of the REST API, by way
// of the routes' handlers: "METHOD target\nbody". Every answer that is JSON
// must be JSON, and none may be a fault of the server.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/attribute_query.h"
#include "api/routes.h"
#include "api/testing/fake_store.h"
#include "transport/http/target.h"

namespace {

using namespace testmesh;

struct World {
  api::FakeTelemetryStore store;
  api::MapDocumentStore documents;
  std::unique_ptr<store::WorkspaceRegistry> registry =
      store::WorkspaceRegistry::open(documents, base::system_clock()).value();
  api::Context context{
      .registry = *registry, .store = store, .metrics = {}, .openapi = "{}", .settings_mutex = {}};
};

void check_expression(std::string_view text) {
  const auto query = api::parse_attribute_query(text);
  if (!query) return;
  if (query->value.data.index() == 0) std::abort();  // always a value to compare with
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_expression(input);
  const size_t line = std::min(input.find('\n'), size);
  const size_t space = std::min(input.find(' '), line);
  api::Call call;
  call.request.method = input.substr(0, space);
  call.request.target = space < line ? input.substr(space + 1, line - space - 1) : std::string_view();
  if (line < size) call.request.body = input.substr(line + 1);
  auto target = http::parse_target(call.request.target);
  if (!target) return 0;
  call.request.path = std::move(target->path);
  call.request.query = std::move(target->query);
  api::Match found = api::match(call.request.path);
  call.path_values = found.path_values;
  for (const api::Route* route : found.routes) {
    if (route->method != call.request.method) continue;
    if (route->path.find("{workspace_id}") != std::string_view::npos) {
      // Any workspace may have been removed by an earlier input; the default one stays.
      call.workspace = world.registry->find(model::kDefaultWorkspace);
    }
    const api::Answer answer = route->handler(world.context, call);
    if (!answer) {
      if (answer.error().status >= 500 || !nlohmann::json::accept(answer.error().details)) std::abort();
    } else if (!answer->body.empty() && answer->content_type == "application/json" &&
               !nlohmann::json::accept(answer->body)) {
      std::abort();
    }
  }
  return 0;
}
