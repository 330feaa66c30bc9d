#include "expr/line_evaluator.h"

#include <string>

#include "expr/json.h"
#include "expr/program.h"

namespace testmesh::expr {
namespace {

constexpr size_t kMaxAnswer = 32u << 20;

std::string error_line(std::string_view stage, std::string_view message, uint32_t line, uint32_t column) {
  std::string out = "{\"error\":{\"stage\":\"" + std::string(stage) + "\",\"message\":";
  append_json_text(out, message);
  out += ",\"line\":" + std::to_string(line) + ",\"column\":" + std::to_string(column) + "}}";
  return out;
}

std::string error_line(const Error& error) {
  return error_line(to_string(error.stage), error.message, error.line, error.column);
}

std::string input_error(std::string_view message) { return error_line("input", message, 1, 1); }

}  // namespace

std::string refuse_long_line() {
  return input_error("the line is longer than " + std::to_string(kMaxEvalLine) + " bytes");
}

std::string evaluate_line(std::string_view line) {
  if (line.size() > kMaxEvalLine) return refuse_long_line();
  const auto input = parse_json(line);
  if (!input) return input_error(input.error().message);
  if (input->kind() != Kind::kMap) return input_error("expected an object with \"expr\" and \"env\"");
  const Value* source = input->find("expr");
  if (!source || source->kind() != Kind::kString) return input_error("\"expr\" is missing or no string");
  const Value* names = input->find("env");
  if (names && names->kind() != Kind::kMap) return input_error("\"env\" is no object");
  const auto program = Program::compile(source->as_string());
  if (!program) return error_line(program.error());
  const MapEnvironment environment(names ? names->as_map() : Map{});
  const auto value = program->evaluate(environment);
  if (!value) return error_line(value.error());
  std::string out = "{\"value\":";
  if (!write_json(out, *value, JsonStyle::kTagged, kMaxAnswer))
    return error_line("runtime", "the value is too large to be written", 1, 1);
  out += '}';
  return out;
}

}  // namespace testmesh::expr
