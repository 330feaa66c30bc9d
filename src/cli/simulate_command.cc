// testmesh simulate
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <mutex>
#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/simulate_report.h"
#include "cli/text.h"
#include "simulate/runner.h"
#include "simulate/system_yaml.h"
#include "simulate/values.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;
using simulate::Duration;

constexpr unsigned kMostConnections = 64;

struct Options {
  std::string file, to, out, truth, rate, duration, start;
  uint64_t traces = 0, seed = 1;
  unsigned connections = 2;
  bool fast = false, dry_run = false, print_example = false;
};

std::atomic<bool> stop_asked = false;

// Ctrl-C ends the simulation properly; a second one ends the program.
class StopOnSignal {
 public:
  StopOnSignal() {
    stop_asked = false;
    struct sigaction action{};
    action.sa_handler = [](int) { stop_asked = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  ~StopOnSignal() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  struct sigaction interrupt_{}, terminate_{};
};

// One line, written again and again.
class RunProgress {
 public:
  RunProgress(Terminal& terminal, const simulate::RunCounts& counts) : terminal_(terminal), counts_(counts) {}
  ~RunProgress() { clear(); }
  void show() {
    if (!terminal_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    if (seconds < 0.5) return;
    const uint64_t spans = counts_.spans;
    const double rate = static_cast<double>(spans - last_spans_) / seconds;
    last_ = now;
    last_spans_ = spans;
    shown_ = true;
    terminal_.err << fmt::format("\r\x1b[K{} traces, {} spans, {:.0f} spans/s; {} rejected, {} retried",
                                 counts_.traces.load(), spans, rate, counts_.rejected.load(),
                                 counts_.refusals.load())
                  << std::flush;
  }
  void clear() {
    if (shown_) terminal_.err << "\r\x1b[K" << std::flush;
    shown_ = false;
  }

 private:
  Terminal& terminal_;
  const simulate::RunCounts& counts_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  uint64_t last_spans_ = 0;
  bool shown_ = false;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  if (stream) text.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  if (!stream || stream.bad())
    return base::fail(ErrorCode::kNotFound, fmt::format("The file {} cannot be read", path));
  return text;
}

Result<simulate::System> read_described(const std::string& path) {
  TRY_ASSIGN(const std::string text, read_file(path));
  auto system = simulate::read_system(text);
  if (!system)
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("{} does not describe a system:\n{}", path, simulate::to_text(system.error(), path)));
  return std::move(*system);
}

// What the options say of how much and when. The options were checked when
// they were parsed.
simulate::RunOptions run_options(const Options& options, const simulate::System& system) {
  simulate::RunOptions run{.seed = options.seed, .connections = options.connections};
  const simulate::Planner planner(system, options.seed);
  if (options.traces > 0) run.traces = options.traces;
  if (!options.duration.empty())
    run.traces = std::min(run.traces, simulate::traces_before(planner, *simulate::time_of(options.duration)));
  const bool fast = options.fast || !options.out.empty();
  const base::UnixNanos now = base::system_clock().now();
  // What is made at once lies in the past, up to now.
  run.start = fast ? now - static_cast<base::UnixNanos>(std::min<int64_t>(
                               planner.start_of(run.traces).count(), static_cast<int64_t>(now)))
                   : now;
  if (!options.start.empty()) run.start = *base::from_rfc3339(options.start);
  if (!options.out.empty()) run.connections = 1;
  return run;
}

Result<void> run(Program& program, const Options& options) {
  TRY_ASSIGN(simulate::System system, read_described(options.file));
  if (!options.rate.empty()) system.rate = *simulate::rate_of(options.rate);
  if (options.dry_run) {
    if (program.common.json()) {
      print_json(program, described_json(system));
    } else {
      print_described(program.terminal, system);
    }
    return {};
  }
  const bool to_file = !options.out.empty();
  const auto workspace = model::WorkspaceId::parse(program.common.workspace);
  if (!to_file && !workspace)
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("The workspace {} is not a UUID", program.common.workspace));
  const std::string target = to_file ? options.out : options.to.empty() ? program.common.server : options.to;
  const simulate::RunOptions run = run_options(options, system);
  const StopOnSignal signals;
  simulate::RunCounts counts;
  RunProgress progress(program.terminal, counts);
  simulate::Truth truth(system);
  std::mutex mutex;
  std::string rejected;
  const simulate::RunHooks hooks{
      .open = [&]() -> Result<std::unique_ptr<simulate::Target>> {
        if (to_file) return simulate::open_file_target(options.out);
        return simulate::open_http_target(
            {.url = target, .workspace = workspace->to_string(), .stop = &stop_asked});
      },
      .counts = &counts,
      .stop = &stop_asked,
      .progress = [&] { progress.show(); },
      .rejected =
          [&](std::string why) {
            const std::lock_guard lock(mutex);
            rejected = std::move(why);
          },
      .truth = options.truth.empty() ? nullptr : &truth};
  const auto pace = simulate::real_time();
  const auto begin = std::chrono::steady_clock::now();
  const Result<void> done =
      options.fast || to_file ? run_fast(system, run, hooks, *pace) : run_paced(system, run, hooks, *pace);
  progress.clear();
  const RunSummary summary{
      .target = target,
      .seed = options.seed,
      .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
      .rejected_why = rejected};
  if (program.common.json()) {
    print_json(program, summary_json(summary, counts));
  } else {
    print_summary(program.terminal, summary, counts);
  }
  if (!options.truth.empty()) TRY(write_file(options.truth, truth.to_json(options.seed) + '\n'));
  return done;
}

CLI::Validator written_like(const char* examples, std::function<bool(const std::string&)> valid) {
  return CLI::Validator(
      [examples, valid](std::string& text) {
        return valid(text) ? std::string() : fmt::format("'{}' is not written like {}", text, examples);
      },
      "");
}

void check_options(const Options& options) {
  const auto wrong = [](const std::string& sentence) { throw CLI::ValidationError("simulate", sentence); };
  if (options.print_example) return;
  if (options.file.empty()) wrong("FILE is missing; --print-example writes one");
  if (!options.to.empty() && !options.out.empty()) wrong("--to and --out exclude each other");
  const bool unlimited = options.duration.empty() && options.traces == 0;
  if ((options.fast || !options.out.empty()) && unlimited && !options.dry_run)
    wrong("--fast and --out need --traces or --duration: how much?");
}

}  // namespace

void add_simulate(CLI::App& app, Program& program) {
  CLI::App* command =
      app.add_subcommand("simulate", "Send the telemetry of a system described in a small file");
  const auto options = std::make_shared<Options>();
  command->add_option("file", options->file, "The description, YAML");
  command->add_option("--to", options->to, "Any OTLP/HTTP endpoint (default: the server)")->type_name("URL");
  command->add_option("--out", options->out,
                      "Write a file instead: .jsonl (as the Collector's file exporter) or .pb");
  command->add_option("--rate", options->rate, "Requests from outside a second (default: the file's)")
      ->check(written_like("50/s or 90/m, at most 1000000/s",
                           [](const std::string& text) { return simulate::rate_of(text).has_value(); }));
  command->add_flag("--fast", options->fast,
                    "As fast as it goes, instead of in real time; times lie in the past");
  command->add_option("--duration", options->duration, "How long, in the simulation's time")
      ->check(written_like("30s, 10m or 1h", [](const std::string& text) {
        const auto time = simulate::time_of(text);
        return time && *time > Duration() && *time <= std::chrono::hours(24 * 365);
      }));
  command->add_option("--traces", options->traces, "How many traces")->check(CLI::Range(1.0, 1e12));
  command->add_option("--seed", options->seed, "Another number, other traces")->capture_default_str();
  command
      ->add_option("--start", options->start,
                   "When the simulation starts (default: now, or so that it ends now)")
      ->type_name("RFC3339")
      ->check(written_like("2026-11-26T18:00:00Z",
                           [](const std::string& text) { return base::from_rfc3339(text).has_value(); }));
  command->add_option("--connections", options->connections, "Of --fast: how many at once")
      ->check(CLI::Range(1u, kMostConnections))
      ->capture_default_str();
  command->add_option("--truth", options->truth,
                      "Write what was simulated, counted by behaviour, to this JSON file");
  command->add_flag("--dry-run", options->dry_run,
                    "Say what the file describes, with all behaviours; send nothing");
  command->add_flag("--print-example", options->print_example, "Print an example file");
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->footer(
      "Without --duration or --traces it runs until Ctrl-C. What the file may say: docs/simulate.md.\n\n"
      "Examples:\n  testmesh simulate --print-example > shop.yaml\n"
      "  testmesh simulate shop.yaml --dry-run\n"
      "  testmesh simulate shop.yaml --duration 2m\n"
      "  testmesh simulate shop.yaml --fast --traces 100000 --seed 7 --truth truth.json\n"
      "  testmesh simulate shop.yaml --to http://127.0.0.1:4318 --rate 50/s\n"
      "  testmesh simulate shop.yaml --out shop.jsonl --traces 1000 --start 2026-11-26T18:00:00Z");
  command->callback([&program, options] {
    check_options(*options);
    program.action = [&program, options]() -> Result<void> {
      if (!options->print_example) return run(program, *options);
      program.terminal.out << simulate::example_system();
      return {};
    };
  });
}

}  // namespace testmesh::cli
