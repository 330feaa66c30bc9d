#include "cli/watch.h"

#include <fmt/format.h>

#include <memory>
#include <ostream>
#include <sstream>

#include "cli/interrupt.h"
#include "cli/text.h"
#include "cli/times.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

constexpr std::chrono::milliseconds kShortestInterval{100};
constexpr std::chrono::milliseconds kLongestInterval{std::chrono::hours{24}};

// A server that restarts refuses connections; a proxy before it answers 502.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kOverloaded || code == ErrorCode::kInternal;
}

class Screen {
 public:
  Screen(Program& program, std::chrono::milliseconds interval) : program_(program), interval_(interval) {}

  void show(const std::string& text) {
    if (!on_terminal()) {
      if (printed_ && text == last_) return;
      if (!program_.common.json()) out() << "--- " << now() << " UTC\n";
      out() << text;
      out().flush();
    } else {
      draw(text, {});
    }
    last_ = text;
    last_time_ = now();
    last_problem_.clear();
    printed_ = true;
  }

  void complain(const std::string& problem) {
    if (on_terminal()) {
      draw(last_, problem);
    } else if (problem != last_problem_) {
      program_.terminal.err << "testmesh: " << now() << " UTC: " << printable_lines(problem)
                            << " Trying again.\n";
      program_.terminal.err.flush();
    }
    last_problem_ = problem;
  }

 private:
  std::ostream& out() { return program_.terminal.out; }
  bool on_terminal() const { return program_.terminal.width != 0; }
  std::string now() const { return short_time(base::to_rfc3339(program_.hooks.clock->now())); }

  // Over what is there: home, each line to its end, then the rest. Lines are
  // not wrapped, or the screen would scroll.
  void draw(const std::string& text, const std::string& problem) {
    std::string frame = drawn_ ? "\x1b[?7l\x1b[H" : "\x1b[?7l\x1b[2J\x1b[H";
    drawn_ = true;
    size_t room = program_.terminal.height == 0 ? SIZE_MAX : program_.terminal.height - 1;
    const auto line = [&](std::string_view content) {
      frame += std::string(content) + "\x1b[K\n";
      if (room != SIZE_MAX && room > 0) --room;
    };
    line(painted(fmt::format("{} UTC, every {}; Ctrl-C ends", now(), interval_text()), Style::kDim,
                 program_.terminal.colour));
    if (!problem.empty()) {
      line(painted(printable(problem), Style::kBad, program_.terminal.colour));
      line(printed_ ? "Trying again. Below is what it was at " + last_time_ + " UTC." : "Trying again.");
    }
    std::istringstream lines(text);
    size_t left = static_cast<size_t>(std::ranges::count(text, '\n'));
    for (std::string content; std::getline(lines, content); --left) {
      if (room <= 1 && left > 1) {
        line(fmt::format("… {} more lines", left));
        break;
      }
      line(content);
    }
    out() << frame << "\x1b[J\x1b[?7h";
    out().flush();
  }

  std::string interval_text() const { return duration_text(static_cast<double>(interval_.count())); }

  Program& program_;
  std::chrono::milliseconds interval_;
  std::string last_, last_time_, last_problem_;
  bool printed_ = false, drawn_ = false;
};

}  // namespace

void add_watch_options(CLI::App& command, WatchOptions& options) {
  command.add_flag("--watch", options.on, "Again and again, until Ctrl-C");
  command.add_option("--interval", options.interval, "Time between two rounds of --watch: 2s, 500ms, 1m")
      ->capture_default_str();
}

Result<void> run_watched(Program& program, const WatchOptions& options,
                         const std::function<Result<void>(Program&)>& round) {
  if (!options.on) return round(program);
  const auto parsed = duration_of(options.interval);
  if (!parsed || *parsed < kShortestInterval || *parsed > kLongestInterval)
    return wrong_usage(
        program,
        fmt::format("--interval {}: a time from 100ms to 24h was expected, such as 2s", options.interval));
  const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
  std::unique_ptr<Interrupt> interrupt;
  auto pause = program.hooks.pause;
  if (!pause) {
    interrupt = std::make_unique<Interrupt>();
    pause = [&](std::chrono::milliseconds time) { return interrupt->wait(time); };
  }
  Screen screen(program, interval);
  do {
    std::ostringstream out;
    Terminal captured{.out = out,
                      .err = program.terminal.err,
                      .width = program.terminal.width,
                      .progress = false,
                      .height = program.terminal.height,
                      .colour = program.terminal.colour,
                      .in = nullptr};
    Program again{.hooks = program.hooks,
                  .terminal = captured,
                  .common = program.common,
                  .action = {},
                  .exit_code = program.exit_code,
                  .failure_code = program.failure_code,
                  .one_line_json = program.terminal.width == 0};
    if (const Result<void> done = round(again)) {
      program.exit_code = again.exit_code;
      screen.show(out.str());
    } else if (may_pass(done.error().code)) {
      screen.complain(done.error().message);
    } else {
      program.failure_code = again.failure_code;
      return done;
    }
  } while (program.terminal.out.good() && pause(interval));
  return {};
}

}  // namespace testmesh::cli
