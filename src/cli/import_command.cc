// testmesh import
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <ostream>
#include <thread>

#include "cli/commands.h"
#include "cli/import_progress.h"
#include "cli/otlp_response.h"
#include "cli/table.h"
#include "cli/text.h"
#include "otlp/import_formats.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

constexpr int kMostAttempts = 30;  // of one request; the server says how long to wait in between
constexpr int kMostSecondsPerWait = 30;

struct Options {
  std::vector<std::string> files;
  std::string data_dir;
};

// Posts to /v1/traces, waiting as the server asks.
class ServerTarget final : public ImportTarget {
 public:
  ServerTarget(Remote remote, std::string workspace)
      : remote_(std::move(remote)), workspace_(std::move(workspace)) {}

  Result<Outcome> send(std::string_view request) override {
    const http::Headers headers{{"Content-Type", "application/x-protobuf"}, {"X-Workspace-ID", workspace_}};
    for (int attempt = 1;; ++attempt) {
      auto response = remote_.raw("POST", "/v1/traces", request, headers);
      if (!response) {
        // A server that answered before may be restarting: what is sent twice
        // is stored once.
        if (!answered_ || attempt >= kMostAttempts) return std::unexpected(std::move(response).error());
        wait(1);
        continue;
      }
      answered_ = true;
      if (response->status == 200) return parse_export_response(response->body);
      const bool retry = response->status == 429 || response->status == 503;
      if (!retry || attempt >= kMostAttempts)
        return base::fail(retry ? ErrorCode::kUnavailable : ErrorCode::kInternal,
                          fmt::format("{} answered {}: {}", remote_.server(), response->status,
                                      status_message(response->body)));
      wait(retry_after(*response));
    }
  }
  Result<void> finish() override { return {}; }

 private:
  static int retry_after(const http::Response& response) {
    for (const auto& [name, value] : response.headers) {
      if (name.size() != 11 || (name[0] != 'R' && name[0] != 'r') ||
          !std::equal(name.begin() + 1, name.end(), "etry-after",
                      [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; }))
        continue;
      int seconds = 1;
      std::from_chars(value.data(), value.data() + value.size(), seconds);
      return std::clamp(seconds, 0, kMostSecondsPerWait);
    }
    return 1;
  }
  static void wait(int seconds) { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }

  Remote remote_;
  std::string workspace_;
  bool answered_ = false;
};

Result<std::unique_ptr<ImportTarget>> open_target(Program& program, const Options& options) {
  if (options.data_dir.empty()) {
    TRY_ASSIGN(Remote remote, connect(program));
    const auto workspace = model::WorkspaceId::parse(program.common.workspace);
    return std::make_unique<ServerTarget>(std::move(remote), workspace->to_string());
  }
  if (!program.hooks.open_data_dir)
    return base::fail(ErrorCode::kUnsupported,
                      "This program was built without the store; import into a server instead");
  const auto workspace = model::WorkspaceId::parse(program.common.workspace);
  if (!workspace) return base::fail(ErrorCode::kInvalidArgument, "The workspace is not a UUID");
  return program.hooks.open_data_dir(options.data_dir, *workspace);
}

struct Counts {
  uint64_t sent = 0, accepted = 0, rejected = 0, skipped_documents = 0;
  std::string format, message;
};

Json to_json(const std::string& file, const Counts& counts) {
  Json json{{"file", file}};
  if (!counts.format.empty()) json["format"] = counts.format;
  json.update(Json{{"spans_sent", counts.sent},
                   {"spans_accepted", counts.accepted},
                   {"spans_rejected", counts.rejected},
                   {"documents_skipped", counts.skipped_documents}});
  if (!counts.message.empty()) json["message"] = counts.message;
  return json;
}

Result<Counts> import_one(const std::string& file, ImportTarget& target, Progress& progress) {
  Counts counts;
  otlp::ImportCallbacks callbacks;
  callbacks.request = [&](std::string_view request) -> Result<void> {
    const uint64_t spans = count_spans(request);
    TRY_ASSIGN(const ImportTarget::Outcome outcome, target.send(request));
    counts.sent += spans;
    counts.rejected += outcome.rejected;
    counts.accepted += spans - std::min(spans, outcome.rejected);
    if (!outcome.message.empty()) counts.message = outcome.message;
    return {};
  };
  callbacks.progress = [&](uint64_t consumed, uint64_t size) {
    progress.show(file, consumed, size, counts.sent);
  };
  TRY_ASSIGN(const otlp::ImportSummary summary, otlp::import_file(file, callbacks));
  counts.sent += summary.rejected_spans;
  counts.rejected += summary.rejected_spans;
  counts.skipped_documents = summary.skipped_documents;
  counts.format = std::string(otlp::to_string(summary.format));
  return counts;
}

Result<void> run(Program& program, const Options& options) {
  TRY_ASSIGN(const std::unique_ptr<ImportTarget> target, open_target(program, options));
  Progress progress(program.terminal);
  Json files = Json::array();
  Counts total;
  Table table({{"FILE", Align::kLeft, 16, 0, true},
               {"FORMAT", Align::kLeft, 12, 3},
               {"SENT", Align::kRight, 4, 2},
               {"ACCEPTED", Align::kRight, 8},
               {"REJECTED", Align::kRight, 8},
               {"SKIPPED", Align::kRight, 7, 4},
               {"", Align::kLeft, 16, 1}});
  base::Error error;
  bool failed = false;
  for (const std::string& file : options.files) {
    auto counts = import_one(file, *target, progress);
    if (!counts) {
      error = std::move(counts).error();
      failed = true;
      break;
    }
    total.sent += counts->sent;
    total.accepted += counts->accepted;
    total.rejected += counts->rejected;
    total.skipped_documents += counts->skipped_documents;
    files.push_back(to_json(file, *counts));
    table.add({file, counts->format, std::to_string(counts->sent), std::to_string(counts->accepted),
               std::to_string(counts->rejected), std::to_string(counts->skipped_documents), counts->message});
  }
  progress.clear();
  // What was sent must be finished properly even when a later file failed.
  auto finished = target->finish();
  if (program.common.json()) {
    Json all = to_json("", total);
    all.erase("file");
    print_json(program, Json{{"files", std::move(files)}, {"total", std::move(all)}});
  } else if (!files.empty()) {
    table.print(program.terminal.out, program.terminal.width);
    program.terminal.out << fmt::format("\n{} spans sent, {} accepted, {} rejected\n", total.sent,
                                        total.accepted, total.rejected);
  }
  if (failed) return std::unexpected(std::move(error));
  return finished;
}

}  // namespace

void add_import(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("import", "Import trace files into a server or a data directory");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("files", options->files,
                   "OTLP (protobuf, JSON, JSON lines), Jaeger JSON or Zipkin JSON; plain, gzip or zstd")
      ->required();
  command->add_option("--data-dir", options->data_dir,
                      "Import straight into this data directory (its server must not run)");
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->footer(
      "The format is found out from the content.\n\nExamples:\n  testmesh import traces.json\n"
      "  testmesh import --workspace 7d3f0b52-5f7e-4b5a-9c61-0c8f6a1e2d34 day1.pb.zst day2.pb.zst\n"
      "  testmesh import --data-dir ./testmesh-data jaeger.json.gz");
  command->callback(
      [&program, options] { program.action = [&program, options] { return run(program, *options); }; });
}

}  // namespace testmesh::cli
