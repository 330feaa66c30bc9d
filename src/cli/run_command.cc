// testmesh run
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <ostream>
#include <thread>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/flow_inputs.h"
#include "cli/interrupt.h"
#include "cli/run_report.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;
using std::chrono::milliseconds;

constexpr int kCouldNotRun = 2;
constexpr unsigned kMostParallel = 256;
constexpr milliseconds kShortestPoll{10}, kLongestPoll{100};

struct Options {
  std::vector<std::string> files, variables, reports, tags;
  unsigned parallel = 1;
  LocalServerOptions local;
  CLI::Option* server = nullptr;  // --server as it was added
};

enum class ReportKind { kJUnit, kJson, kHtml };
struct ReportTarget {
  ReportKind kind = ReportKind::kJUnit;
  std::string path;
};

Result<std::vector<ReportTarget>> report_targets(Program& program, const std::vector<std::string>& texts) {
  std::vector<ReportTarget> targets;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string kind = text.substr(0, equals);
    if ((kind != "junit" && kind != "json" && kind != "html") || equals == std::string::npos ||
        equals + 1 == text.size())
      return wrong_usage(program,
                         fmt::format("--report {}: junit=PATH, json=PATH or html=PATH was expected", text));
    targets.push_back({kind == "junit"  ? ReportKind::kJUnit
                       : kind == "json" ? ReportKind::kJson
                                        : ReportKind::kHtml,
                       text.substr(equals + 1)});
  }
  return targets;
}

std::string report_text(ReportKind kind, const RunReport& report) {
  switch (kind) {
    case ReportKind::kJUnit:
      return to_junit_xml(run_junit(report));
    case ReportKind::kHtml:
      return run_html(report);
    case ReportKind::kJson:
      return run_json(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return {};
}

bool is_over(const Json& execution) {
  const std::string status = text_at(execution, "status");
  return status != "pending" && status != "running";
}

// Ctrl-C for several threads: one waits for the signal, all see it.
class StopSwitch {
 public:
  bool stopped() const { return stopped_; }
  void stop() {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  // False: stopped.
  bool wait(milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [&] { return stopped_.load(); });
  }

 private:
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// One line on a terminal, written again and again, by any thread.
class RunProgress {
 public:
  RunProgress(Terminal& terminal, size_t flows) : terminal_(terminal), flows_(flows) {}
  void show(const std::string& flow, const Json& execution) {
    if (!terminal_.progress) return;
    const std::scoped_lock lock(mutex_);
    const double done = number_at(execution, "passed_steps") + number_at(execution, "failed_steps");
    terminal_.err << fmt::format("\r\x1b[K{} of {} flows done; {}: step {:.0f} of {:.0f}", done_, flows_,
                                 printable(flow), done, number_at(execution, "total_steps"))
                  << std::flush;
    shown_ = true;
  }
  void done() {
    const std::scoped_lock lock(mutex_);
    ++done_;
    clear();
  }

 private:
  void clear() {
    if (shown_) terminal_.err << "\r\x1b[K" << std::flush;
    shown_ = false;
  }
  Terminal& terminal_;
  const size_t flows_;
  std::mutex mutex_;
  size_t done_ = 0;
  bool shown_ = false;
};

class FlowRunner {
 public:
  FlowRunner(std::string server, std::string workspace, StopSwitch& stop, RunProgress& progress)
      : server_(std::move(server)), workspace_(std::move(workspace)), stop_(stop), progress_(progress) {}

  // Thread-safe: each call speaks over a connection of its own.
  void run(FlowRun& run) {
    if (const auto done = try_run(run); !done) run.problem = done.error().message;
    progress_.done();
  }

 private:
  Result<void> try_run(FlowRun& run) {
    TRY_ASSIGN(Remote remote, Remote::open(server_, workspace_));
    Json variables = Json::object();
    for (const auto& [name, value] : run.input.variables) variables[name] = value;
    Json request = {{"flow", run.input.text}, {"variables", std::move(variables)}};
    if (!run.input.files.empty()) request["files"] = run.input.files;
    TRY_ASSIGN(run.execution, remote.call("POST", remote.workspace_path() + "/executions", &request));
    const std::string path =
        remote.workspace_path() + "/executions/" + percent_encode(text_at(run.execution, "id"));
    milliseconds pause = kShortestPoll;
    bool cancelled = false;
    while (!is_over(run.execution)) {
      progress_.show(run.name(), run.execution);
      if (!stop_.wait(pause) && !cancelled) {
        cancelled = true;
        TRY(remote.call("POST", path + "/cancel"));
      }
      // Once stopped the switch does not wait any more; teardown takes its time.
      if (cancelled) std::this_thread::sleep_for(kLongestPoll);
      pause = std::min(pause * 2, kLongestPoll);
      TRY_ASSIGN(run.execution, remote.get(path));
    }
    TRY_ASSIGN(Json steps, remote.get(path + "/steps"));
    run.steps = steps.value("steps", Json::array());
    auto validation = remote.get(path + "/trace-validation");
    if (validation && validation->contains("path_status")) run.validation = std::move(*validation);
    return {};
  }

  const std::string server_, workspace_;
  StopSwitch& stop_;
  RunProgress& progress_;
};

bool has_tag(const flow_file::FlowFile& flow, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& tag) {
           return std::ranges::find(flow.tags, tag) != flow.tags.end();
         });
}

// Runs what can be run, `parallel` at a time. `tell` hears of each flow in the
// order of the files, as soon as it and those before it are done.
void run_all(Program& program, const Options& options, const std::string& server, RunReport& report,
             const std::function<void(const FlowRun&)>& tell) {
  const size_t count = report.runs.size();
  std::vector<std::atomic<bool>> done(count);
  std::vector<size_t> wanted;
  for (size_t i = 0; i < count; ++i) {
    const FlowRun& run = report.runs[i];
    done[i] = !run.problem.empty() || !run.input.problems.empty();
    if (!done[i]) wanted.push_back(i);
  }
  StopSwitch stop;
  RunProgress progress(program.terminal, wanted.size());
  FlowRunner runner(server, program.common.workspace, stop, progress);
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min<size_t>(options.parallel, wanted.size()); ++i)
    threads.emplace_back([&] {
      for (size_t at = next++; at < wanted.size(); at = next++) {
        FlowRun& run = report.runs[wanted[at]];
        if (stop.stopped())
          run.problem = "it was interrupted before this flow started";
        else
          runner.run(run);
        done[wanted[at]] = true;
      }
    });
  {
    Interrupt interrupt;
    for (size_t told = 0; told < count;) {
      if (done[told])
        tell(report.runs[told++]);
      else if (!interrupt.wait(milliseconds(20)) && !stop.stopped())
        stop.stop();
    }
  }
  for (std::thread& thread : threads) thread.join();
}

// Where the flows run, and for how long that exists.
struct Target {
  std::unique_ptr<LocalServer> local;
  std::string url;
};

Result<Target> find_target(Program& program, const Options& options) {
  if (program.common.server_named || options.server->count() > 0)
    return Target{nullptr, program.common.server};
  if (!program.hooks.start_server)
    return base::fail(ErrorCode::kUnsupported,
                      "This program was built without the server: name one with --server");
  auto local = program.hooks.start_server(options.local);
  if (!local)
    return base::fail(
        local.error().code,
        local.error().message +
            "\nA server is running already? Run the flows there with --server URL, or give this "
            "one another address for spans: --otlp-http 127.0.0.1:0");
  Target target{std::move(*local), {}};
  target.url = target.local->url();
  if (!program.common.json())
    program.terminal.err << fmt::format(
        "No server named: one runs here until the flows are done. It takes spans at {}\n",
        target.local->otlp_http() == "off" ? target.url : target.local->otlp_http());
  return target;
}

Result<void> run(Program& program, const Options& options) {
  program.failure_code = kCouldNotRun;
  if (!model::WorkspaceId::parse(program.common.workspace))
    return wrong_usage(program, fmt::format("The workspace {} is not a UUID", program.common.workspace));
  TRY_ASSIGN(const std::vector<ReportTarget> reports, report_targets(program, options.reports));
  const auto variables = parse_variables(options.variables);
  if (!variables) return wrong_usage(program, variables.error().message);
  TRY_ASSIGN(const std::vector<std::string> paths, flow_paths(options.files));

  const base::UnixNanos begin = program.hooks.clock->now();
  RunReport report{.version = program.hooks.version, .started_at = base::to_rfc3339(begin)};
  const Environment environment = [](const char* name) -> const char* { return std::getenv(name); };
  bool any = false;
  for (const std::string& path : paths) {
    FlowRun one{.input = read_input(program, path, *variables, environment)};
    if (one.input.unreadable) one.problem = one.input.unreadable->message;
    const bool readable = one.problem.empty() && one.input.problems.empty();
    if (readable && !has_tag(one.input.flow, options.tags)) {
      ++report.skipped;
      continue;
    }
    any |= readable;
    report.runs.push_back(std::move(one));
  }
  if (report.runs.empty())
    return base::fail(ErrorCode::kNotFound, fmt::format("None of the {} has one of the wanted tags",
                                                        counted(static_cast<double>(paths.size()), "flow")));
  Target target;
  if (any) {
    TRY_ASSIGN(target, find_target(program, options));
    report.server = target.url;
  }
  run_all(program, options, target.url, report, [&](const FlowRun& one) {
    if (program.common.json()) return;
    print_flow_run(program.terminal.out, one, program.terminal.colour);
    program.terminal.out.flush();
  });
  const base::UnixNanos end = program.hooks.clock->now();
  report.seconds = end > begin ? static_cast<double>(end - begin) / 1e9 : 0;
  for (const ReportTarget& wanted : reports) TRY(write_file(wanted.path, report_text(wanted.kind, report)));
  if (program.common.json())
    print_json(program, run_json(report));
  else
    print_run_totals(program.terminal.out, report, program.terminal.colour);
  program.exit_code = report.exit_code();
  return {};
}

}  // namespace

void add_run(CLI::App& app, Program& program) {
  CLI::App* command =
      app.add_subcommand("run", "Run flow files: tests that know what should have happened inside");
  const auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, "Flow files, or directories of them; - reads standard input")
      ->required();
  command
      ->add_option("--env", options->variables,
                   "KEY=VALUE: a variable, over what the file says (several: once each)")
      ->allow_extra_args(false);
  command
      ->add_option("--report", options->reports,
                   "Write junit=PATH, json=PATH or html=PATH (several: once each)")
      ->allow_extra_args(false);
  command->add_option("--tags", options->tags, "Only flows with one of these tags, as in --tags smoke,orders")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--parallel", options->parallel, "So many flows at a time")
      ->check(CLI::Range(1u, kMostParallel))
      ->capture_default_str();
  command
      ->add_option("--otlp-http", options->local.otlp_http,
                   "Where the server within this process takes spans over OTLP/HTTP, or off")
      ->capture_default_str();
  command
      ->add_option("--otlp-grpc", options->local.otlp_grpc,
                   "The same over OTLP/gRPC, or off (this version serves OTLP/HTTP only)")
      ->capture_default_str();
  add_server_options(*command, program);
  options->server = command->get_option("--server");
  options->server->description("Run them there (or TESTMESH_SERVER); without, within this process");
  add_output_option(*command, program);
  command->footer(
      "With a server named the flows run in it: its network, its spans, its history. Without one, a server "
      "starts within this process, takes spans while the flows run, and ends with them.\n\n"
      "Exit code: 0 all passed, 1 some failed, 2 some could not be run or not be decided.\n\n"
      "Examples:\n  testmesh run tests/order.yaml\n"
      "  testmesh run tests --tags smoke --parallel 4 --report junit=run.xml --report html=run.html\n"
      "  testmesh run order.yaml --server http://127.0.0.1:5016 --env base_url=http://127.0.0.1:8080\n"
      "  testmesh flows export ID --mode trace | testmesh run - --env base_url=http://127.0.0.1:8080");
  command->callback(
      [&program, options] { program.action = [&program, options] { return run(program, *options); }; });
}

}  // namespace testmesh::cli
