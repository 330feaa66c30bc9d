#include "runner/names.h"

#include <charconv>

namespace testmesh::runner {
namespace {

using expr::Kind;
using expr::Map;
using expr::Value;

struct Split {
  std::string_view first, rest;  // rest without the dot, with the bracket
};

// "a.b.c" -> a, b.c; "a[0].b" -> a, [0].b
Split split(std::string_view path) {
  const size_t end = path.find_first_of(".[");
  if (end == std::string_view::npos) return {path, {}};
  return {path.substr(0, end), path.substr(path[end] == '.' ? end + 1 : end)};
}

bool element(const Value& list, std::string_view digits, Value& out) {
  size_t position = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), position);
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  if (list.kind() != Kind::kList || position >= list.as_list().size()) return false;
  out = list.as_list()[position];
  return true;
}

}  // namespace

bool navigate(const Value& from, std::string_view path, Value& out) {
  Value at = from;
  while (!path.empty()) {
    Value next;
    if (path[0] == '[') {
      const size_t close = path.find(']');
      if (close == std::string_view::npos || !element(at, path.substr(1, close - 1), next)) return false;
      path.remove_prefix(close + 1);
      if (path.starts_with('.')) path.remove_prefix(1);
    } else {
      const Split parts = split(path);
      if (const Value* found = at.find(parts.first))
        next = *found;
      else if (!element(at, parts.first, next))
        return false;
      path = parts.rest;
    }
    at = std::move(next);
  }
  out = std::move(at);
  return true;
}

const Value* LocalsView::find(const LocalsView* locals, std::string_view name) {
  for (; locals; locals = locals->outer)
    for (const auto& [known, value] : locals->values)
      if (known == name) return &value;
  return nullptr;
}

void FlowNames::set_variable(std::string_view name, Value value) {
  const std::scoped_lock lock(mutex_);
  variables_.set(name, std::move(value));
}

void FlowNames::set_output(std::string_view name, Value value) {
  const std::scoped_lock lock(mutex_);
  outputs_.set(name, value);
  variables_.set(name, std::move(value));
}

void FlowNames::set_step(std::string_view id, Map known) {
  const std::scoped_lock lock(mutex_);
  steps_.set(id, Value(std::move(known)));
}

bool FlowNames::find_step_path(std::string_view path, Value& out) const {
  const Split parts = split(path);
  const Value* step = steps_.find(parts.first);
  return step && navigate(*step, parts.rest, out);
}

bool FlowNames::find_reference(std::string_view name, const LocalsView* locals, Value& out) const {
  if (find_built_in(name, built_ins_, out)) return true;
  const Split parts = split(name);
  if (const Value* local = LocalsView::find(locals, parts.first); local && navigate(*local, parts.rest, out))
    return true;
  const std::scoped_lock lock(mutex_);
  if (!parts.rest.empty() && find_step_path(name, out)) return true;
  if (const Value* variable = variables_.find(name)) return out = *variable, true;
  if (const Value* variable = variables_.find(parts.first); variable && navigate(*variable, parts.rest, out))
    return true;
  if (parts.first == "steps" && !parts.rest.empty()) return find_step_path(parts.rest, out);
  return parts.rest.empty() && find_step_path(name, out);
}

flow_file::Lookup FlowNames::lookup(const LocalsView* locals) const {
  return [this, locals](std::string_view name, Value& out) { return find_reference(name, locals, out); };
}

bool FlowNames::find_name(std::string_view name, const LocalsView* locals, Value& out) const {
  if (find_built_in(name, built_ins_, out)) return true;
  if (const Value* local = LocalsView::find(locals, name)) return out = *local, true;
  const std::scoped_lock lock(mutex_);
  if (const Value* variable = variables_.find(name)) return out = *variable, true;
  if (name == "steps") return out = Value(steps_), true;
  if (const Value* step = steps_.find(name)) return out = *step, true;
  return false;
}

std::vector<std::string> FlowNames::all_names() const {
  std::vector<std::string> names(built_in_names().begin(), built_in_names().end());
  const std::scoped_lock lock(mutex_);
  for (const Map* map : {&variables_, &steps_})
    for (const auto& [key, value] : *map) names.emplace_back(key.as_string());
  names.emplace_back("steps");
  return names;
}

Map FlowNames::outputs() const {
  const std::scoped_lock lock(mutex_);
  return outputs_;
}

bool StepNamesView::find(std::string_view name, Value& out) const {
  if (outputs_)
    if (const Value* output = outputs_->find(name)) return out = *output, true;
  if (result_) {
    if (const Value* value = result_->find(name)) return out = *value, true;
    if (name == "response") return out = *result_, true;
  }
  return flow_.find_name(name, locals_, out);
}

std::vector<std::string> StepNamesView::names() const {
  std::vector<std::string> names = flow_.all_names();
  const auto add = [&](const Map& map) {
    for (const auto& [key, value] : map)
      if (key.kind() == Kind::kString) names.emplace_back(key.as_string());
  };
  if (outputs_) add(*outputs_);
  if (result_ && result_->kind() == Kind::kMap) add(result_->as_map());
  for (const LocalsView* at = locals_; at; at = at->outer)
    for (const auto& [name, value] : at->values) names.push_back(name);
  return names;
}

}  // namespace testmesh::runner
