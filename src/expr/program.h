// A compiled expression (flow-yaml.md, section 4). compile() parses and checks;
// evaluate() cannot hang, crash or take more memory than its limits.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expr/value.h"

namespace testmesh::expr {

enum class Stage : uint8_t { kParse, kCheck, kRuntime };
std::string_view to_string(Stage);

struct Error {
  Stage stage = Stage::kParse;
  std::string message;            // no position in it
  uint32_t line = 1, column = 1;  // in the source, from 1; columns count code points
};

// "message (line:column)", then the source's line and a caret under the place.
std::string with_caret(std::string_view source, const Error&);

// Names that an expression may use. Lives as long as the evaluation.
class Environment {
 public:
  virtual ~Environment() = default;
  virtual bool find(std::string_view name, Value& out) const = 0;
  // For "did you mean"; may be empty.
  virtual std::vector<std::string> names() const { return {}; }
};

class MapEnvironment final : public Environment {
 public:
  explicit MapEnvironment(Map names) : names_(std::move(names)) {}
  bool find(std::string_view name, Value& out) const override;
  std::vector<std::string> names() const override;

 private:
  Map names_;
};

struct Limits {
  size_t source_bytes = 64 << 10;
  size_t depth = 250;             // of nesting
  size_t elements = 1'000'000;    // made by one evaluation
  size_t text_bytes = 16u << 20;  // made by one evaluation
  uint64_t steps = 20'000'000;
};

struct Node;  // expr/ast.h

// Both sides of the outermost comparison, beside the value.
struct Evaluation {
  Value value;
  std::optional<Value> actual, expected;
};

// Immutable; copies share the tree; thread-safe.
class Program {
 public:
  // A missing name is nil until evaluation unless `known_names` is given, when
  // it is an error of the check.
  static std::expected<Program, Error> compile(std::string_view source, const Limits& = {},
                                               const Environment* known_names = nullptr);

  std::expected<Value, Error> evaluate(const Environment&) const;
  // The same, noting the two sides of the outermost comparison (the bare value
  // as `actual` where there is none).
  std::expected<Evaluation, Error> evaluate_with_sides(const Environment&) const;

  // A part of the tree that uses no variable, pointer or predicate bound outside
  // of it: as if it were the whole expression.
  std::expected<Value, Error> evaluate_part(const Node& part, const Environment&) const;

  const std::string& source() const;
  // Canonical text: parses to an equal tree.
  std::string print() const;
  // Free names it uses, each once.
  const std::vector<std::string>& names() const;
  const Node& root() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace testmesh::expr
