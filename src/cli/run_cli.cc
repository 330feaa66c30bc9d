#include "cli/run_cli.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "cli/commands.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr int kDone = 0, kFailed = 1, kWrongUsage = 2;

winsize terminal_size() {
  winsize size{};
  if (!isatty(STDOUT_FILENO)) return size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80;
  if (size.ws_row == 0) size.ws_row = 24;
  return size;
}

// NO_COLOR is how people say that they want none (no-color.org).
bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && terminal &&
         std::string_view(terminal) != "dumb";
}

const CLI::App& last_command(const CLI::App& app) {
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  return *last;
}

// The last command named, if it wants another behind it that is not there.
const CLI::App* group_without_command(const CLI::App& app) {
  const CLI::App& last = last_command(app);
  return last.get_require_subcommand_min() > 0 ? &last : nullptr;
}

// The same, if it can do without but was given a word that is none.
const CLI::App* group_with_unknown_command(const CLI::App& app) {
  const CLI::App& last = last_command(app);
  const bool group = !last.get_subcommands([](const CLI::App*) { return true; }).empty();
  const std::vector<std::string> rest = last.remaining();
  return group && !rest.empty() && !rest.front().starts_with('-') ? &last : nullptr;
}

void complain_of_no_command(const CLI::App& group, std::ostream& err) {
  const std::vector<std::string> rest = group.remaining();
  const std::string name = group.get_parent() ? "testmesh " + group.get_name() : "testmesh";
  if (rest.empty()) {
    err << group.help("testmesh");
    return;
  }
  err << name << ": there is no command '" << printable(rest.front()) << "'. There is:";
  for (const CLI::App* command : group.get_subcommands([](const CLI::App*) { return true; }))
    err << ' ' << command->get_name();
  err << '\n';
}

int parse_and_run(int argc, const char* const* argv, const Hooks& hooks, Terminal& terminal) {
  CLI::App app{"TestMesh: traces in, discovered flows out.", "testmesh"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "testmesh " + hooks.version);
  app.footer("Each command has its own help: testmesh flows --help");
  Program program{.hooks = hooks, .terminal = terminal, .common = {}, .action = {}};
  read_environment(program.common);
  app.add_subcommand("serve", "Run the server (testmesh serve --help)");
  add_import(app, program);
  add_analyze(app, program);
  add_flows(app, program);
  add_traces(app, program);
  add_settings(app, program);
  add_workspaces(app, program);
  add_keys(app, program);
  add_graph(app, program);
  add_coverage(app, program);
  add_check(app, program);
  add_simulate(app, program);
  add_eval(app, program);
  add_run(app, program);
  add_validate(app, program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (const CLI::App* group = group_without_command(app)) {
      complain_of_no_command(*group, terminal.err);
      return kWrongUsage;
    }
    app.exit(error, terminal.out, terminal.err);
    return kWrongUsage;
  } catch (const CLI::ExtrasError& error) {
    if (const CLI::App* group = group_with_unknown_command(app)) {
      complain_of_no_command(*group, terminal.err);
      return kWrongUsage;
    }
    app.exit(error, terminal.out, terminal.err);
    return kWrongUsage;
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, terminal.out, terminal.err);
    return code == 0 ? kDone : kWrongUsage;
  }
  if (!program.action) {
    terminal.out << app.help();
    return kWrongUsage;
  }
  const base::Result<void> done = program.action();
  if (done) return program.exit_code;
  terminal.out.flush();
  terminal.err << "testmesh: " << printable_lines(done.error().message) << '\n';
  return program.failure_code;
}

}  // namespace

int run_cli(int argc, const char* const* argv, const Hooks& hooks, Terminal& terminal) {
  if (argc >= 2 && std::string_view(argv[1]) == "serve") {
    if (!hooks.serve) {
      terminal.err << "testmesh: this program was built without the server\n";
      return kFailed;
    }
    std::vector<const char*> rest{"testmesh serve"};
    rest.insert(rest.end(), argv + 2, argv + argc);
    return hooks.serve(static_cast<int>(rest.size()), rest.data());
  }
  try {
    return parse_and_run(argc, argv, hooks, terminal);
  } catch (const std::exception& error) {
    terminal.err << "testmesh: " << printable(error.what()) << '\n';
    return kFailed;
  }
}

int run_cli(int argc, const char* const* argv, const Hooks& hooks) {
  const winsize size = terminal_size();
  Terminal terminal{.out = std::cout,
                    .err = std::cerr,
                    .width = size.ws_col,
                    .progress = isatty(STDERR_FILENO) != 0,
                    .height = size.ws_row,
                    .colour = wants_colour(),
                    .in = &std::cin};
  const int code = run_cli(argc, argv, hooks, terminal);
  std::cout.flush();
  return std::cout.good() || code != kDone ? code : kFailed;
}

}  // namespace testmesh::cli
