// for_each, parallel, wait_until.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#include "runner/control_actions.h"

namespace testmesh::runner {
namespace {

using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;
using flow_file::Milliseconds;
using flow_file::Step;

constexpr int64_t kIterations = 1000, kConcurrency = 8, kMostConcurrency = 64;

int64_t integer_of(const Value& config, std::string_view key, int64_t otherwise) {
  const Value* value = config.find(key);
  return value && value->kind() == Kind::kInt ? value->as_int() : otherwise;
}

std::string name_of(const Value& config, std::string_view key, std::string_view otherwise) {
  const Value* value = config.find(key);
  return value && !value->is_nil() ? expr::to_text(*value) : std::string(otherwise);
}

Value as_items(const Value& value) {
  if (value.kind() != Kind::kMap) return value;
  List pairs;
  for (const auto& [key, item] : value.as_map()) pairs.push_back(Map{{"key", key}, {"value", item}});
  return Value(std::move(pairs));
}

// What these steps gave last.
Map outputs_of(const std::vector<Step>& steps, const FlowNames& names) {
  Map outputs;
  for (const Step& step : steps)
    for (const flow_file::Output& output : step.outputs)
      if (Value value; names.find_reference(fmt::format("steps.{}.{}", step.id, output.name), nullptr, value))
        outputs.set(output.name, std::move(value));
  return outputs;
}

}  // namespace

// ---- for_each

bool ControlActions::find_items(Map& config) {
  const Value* written = config.find("items");
  if (!written) return true;  // the config is refused for it
  const auto lookup = place_.names.lookup(place_.locals);
  auto expanded = flow_file::expand(*written, lookup);
  if (!expanded) {
    const bool unknown = expanded.error().code == base::ErrorCode::kNotFound;
    attempt_.fail(unknown ? "unknown_reference" : "too_large", expanded.error().message, true);
    return false;
  }
  Value items = as_items(*expanded);
  if (items.kind() == Kind::kString) {
    // A text is an expression; one that a reference gave is data, and no list.
    const std::string source(items.as_string());
    const bool is_data =
        flow_file::has_reference(written->kind() == Kind::kString ? written->as_string() : "");
    auto program = is_data ? std::unexpected(expr::Error{}) : expr::Program::compile(source);
    if (!is_data && !program) {
      attempt_.fail(
          "expression",
          fmt::format("`items` is no list and no expression: {}", expr::with_caret(source, program.error())),
          true);
      return false;
    }
    if (!is_data) {
      const auto value = program->evaluate(StepNamesView(place_.names, place_.locals));
      if (!value) {
        attempt_.fail("expression", fmt::format("`items` could not be evaluated: {}",
                                                expr::with_caret(source, value.error())));
        return false;
      }
      items = as_items(*value);
    }
  }
  if (items.kind() != Kind::kList) {
    attempt_.fail("invalid_config", fmt::format("`items` must be a list, found {}", expr::describe(items)));
    return false;
  }
  config.set("items", std::move(items));
  return true;
}

void ControlActions::for_each(const Value& config) {
  const Value* found = config.find("items");
  const auto* body = steps("steps");
  if (!found || found->kind() != Kind::kList || !body)
    return attempt_.fail("invalid_config", "for_each has no `items` or no `steps`", true);
  const List items = found->as_list();
  const int64_t most = integer_of(config, "max_iterations", kIterations);
  if (static_cast<int64_t>(items.size()) > most)
    return attempt_.fail("too_many_iterations",
                         fmt::format("There are {} items; `max_iterations` is {}", items.size(), most), true);
  const std::string item_name = name_of(config, "as", "item"),
                    index_name = name_of(config, "index_as", "index");
  List outputs;
  int64_t count = 0;
  for (const Value& item : items) {
    const LocalsView locals{.outer = place_.locals, .values = {{item_name, item}, {index_name, count}}};
    take(run_.run_steps(*body, inside(fmt::format("{}[{}].", step_.id, count), &locals), attempt_.nested,
                        false));
    ++count;
    outputs.push_back(Value(outputs_of(*body, place_.names)));
    if (attempt_.error) break;
  }
  attempt_.result = Map{{"count", count}, {"outputs", std::move(outputs)}};
}

// ---- parallel

void ControlActions::parallel(const Value& config) {
  struct Branch {
    std::span<const Step> steps;
    std::vector<StepResult> results = {};
    ListOutcome outcome = {};
  };
  std::vector<Branch> branches;
  if (const auto* single = steps("steps"))
    for (const Step& step : *single) branches.push_back({.steps = {&step, 1}});
  else
    for (const auto& [key, list] : step_.nested) branches.push_back({.steps = list});

  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < branches.size(); i = next++) {
      Branch& branch = branches[i];
      const PlaceView place = inside(fmt::format("{}[{}].", step_.id, i));
      try {
        branch.outcome = run_.run_steps(branch.steps, place, branch.results, false);
      } catch (const std::exception& error) {
        // Memory is short; an exception may not leave its thread.
        branch.outcome.failure =
            RunError{"internal", fmt::format("The branch could not go on: {}", error.what())};
      }
    }
  };
  const int64_t wanted =
      std::clamp<int64_t>(integer_of(config, "max_concurrency", kConcurrency), 1, kMostConcurrency);
  const size_t threads = std::min<size_t>(static_cast<size_t>(wanted), branches.size());
  {
    std::vector<std::jthread> helpers;
    try {
      for (size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // The machine has no more threads: fewer branches at once, then.
    }
    work();
  }

  int64_t failed = 0;
  for (Branch& branch : branches) {
    failed += branch.outcome.failure ? 1 : 0;
    if (attempt_.error) branch.outcome.failure.reset();
    take(std::move(branch.outcome));
    std::ranges::move(branch.results, std::back_inserter(attempt_.nested));
  }
  attempt_.result = Map{{"branches", static_cast<int64_t>(branches.size())}, {"failed", failed}};
}

// ---- wait_until

void ControlActions::wait_until(const Value& config) {
  const auto& conditions = expressions("condition");
  if (conditions.empty()) return attempt_.fail("invalid_config", "wait_until has no `condition`", true);
  const flow_file::Assertion& condition = conditions.front();
  const Milliseconds interval =
      std::max(duration_of(config, "interval", Milliseconds(1000)), Milliseconds(1));
  const Milliseconds timeout = duration_of(config, "timeout", Milliseconds(30'000));
  const SteadyTime until = from_now(timeout);
  const auto* body = steps("steps");
  std::string last;
  for (int64_t round = 1;; ++round) {
    // The last round's steps are the ones shown.
    attempt_.nested.clear();
    ListOutcome outcome;
    Value result;
    if (body) {
      PlaceView place = inside();
      place.deadline = until;
      outcome = run_.run_steps(*body, place, attempt_.nested, false);
      place_.names.find_reference("steps." + body->back().id, nullptr, result);
    }
    if (run_.stopped(place_)) return cancelled();
    if (outcome.failure) {
      // A system that is still starting: not yet true, no reason to give up.
      last = outcome.failure->message;
    } else {
      const auto failed =
          run_.check(condition, StepNamesView(place_.names, place_.locals, body ? &result : nullptr));
      attempt_.result = Map{{"rounds", round}};
      if (!failed) return take(std::move(outcome));
      last = failed->error ? *failed->error : fmt::format("it is {}", expr::describe(failed->actual));
      if (!failed->error && failed->expected)
        last += fmt::format(", compared with {}", expr::describe(*failed->expected));
    }
    const SteadyTime now = run_.timing_.now();
    if (now < until && !wait(std::min(until, now + interval))) return cancelled();
    if (run_.timing_.now() >= until)
      return attempt_.fail("timeout", fmt::format("`{}` was not true within {} ms and {} rounds; at last {}",
                                                  condition.source, timeout.count(), round, last));
  }
}

}  // namespace testmesh::runner
