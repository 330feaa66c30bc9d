#include "expr/program.h"

#include <algorithm>

#include "base/utf8.h"
#include "expr/ast.h"
#include "expr/checker.h"
#include "expr/evaluator.h"
#include "expr/parser.h"
#include "expr/regex.h"

namespace testmesh::expr {
namespace {

Error located(Stage stage, std::string message, std::string_view source, size_t offset) {
  Error error{.stage = stage, .message = std::move(message)};
  size_t at = 0;
  offset = std::min(offset, source.size());
  while (at < offset) {
    if (source[at] == '\n') {
      ++error.line;
      error.column = 1;
      ++at;
      continue;
    }
    ++error.column;
    at += std::max<size_t>(1, base::utf8_length(source.substr(at)));
  }
  return error;
}

}  // namespace

struct Program::Impl {
  std::string source;
  Limits limits;
  Tree tree;
  Checked checked;
  const Node* comparison = nullptr;
};

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::kParse:
      return "parse";
    case Stage::kCheck:
      return "check";
    case Stage::kRuntime:
      return "runtime";
  }
  return "runtime";
}

std::string with_caret(std::string_view source, const Error& error) {
  std::string out =
      error.message + " (" + std::to_string(error.line) + ":" + std::to_string(error.column) + ")";
  size_t start = 0;
  for (uint32_t line = 1; line < error.line; ++line) {
    const size_t end = source.find('\n', start);
    if (end == std::string_view::npos) return out;
    start = end + 1;
  }
  std::string_view line = source.substr(start, source.find('\n', start) - start);
  // Of a very long line only what is around the place.
  constexpr size_t kBefore = 60, kAfter = 60;
  size_t at = 0;
  for (uint32_t column = 1; column < error.column && at < line.size(); ++column)
    at += std::max<size_t>(1, base::utf8_length(line.substr(at)));
  size_t from = at > kBefore ? at - kBefore : 0;
  while (from < at && (static_cast<unsigned char>(line[from]) & 0xC0) == 0x80) ++from;
  const std::string_view shown = base::utf8_prefix(line.substr(from), at - from + kAfter);
  std::string text, under;
  const auto append = [](std::string& to, std::string_view part) {
    for (const char c : part) to += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  };
  append(text, from > 0 ? "…" : "");
  append(text, shown);
  if (from + shown.size() < line.size()) text += "…";
  if (from > 0) under += ' ';
  for (size_t i = from; i < at; i += std::max<size_t>(1, base::utf8_length(line.substr(i)))) under += ' ';
  return out + "\n | " + text + "\n | " + under + "^";
}

bool MapEnvironment::find(std::string_view name, Value& out) const {
  const Value* found = names_.find(name);
  if (found) out = *found;
  return found != nullptr;
}

std::vector<std::string> MapEnvironment::names() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : names_)
    if (key.kind() == Kind::kString) names.emplace_back(key.as_string());
  return names;
}

std::expected<Program, Error> Program::compile(std::string_view source, const Limits& limits,
                                               const Environment* known_names) {
  if (source.size() > limits.source_bytes)
    return std::unexpected(
        Error{.stage = Stage::kParse,
              .message = "the expression is longer than " + std::to_string(limits.source_bytes) + " bytes"});
  auto impl = std::make_shared<Impl>();
  impl->source = source;
  impl->limits = limits;
  auto tree = parse(impl->source, limits.depth);
  if (!tree)
    return std::unexpected(
        located(Stage::kParse, std::move(tree.error().message), source, tree.error().offset));
  impl->tree = std::move(*tree);
  auto checked = check(impl->tree, known_names);
  if (!checked)
    return std::unexpected(
        located(Stage::kCheck, std::move(checked.error().message), source, checked.error().offset));
  impl->checked = std::move(*checked);
  impl->comparison = outermost_comparison(*impl->tree.root);
  Program program;
  program.impl_ = std::move(impl);
  return program;
}

std::expected<Value, Error> Program::evaluate(const Environment& environment) const {
  Evaluator evaluator(impl_->checked, environment, impl_->limits, nullptr);
  Value value;
  if (evaluator.run(*impl_->tree.root, value)) return value;
  auto failure = evaluator.failure();
  return std::unexpected(located(failure.of_check ? Stage::kCheck : Stage::kRuntime,
                                 std::move(failure.message), impl_->source, failure.offset));
}

std::expected<Evaluation, Error> Program::evaluate_with_sides(const Environment& environment) const {
  Evaluator evaluator(impl_->checked, environment, impl_->limits, impl_->comparison);
  Evaluation evaluation;
  if (evaluator.run(*impl_->tree.root, evaluation.value)) {
    evaluation.actual = evaluator.actual ? std::move(evaluator.actual) : evaluation.value;
    evaluation.expected = std::move(evaluator.expected);
    return evaluation;
  }
  auto failure = evaluator.failure();
  return std::unexpected(located(failure.of_check ? Stage::kCheck : Stage::kRuntime,
                                 std::move(failure.message), impl_->source, failure.offset));
}

std::expected<Value, Error> Program::evaluate_part(const Node& part, const Environment& environment) const {
  Evaluator evaluator(impl_->checked, environment, impl_->limits, nullptr);
  Value value;
  if (evaluator.run(part, value)) return value;
  auto failure = evaluator.failure();
  return std::unexpected(located(Stage::kRuntime, std::move(failure.message), impl_->source, failure.offset));
}

const std::string& Program::source() const { return impl_->source; }
std::string Program::print() const { return expr::print(*impl_->tree.root); }
const std::vector<std::string>& Program::names() const { return impl_->checked.names; }
const Node& Program::root() const { return *impl_->tree.root; }

}  // namespace testmesh::expr
