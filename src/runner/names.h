// What the steps of one flow can name: built-ins, locals of loops, what steps
// gave, variables (flow-yaml.md 1).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expr/program.h"
#include "expr/value.h"
#include "flow_file/variables.h"
#include "runner/built_ins.h"

namespace testmesh::runner {

// Names that exist within a step only: a loop's item, `error` of error steps.
// The inner one wins. Lives on the stack of whoever runs the steps.
struct LocalsView {
  const LocalsView* outer = nullptr;
  std::vector<std::pair<std::string, expr::Value>> values;

  static const expr::Value* find(const LocalsView*, std::string_view name);
};

// Variables, outputs and steps of one flow while it runs. Thread-safe.
class FlowNames {
 public:
  explicit FlowNames(BuiltInSource built_ins) : built_ins_(std::move(built_ins)) {}

  void set_variable(std::string_view name, expr::Value);
  // An output: also a variable, over one of that name.
  void set_output(std::string_view name, expr::Value);
  // What is known as `<id>.<key>` and `steps.<id>.<key>`.
  void set_step(std::string_view id, expr::Map known);

  // A reference: "base_url", "create.body.id", "item.name", "items[0]". The
  // first that there is: built-in, local, step's key, variable.
  bool find_reference(std::string_view name, const LocalsView*, expr::Value& out) const;
  flow_file::Lookup lookup(const LocalsView*) const;

  // A name in an expression: local, built-in, variable, `steps`, step.
  bool find_name(std::string_view name, const LocalsView*, expr::Value& out) const;
  std::vector<std::string> all_names() const;

  expr::Map outputs() const;

 private:
  bool find_step_path(std::string_view path, expr::Value& out) const;  // with mutex_

  const BuiltInSource built_ins_;
  mutable std::mutex mutex_;
  expr::Map variables_, outputs_, steps_;  // by mutex_
};

// The value under a path such as "body.items[0].id", "headers.content-type".
bool navigate(const expr::Value& from, std::string_view path, expr::Value& out);

// The names of an assertion: the step's outputs and result, then what the flow
// has. A view: everything outlives it.
class StepNamesView final : public expr::Environment {
 public:
  StepNamesView(const FlowNames& flow, const LocalsView* locals, const expr::Value* result = nullptr,
                const expr::Map* outputs = nullptr)
      : flow_(flow), locals_(locals), result_(result), outputs_(outputs) {}
  bool find(std::string_view name, expr::Value& out) const override;
  std::vector<std::string> names() const override;

 private:
  const FlowNames& flow_;
  const LocalsView* locals_;
  const expr::Value* result_;
  const expr::Map* outputs_;
};

}  // namespace testmesh::runner
