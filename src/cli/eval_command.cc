// testmesh eval
#include <iostream>
#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/text.h"
#include "expr/builtins.h"
#include "expr/json.h"
#include "expr/line_evaluator.h"
#include "expr/program.h"

namespace testmesh::cli {
namespace {

using base::Result;

constexpr size_t kMostOutput = size_t{64} << 20;

struct Options {
  std::string expression, environment;
  bool lines = false, reference = false;
};

// The next line without its end; what is past `most` bytes is dropped, and
// `too_long` says so. False: there is none.
bool read_line(std::streambuf& in, std::string& line, size_t most, bool& too_long) {
  constexpr int kEnd = std::streambuf::traits_type::eof();
  line.clear();
  too_long = false;
  bool any = false;
  for (int c = in.sbumpc(); c != kEnd; c = in.sbumpc()) {
    any = true;
    if (c == '\n') return true;
    if (line.size() < most) {
      line += static_cast<char>(c);
    } else {
      too_long = true;
    }
  }
  return any;
}

Result<void> evaluate_lines(Program& program) {
  if (!program.terminal.in) return base::fail(base::ErrorCode::kInternal, "there is no standard input");
  // A character at a time through stdio would take seconds for a huge line.
  if (program.terminal.in == &std::cin) std::ios::sync_with_stdio(false);
  std::streambuf& in = *program.terminal.in->rdbuf();
  std::string line;
  bool too_long = false;
  while (read_line(in, line, expr::kMaxEvalLine, too_long)) {
    program.terminal.out << (too_long ? expr::refuse_long_line() : expr::evaluate_line(line)) << '\n'
                         << std::flush;
    if (!program.terminal.out) {
      program.failure_code = 2;
      return base::fail(base::ErrorCode::kUnavailable, "cannot write to standard output");
    }
    if (line.capacity() > 1u << 20) std::string().swap(line);
  }
  return {};
}

Result<void> fail_at(const expr::Error& error, std::string_view source) {
  return base::fail(base::ErrorCode::kInvalidArgument,
                    std::string(to_string(error.stage)) + " error: " + expr::with_caret(source, error));
}

Result<void> evaluate_one(Program& program, const Options& options) {
  expr::Map names;
  if (!options.environment.empty()) {
    program.failure_code = 2;
    TRY_ASSIGN(const std::string text, read_document(program, options.environment));
    const auto parsed = expr::parse_json(text);
    if (!parsed)
      return base::fail(base::ErrorCode::kInvalidArgument,
                        options.environment + ": " + parsed.error().message);
    if (parsed->kind() != expr::Kind::kMap)
      return base::fail(base::ErrorCode::kInvalidArgument,
                        options.environment + ": expected an object: names and their values");
    names = parsed->as_map();
    program.failure_code = 1;
  }
  const auto compiled = expr::Program::compile(options.expression);
  if (!compiled) return fail_at(compiled.error(), options.expression);
  const auto value = compiled->evaluate(expr::MapEnvironment(std::move(names)));
  if (!value) return fail_at(value.error(), options.expression);
  std::string out;
  if (!write_json(out, *value, expr::JsonStyle::kTagged, kMostOutput))
    return base::fail(base::ErrorCode::kTooLarge, "the value is too large to be printed");
  program.terminal.out << out << '\n';
  return {};
}

}  // namespace

void add_eval(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("eval", "Evaluate an expression, as assertions of flow files are");
  const auto options = std::make_shared<Options>();
  command->add_option("expression", options->expression, "The expression")->type_name("EXPR");
  command
      ->add_option("--env", options->environment,
                   "JSON object with the names it may use; - is standard input")
      ->type_name("FILE");
  CLI::Option* lines =
      command->add_flag("--jsonl", options->lines,
                        R"(Read {"expr": …, "env": {…}} lines from standard input, write one answer a line)");
  CLI::Option* reference =
      command->add_flag("--reference", options->reference, "Print the page of all functions");
  lines->excludes(reference);
  command->footer(R"(Exit codes: 0 it has a value, 1 it has none (the error says where), 2 wrong usage.

Examples:
  testmesh eval '[1, 2, 3] | filter(# > 1) | len'
  testmesh eval 'response.status == 200 and body.id exists' --env result.json
  testmesh eval --jsonl < expressions.jsonl
The language: docs/expressions.md, https://expr-lang.org)");
  command->callback([command, options, &program] {
    program.action = [command, options, &program]() -> Result<void> {
      const bool has_expression = command->count("expression") > 0;
      if (options->reference || options->lines) {
        if (has_expression || !options->environment.empty())
          return wrong_usage(program, "--jsonl and --reference take no expression and no --env");
        if (options->lines) return evaluate_lines(program);
        program.terminal.out << expr::reference_page();
        return {};
      }
      if (!has_expression)
        return wrong_usage(program, "eval needs an expression (or --jsonl): testmesh eval '1 + 1'");
      return evaluate_one(program, *options);
    };
  });
}

}  // namespace testmesh::cli
