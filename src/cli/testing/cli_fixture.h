// Whole commands, as a user types them, against the real REST API over HTTP
// and a store that tests fill.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "api/rest_api.h"
#include "api/testing/fake_executions.h"
#include "api/testing/fake_store.h"
#include "cli/run_cli.h"
#include "otlp/convert.h"
#include "transport/http/server.h"

namespace testmesh::cli {

struct Outcome {
  int code = 0;
  std::string out, err;
};

class Cli : public ::testing::Test {
 protected:
  Cli()
      : registry(store::WorkspaceRegistry::open(documents, base::system_clock()).value()),
        runs(documents, store, *registry),
        api(*registry, store, layers, *runs.service, runs.events, nullptr),
        server({}, [this](http::Request request, http::Responder respond) {
          answer(std::move(request), std::move(respond));
        }) {
    const auto endpoint = server.listen("127.0.0.1:0").value();
    url = "http://127.0.0.1:" + std::to_string(endpoint.port);
    server.start();
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-cli-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory = name;
  }
  ~Cli() override {
    server.stop();
    std::error_code error;
    std::filesystem::remove_all(directory, error);
  }

  // The API, and ingest as far as `import` meets it.
  void answer(http::Request request, http::Responder respond) {
    if (api::RestApi::handles(request.path)) return api.handle(std::move(request), std::move(respond));
    const std::scoped_lock lock(mutex);
    ++posts;
    http::Response response;
    response.content_type = "application/x-protobuf";
    if (refusals > 0) {
      --refusals;
      response.status = 503;
      response.headers.emplace_back("Retry-After", "0");
      response.body = std::string(
          "\x08\x0e\x12\x04"
          "busy",
          8);
    } else if (fatal) {
      response.status = 403;
      response.body = std::string(
          "\x12\x03"
          "off",
          5);
    } else {
      received.push_back(std::move(request));
      if (reject)
        response.body = std::string(
            "\x0a\x07\x08\x01\x12\x03"
            "bad",
            9);
    }
    respond(std::move(response));
  }

  Outcome run(std::vector<std::string> arguments, unsigned width = 0) {
    arguments.insert(arguments.begin(), "testmesh");
    return run_without_server(std::move(arguments), width);
  }
  Outcome run_here(std::vector<std::string> arguments, unsigned width = 0) {
    arguments.insert(arguments.end(), {"--server", url});
    return run(std::move(arguments), width);
  }
  Outcome run_without_server(const std::vector<std::string>& arguments, unsigned width) {
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out, err;
    std::istringstream in(input);
    Terminal terminal{.out = out, .err = err, .width = width, .height = width == 0 ? 0 : height, .in = &in};
    Outcome result;
    result.code = run_cli(static_cast<int>(argv.size()), argv.data(), hooks, terminal);
    result.out = out.str();
    result.err = err.str();
    return result;
  }

  static model::Span span(uint8_t trace, uint8_t id, uint8_t parent, uint64_t start, uint64_t end,
                          std::string service) {
    model::Span made;
    made.trace_id.bytes[0] = trace;
    made.span_id.bytes[0] = id;
    made.parent_span_id.bytes[0] = parent;
    made.name = "GET /items";
    made.kind = parent == 0 ? model::SpanKind::kServer : model::SpanKind::kInternal;
    made.start = 1'700'000'000'000'000'000 + start;
    made.end = 1'700'000'000'000'000'000 + end;
    auto resource = std::make_shared<model::Resource>();
    resource->attributes = {{"service.name", {std::move(service)}}};
    made.resource = std::move(resource);
    made.scope = std::make_shared<model::Scope>();
    return made;
  }
  std::string file(const std::string& name, const std::string& content) {
    const auto path = directory / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  api::FakeTelemetryStore store;
  api::MapDocumentStore documents;
  store::GraphLayers layers{documents};
  std::unique_ptr<store::WorkspaceRegistry> registry;
  api::FakeExecutions runs;
  api::RestApi api;
  http::Server server;
  std::string url;
  std::filesystem::path directory;
  Hooks hooks;
  std::string input;     // standard input
  unsigned height = 24;  // of the terminal, where a test has one

  std::mutex mutex;
  std::vector<http::Request> received;
  int posts = 0, refusals = 0;
  bool fatal = false, reject = false;
};

}  // namespace testmesh::cli
