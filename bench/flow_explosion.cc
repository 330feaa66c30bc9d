// flow_explosion: traces that each take a path of their own, through the real
// engine, beside one usual flow. Prints throughput and resident memory as it
// goes; with --usual 100 nothing explodes, for comparison.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>

#include "engine/engine.h"
#include "otlp/convert.h"
#include "store/documents/document_store.h"

namespace testmesh::bench {
namespace {

using Steady = std::chrono::steady_clock;

double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

std::vector<model::Span> trace_of(uint64_t number, bool usual) {
  static const auto scope = std::make_shared<const model::Scope>();
  static const auto resource = [] {
    model::Resource shop;
    shop.attributes.push_back({"service.name", {std::string("shop")}});
    return std::make_shared<const model::Resource>(std::move(shop));
  }();
  std::vector<model::Span> spans(2);
  for (size_t i = 0; i < spans.size(); ++i) {
    model::Span& span = spans[i];
    for (size_t b = 0; b < 8; ++b) {
      span.trace_id.bytes[b] = static_cast<uint8_t>((number + 1) * 0x9e3779b97f4a7c15ULL >> 8 * b);
      span.trace_id.bytes[8 + b] = static_cast<uint8_t>((number + 1) >> 8 * b);
    }
    span.span_id.bytes[0] = static_cast<uint8_t>(i + 1);
    span.start = base::system_clock().now();
    span.end = span.start + 1'000'000 * (1 + number % 50);
    span.resource = resource;
    span.scope = scope;
  }
  spans[0].name = "GET /orders";
  spans[0].kind = model::SpanKind::kServer;
  spans[0].attributes = {{"http.request.method", {std::string("GET")}},
                         {"http.route", {std::string("/orders")}}};
  spans[1].parent_span_id = spans[0].span_id;
  spans[1].name = "SELECT";
  spans[1].kind = model::SpanKind::kClient;
  spans[1].attributes = {
      {"db.system.name", {std::string("postgresql")}},
      {"db.namespace", {usual ? std::string("orders") : "tenant" + std::to_string(number)}}};
  return spans;
}

struct Options {
  uint64_t traces = 2'000'000, usual = 10, max_flows = 20'000, batch = 500;
};

int run(const Options& options) {
  std::string directory = (std::filesystem::temp_directory_path() / "testmesh-explosion-XXXXXX").string();
  if (!mkdtemp(directory.data())) return 1;
  auto documents = store::open_document_store(directory + "/documents");
  if (!documents) return 1;
  model::TelemetrySettings settings;
  settings.trace_idle_timeout_ms = 1000;
  auto opened = engine::Engine::open(
      {.data_directory = directory,
       .max_flows = options.max_flows,
       .warn = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }},
      **documents, base::system_clock(), [&](const model::WorkspaceId&) { return settings; });
  if (!opened) return 1;
  engine::Engine& engine = **opened;
  const auto begin = Steady::now();
  std::printf("%12s %10s %10s %12s %14s\n", "traces", "seconds", "MiB", "flows", "dropped traces");
  const auto print = [&](uint64_t sent) {
    const discovery::BookTotals totals = engine.totals(model::kDefaultWorkspace);
    std::printf("%12lu %10.1f %10.0f %12lu %14lu\n", sent,
                std::chrono::duration<double>(Steady::now() - begin).count(), resident_mib(), totals.flows,
                totals.dropped.traces);
    std::fflush(stdout);
  };
  std::vector<model::Span> spans;
  uint64_t next_print = options.traces / 10;
  for (uint64_t sent = 0; sent < options.traces;) {
    spans.clear();
    for (uint64_t i = 0; i < options.batch; ++i, ++sent)
      for (model::Span& span : trace_of(sent, sent % 100 < options.usual)) spans.push_back(std::move(span));
    const std::string request = otlp::encode_protobuf(spans);
    for (;;) {
      std::promise<base::Result<store::IngestOutcome>> promise;
      auto outcome = promise.get_future();
      engine.submit(model::kDefaultWorkspace, request,
                    [&](base::Result<store::IngestOutcome> result) { promise.set_value(std::move(result)); });
      if (outcome.get()) break;
      engine.wait_until_taken();
    }
    if (sent >= next_print) {
      print(sent);
      next_print += options.traces / 10;
    }
  }
  while (engine.counters().closed_traces < options.traces)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double seconds = std::chrono::duration<double>(Steady::now() - begin).count();
  print(options.traces);
  const discovery::BookTotals totals = engine.totals(model::kDefaultWorkspace);
  const bool exact = totals.occurrences + totals.partial + totals.dropped.traces == options.traces;
  std::printf("%.0f traces/s until the last was counted; every trace counted once: %s\n",
              static_cast<double>(options.traces) / seconds, exact ? "yes" : "NO");
  opened->reset();
  documents->reset();
  std::filesystem::remove_all(directory);
  return exact ? 0 : 1;
}

}  // namespace
}  // namespace testmesh::bench

int main(int argc, char** argv) {
  testmesh::bench::Options options;
  CLI::App app("Every trace a new path, through the engine");
  app.add_option("--traces", options.traces)->capture_default_str();
  app.add_option("--usual", options.usual, "percent of the traces that take the usual path")
      ->capture_default_str();
  app.add_option("--max-flows", options.max_flows, "0: no limit")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return testmesh::bench::run(options);
}
