// RFC 9535, section 2: what a path selects.
#include "flow_file/json_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/utf8.h"
#include "flow_file/json_path_tree.h"

namespace testmesh::flow_file {
namespace path {
namespace {

using expr::Kind;
using expr::List;
using expr::Value;

// A value seen, a node selected, a comparison made.
constexpr uint64_t kMostSteps = 2'000'000;
constexpr uint32_t kMostDepth = 600;  // deeper than parse_json() makes
constexpr size_t kMostPatterns = 16;  // kept, of those that values give

using Nodes = std::vector<const Value*>;

// A value, or none ("Nothing" in the RFC).
struct Found {
  const Value* value = nullptr;
  Value own = {};
  bool made = false;

  static Found of(Value value) { return {.own = std::move(value), .made = true}; }
  const Value* get() const { return made ? &own : value; }
};

class Walk {
 public:
  explicit Walk(const Value& root) : root_(root) {}
  bool exhausted() const { return steps_ >= kMostSteps; }

  Nodes query(const Query& query, const Value& current) {
    Nodes nodes{query.from_root ? &root_ : &current};
    for (const Segment& segment : query.segments) {
      Nodes next;
      for (const Value* node : nodes) {
        if (segment.descendant)
          descend(segment, *node, next, 0);
        else
          select(segment, *node, next);
        if (exhausted()) return {};
      }
      nodes = std::move(next);
    }
    return nodes;
  }

 private:
  bool step(uint64_t count = 1) {
    steps_ = std::min(steps_ + count, kMostSteps);
    return !exhausted();
  }

  void descend(const Segment& segment, const Value& node, Nodes& out, uint32_t depth) {
    if (!step()) return;
    if (depth > kMostDepth) {
      steps_ = kMostSteps;
      return;
    }
    select(segment, node, out);
    each_child(node, [&](const Value& child) { descend(segment, child, out, depth + 1); });
  }

  template <typename Visit>
  void each_child(const Value& node, Visit&& visit) {
    if (node.kind() == Kind::kList) {
      for (const Value& item : node.as_list())
        if (!exhausted()) visit(item);
    } else if (node.kind() == Kind::kMap) {
      for (const auto& [key, item] : node.as_map())
        if (!exhausted()) visit(item);
    }
  }

  void select(const Segment& segment, const Value& node, Nodes& out) {
    for (const Selector& selector : segment.selectors) {
      if (!step()) return;
      if (const auto* name = std::get_if<std::string>(&selector)) {
        if (const Value* member = node.find(*name)) out.push_back(member);
      } else if (const auto* index = std::get_if<int64_t>(&selector)) {
        if (node.kind() != Kind::kList) continue;
        const auto size = static_cast<int64_t>(node.as_list().size());
        const int64_t at = *index < 0 ? size + *index : *index;
        if (at >= 0 && at < size) out.push_back(&node.as_list()[static_cast<size_t>(at)]);
      } else if (const auto* slice = std::get_if<Slice>(&selector)) {
        if (node.kind() == Kind::kList) take_slice(*slice, node.as_list(), out);
      } else if (std::holds_alternative<Wildcard>(selector)) {
        each_child(node, [&](const Value& child) {
          if (step()) out.push_back(&child);
        });
      } else {
        const Filter& filter = *std::get<FilterPtr>(selector);
        each_child(node, [&](const Value& child) {
          if (step() && holds(filter, child)) out.push_back(&child);
        });
      }
    }
  }

  void take_slice(const Slice& slice, const List& list, Nodes& out) {
    const auto size = static_cast<int64_t>(list.size());
    const int64_t stride = slice.step.value_or(1);
    if (stride == 0) return;
    const auto normal = [&](int64_t i) { return i >= 0 ? i : size + i; };
    if (stride > 0) {
      const int64_t lower = std::clamp<int64_t>(normal(slice.start.value_or(0)), 0, size);
      const int64_t upper = std::clamp<int64_t>(normal(slice.end.value_or(size)), 0, size);
      for (int64_t i = lower; i < upper && step(); i += stride) {
        out.push_back(&list[static_cast<size_t>(i)]);
        if (stride > size) return;
      }
    } else {
      const int64_t upper = std::clamp<int64_t>(normal(slice.start.value_or(size - 1)), -1, size - 1);
      const int64_t lower = std::clamp<int64_t>(slice.end ? normal(*slice.end) : -1, -1, size - 1);
      for (int64_t i = upper; i > lower && step(); i += stride) out.push_back(&list[static_cast<size_t>(i)]);
    }
  }

  bool holds(const Filter& filter, const Value& current) {
    if (!step()) return false;
    const auto inner_holds = [&](const Filter& inner) { return holds(inner, current); };
    switch (filter.kind) {
      case Filter::Kind::kOr:
        return std::ranges::any_of(filter.inner, inner_holds);
      case Filter::Kind::kAnd:
        return std::ranges::all_of(filter.inner, inner_holds);
      case Filter::Kind::kNot:
        return !holds(filter.inner[0], current);
      case Filter::Kind::kCompare: {
        const Found left = operand(filter.operands[0], current), right = operand(filter.operands[1], current);
        return compare(filter.comparison, left.get(), right.get());
      }
      case Filter::Kind::kExists:
        return !query(std::get<Query>(filter.operands[0].what), current).empty();
      case Filter::Kind::kTest:
        return matches(*std::get<std::unique_ptr<Call>>(filter.operands[0].what), current);
    }
    return false;
  }

  Found operand(const Operand& operand, const Value& current) {
    if (const auto* value = std::get_if<Value>(&operand.what)) return {.value = value};
    if (const auto* query = std::get_if<Query>(&operand.what)) {
      const Nodes nodes = this->query(*query, current);
      return {.value = nodes.size() == 1 ? nodes[0] : nullptr};
    }
    return call(*std::get<std::unique_ptr<Call>>(operand.what), current);
  }

  Found call(const Call& call, const Value& current) {
    const Operand& argument = call.arguments[0];
    switch (call.function) {
      case Function::kLength: {
        const Found found = operand(argument, current);
        return found.get() ? length(*found.get()) : Found();
      }
      case Function::kCount:
        return Found::of(static_cast<int64_t>(query(std::get<Query>(argument.what), current).size()));
      case Function::kValue: {
        const Nodes nodes = query(std::get<Query>(argument.what), current);
        return {.value = nodes.size() == 1 ? nodes[0] : nullptr};
      }
      default:
        return {};
    }
  }

  Found length(const Value& value) {
    switch (value.kind()) {
      case Kind::kString:
        step(value.as_string().size() / 64);
        return Found::of(static_cast<int64_t>(std::ranges::count_if(
            value.as_string(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; })));
      case Kind::kList:
        return Found::of(static_cast<int64_t>(value.as_list().size()));
      case Kind::kMap:
        return Found::of(static_cast<int64_t>(value.as_map().size()));
      default:
        return {};
    }
  }

  bool matches(const Call& call, const Value& current) {
    const Found text = operand(call.arguments[0], current);
    if (!text.get() || text.get()->kind() != Kind::kString) return false;
    const re2::RE2* pattern = call.pattern.get();
    if (!call.is_constant) {
      const Found given = operand(call.arguments[1], current);
      if (!given.get() || given.get()->kind() != Kind::kString) return false;
      pattern = pattern_of(given.get()->as_string(), call.function == Function::kMatch);
    }
    const std::string_view subject = text.get()->as_string();
    if (!pattern || !step(1 + subject.size() / 16)) return false;
    return re2::RE2::PartialMatch(re2::StringPiece(subject.data(), subject.size()), *pattern);
  }

  const re2::RE2* pattern_of(std::string_view source, bool whole) {
    if (source.size() > 1000) return nullptr;
    const std::pair<std::string, bool> key(source, whole);
    if (const auto known = patterns_.find(key); known != patterns_.end()) return known->second.get();
    step(1000);  // what it costs to make one
    if (patterns_.size() >= kMostPatterns) patterns_.clear();
    return patterns_.emplace(key, compile_pattern(source, whole)).first->second.get();
  }

  bool compare(Comparison comparison, const Value* left, const Value* right) {
    switch (comparison) {
      case Comparison::kEqual:
        return equal(left, right);
      case Comparison::kNotEqual:
        return !equal(left, right);
      case Comparison::kLess:
        return less(left, right);
      case Comparison::kGreater:
        return less(right, left);
      case Comparison::kLessOrEqual:
        return less(left, right) || equal(left, right);
      case Comparison::kGreaterOrEqual:
        return less(right, left) || equal(left, right);
    }
    return false;
  }

  // Lists and maps by their elements, so that comparing costs what it takes.
  bool equal(const Value* left, const Value* right) {
    if (!left || !right) return left == right;
    if (!step()) return false;
    if (left->kind() == Kind::kList && right->kind() == Kind::kList) {
      const List &a = left->as_list(), &b = right->as_list();
      if (a.size() != b.size()) return false;
      for (size_t i = 0; i < a.size(); ++i)
        if (!equal(&a[i], &b[i])) return false;
      return true;
    }
    if (left->kind() == Kind::kMap && right->kind() == Kind::kMap) {
      if (left->as_map().size() != right->as_map().size()) return false;
      for (const auto& [key, value] : left->as_map()) {
        const Value* other = right->as_map().find(key);
        if (!other || !equal(&value, other)) return false;
      }
      return true;
    }
    if (left->kind() == Kind::kString) step(left->as_string().size() / 256);
    return *left == *right;
  }

  static bool less(const Value* left, const Value* right) {
    if (!left || !right) return false;
    if (left->kind() == Kind::kInt && right->kind() == Kind::kInt) return left->as_int() < right->as_int();
    if (left->is_number() && right->is_number()) return left->as_number() < right->as_number();
    if (left->kind() == Kind::kString && right->kind() == Kind::kString)
      return left->as_string() < right->as_string();
    return false;
  }

  const Value& root_;
  uint64_t steps_ = 0;
  std::map<std::pair<std::string, bool>, std::unique_ptr<re2::RE2>> patterns_;
};

}  // namespace
}  // namespace path

base::Result<JsonPath> JsonPath::parse(std::string_view text) {
  // `body.id` and `response.body.id`: as the result's keys are named elsewhere.
  std::string_view rest = text;
  std::string_view prefix;
  if (!text.empty() && text[0] != '$') {
    if (rest == "response")
      rest = {};
    else if (rest.starts_with("response.") || rest.starts_with("response["))
      rest.remove_prefix(rest[8] == '.' ? 9 : 8);
    prefix = rest.empty() || rest[0] == '[' ? "$" : "$.";
  }
  auto parsed = path::parse_query(std::string(prefix).append(rest));
  if (const auto* failure = std::get_if<path::ParseFailure>(&parsed)) {
    const size_t offset =
        failure->offset - std::min(failure->offset, prefix.size()) + text.size() - rest.size();
    return base::fail(base::ErrorCode::kInvalidArgument,
                      fmt::format("`{}` is no JSONPath: {} (at its byte {})", base::utf8_prefix(text, 200),
                                  failure->message, offset + 1));
  }
  JsonPath result;
  result.impl_ = std::make_shared<const Impl>(
      Impl{.source = std::string(text), .query = std::get<path::Query>(std::move(parsed))});
  return result;
}

base::Result<expr::List> JsonPath::select(const expr::Value& root) const {
  path::Walk walk(root);
  const auto nodes = walk.query(impl_->query, root);
  if (walk.exhausted())
    return base::fail(
        base::ErrorCode::kTooLarge,
        fmt::format("`{}` looks at more values than are looked at for one path", impl_->source));
  expr::List values;
  values.reserve(nodes.size());
  for (const expr::Value* node : nodes) values.push_back(*node);
  return values;
}

const std::string& JsonPath::source() const { return impl_->source; }

}  // namespace testmesh::flow_file
