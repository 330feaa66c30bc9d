#include "expr/evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "expr/builtins.h"
#include "expr/regex.h"
#include "expr/time_methods.h"

namespace testmesh::expr {
namespace {

bool is_comparison(Op op) {
  switch (op) {
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kLess:
    case Op::kGreater:
    case Op::kLessEqual:
    case Op::kGreaterEqual:
    case Op::kIn:
    case Op::kMatches:
    case Op::kContains:
    case Op::kStartsWith:
    case Op::kEndsWith:
      return true;
    default:
      return false;
  }
}

int64_t wrapped(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace

const Node* outermost_comparison(const Node& root) {
  const Node* node = &root;
  for (;;) {
    if (node->kind == NodeKind::kSequence || node->kind == NodeKind::kLet) {
      node = node->children.back();
    } else if (node->kind == NodeKind::kUnary && node->op == Op::kNot) {
      node = node->children[0];
    } else {
      break;
    }
  }
  if (node->kind == NodeKind::kCompare) return node;
  return node->kind == NodeKind::kBinary && is_comparison(node->op) ? node : nullptr;
}

Evaluator::Evaluator(const Checked& checked, const Environment& environment, const Limits& limits,
                     const Node* sides_of)
    : checked_(checked),
      environment_(environment),
      budget_(limits),
      sides_of_(sides_of),
      variables_(checked.variables),
      names_(checked.names.size()) {}

Evaluator::~Evaluator() = default;

bool Evaluator::run(const Node& root, Value& out) { return eval(root, out); }

bool Evaluator::failed(const Node& at) {
  if (!located_ && budget_.failed()) {
    located_ = true;
    offset_ = at.offset;
  }
  return false;
}

bool Evaluator::fail(const Node& at, std::string message) {
  budget_.fail(std::move(message));
  return failed(at);
}

void Evaluator::note_sides(const Node& node, const Value& left, const Value& right) {
  if (&node != sides_of_) return;
  actual = left;
  expected = right;
}

bool Evaluator::eval(const Node& node, Value& out) {
  if (!budget_.work(1)) return failed(node);
  switch (node.kind) {
    case NodeKind::kConstant:
      out = node.value;
      return true;
    case NodeKind::kVariable:
      out = variables_[node.slot];
      return true;
    case NodeKind::kIdentifier: {
      const Value* found = name(node);
      if (!found) return false;
      out = *found;
      return true;
    }
    case NodeKind::kPointer:
      if (node.name.empty()) {
        out = *scope_->element;
      } else if (node.name == "index") {
        out = scope_->index;
      } else {
        out = scope_->accumulated;
      }
      return true;
    case NodeKind::kUnary:
      return unary(node, out);
    case NodeKind::kBinary:
      return binary_chain(node, out);
    case NodeKind::kCompare:
      return compare(node, out);
    case NodeKind::kMember:
      return member(node, out);
    case NodeKind::kSlice:
      return slice(node, out);
    case NodeKind::kCall:
      return call(node, out);
    case NodeKind::kBuiltin:
      return node.builtin->predicate == Predicate::kNone ? builtin(node, out) : predicate(node, out);
    case NodeKind::kPredicate:
      return eval(node.child(0), out);
    case NodeKind::kLet:
      if (!eval(node.child(0), variables_[node.slot])) return false;
      return eval(node.child(1), out);
    case NodeKind::kConditional:
      return conditional(node, out);
    case NodeKind::kSequence:
      for (const Node* part : node.children)
        if (!eval(*part, out)) return false;
      return true;
    case NodeKind::kList:
      return list(node, out);
    case NodeKind::kMap:
      return map(node, out);
    case NodeKind::kChain:
      if (eval(node.child(0), out)) {
        if (is_nothing(out) && !out.is_absent_record()) out = nullptr;
        return true;
      }
      if (!chain_ended_) return false;
      chain_ended_ = false;
      out = nullptr;
      return true;
    case NodeKind::kExists:
      return exists(node, out);
  }
  return false;
}

bool Evaluator::truth(const Node& node, bool& out) {
  // Most predicates are one comparison, which need not become a value.
  if (node.kind == NodeKind::kPredicate) return truth(node.child(0), out);
  if (node.kind == NodeKind::kBinary && is_comparison(node.op) && node.child(0).kind != NodeKind::kBinary) {
    if (!budget_.work(1)) return failed(node);
    Value storage;
    const Value* left = operand(node.child(0), storage);
    return left && comparison(node, *left, out);
  }
  if (node.kind == NodeKind::kBinary && (node.op == Op::kAnd || node.op == Op::kOr)) {
    // Long chains of them are for binary_chain().
    const Node& first = node.child(0);
    if (first.kind != NodeKind::kBinary ||
        (is_comparison(first.op) && first.child(0).kind != NodeKind::kBinary)) {
      if (!truth(first, out)) return false;
      return out == (node.op == Op::kOr) || truth(node.child(1), out);
    }
  }
  Value storage;
  const Value* value = operand(node, storage);
  if (!value) return false;
  if (value->kind() != Kind::kBool) return fail(node, "expected a bool, got " + type_name(*value));
  out = value->as_bool();
  return true;
}

const Value* Evaluator::operand(const Node& node, Value& storage) {
  switch (node.kind) {
    case NodeKind::kConstant:
      return &node.value;
    case NodeKind::kVariable:
      return &variables_[node.slot];
    case NodeKind::kIdentifier:
      return name(node);
    case NodeKind::kPointer:
      if (node.name.empty()) return scope_->element;
      break;
    case NodeKind::kList:
      if (!node.value.is_nil()) return &node.value;
      break;
    default:
      break;
  }
  return eval(node, storage) ? &storage : nullptr;
}

// A name that is not there is nil, as in the reference.
const Value* Evaluator::name(const Node& node) {
  std::optional<Value>& known = names_[node.slot];
  if (!known) {
    Value value;
    if (!environment_.find(node.name, value)) value = node.name == "$env" ? every_name() : Value();
    known = std::move(value);
  }
  return &*known;
}

Value Evaluator::every_name() const {
  Map all;
  for (const std::string& known : environment_.names()) {
    Value value;
    if (environment_.find(known, value)) all.set(known, std::move(value));
  }
  return Value(std::move(all));
}

bool Evaluator::unary(const Node& node, Value& out) {
  if (node.op == Op::kNot) {
    bool value = false;
    if (!truth(node.child(0), value)) return false;
    out = !value;
    return true;
  }
  if (!eval(node.child(0), out)) return false;
  if (node.op == Op::kPlus) return true;
  if (out.kind() == Kind::kInt) {
    out = wrapped(uint64_t{0} - static_cast<uint64_t>(out.as_int()));
  } else if (out.kind() == Kind::kFloat) {
    out = -out.as_float();
  } else if (out.kind() == Kind::kDuration) {
    out = Duration{wrapped(uint64_t{0} - static_cast<uint64_t>(out.as_duration().nanos))};
  } else {
    return fail(node, "cannot negate " + type_name(out));
  }
  return true;
}

// a + b + c + …: from the innermost on, not by recursion.
bool Evaluator::binary_chain(const Node& node, Value& out) {
  if (node.child(0).kind != NodeKind::kBinary) {
    Value storage;
    const Value* left = operand(node.child(0), storage);
    return left && binary(node, *left, out);
  }
  const size_t start = chain_.size();
  const Node* at = &node;
  for (; at->kind == NodeKind::kBinary; at = at->children[0]) chain_.push_back(at);
  Value left;
  bool good = eval(*at, left);
  while (good && chain_.size() > start) {
    const Node* outer = chain_.back();
    chain_.pop_back();
    Value result;
    good = budget_.work(1) && binary(*outer, left, result);
    if (!good) failed(*outer);
    left = std::move(result);
  }
  chain_.resize(start);
  out = std::move(left);
  return good;
}

bool Evaluator::binary(const Node& node, const Value& left, Value& out) {
  switch (node.op) {
    case Op::kOr:
    case Op::kAnd:
      if (left.kind() != Kind::kBool)
        return fail(node.child(0), std::string(spelling(node.op)) + " wants a bool, got " + type_name(left));
      if (left.as_bool() == (node.op == Op::kOr)) {
        out = left;
        return true;
      }
      return eval(node.child(1), out);
    case Op::kCoalesce:
      if (is_nothing(left)) return eval(node.child(1), out);
      out = left;
      return true;
    default:
      break;
  }
  if (is_comparison(node.op)) {
    bool result = false;
    if (!comparison(node, left, result)) return false;
    out = result;
    return true;
  }
  Value storage;
  const Value* right = operand(node.child(1), storage);
  return right && two_values(node, left, *right, out);
}

bool Evaluator::comparison(const Node& node, const Value& left, bool& out) {
  Value storage;
  const Value* right = operand(node.child(1), storage);
  if (!right) return false;
  if (&node == sides_of_) note_sides(node, left, *right);
  switch (node.op) {
    case Op::kEqual:
      out = !node.never_equal && equal(budget_, left, *right);
      break;
    case Op::kNotEqual:
      out = node.never_equal || !equal(budget_, left, *right);
      break;
    case Op::kLess:
    case Op::kGreater:
    case Op::kLessEqual:
    case Op::kGreaterEqual:
      out = less(budget_, left, *right, spelling(node.op));
      break;
    case Op::kIn:
      return in(node, left, *right, out);
    case Op::kMatches:
      return matches(node, left, *right, out);
    default:
      return texts(node, left, *right, out);
  }
  return !budget_.failed() || failed(node);
}

bool Evaluator::two_values(const Node& node, const Value& a, const Value& b, Value& out) {
  const bool ints = a.kind() == Kind::kInt && b.kind() == Kind::kInt;
  const bool numbers = a.is_number() && b.is_number();
  const auto bits = [](const Value& value) { return static_cast<uint64_t>(value.as_int()); };
  switch (node.op) {
    case Op::kAdd:
      return add(budget_, a, b, out) || failed(node);
    case Op::kRange:
      return range(node, a, b, out);
    case Op::kSubtract:
      if (ints) {
        out = wrapped(bits(a) - bits(b));
        return true;
      }
      if (numbers) {
        out = a.as_number() - b.as_number();
        return true;
      }
      if (subtract_times(a, b, out)) return true;
      break;
    case Op::kMultiply:
      if (ints) {
        out = wrapped(bits(a) * bits(b));
        return true;
      }
      if (numbers) {
        out = a.as_number() * b.as_number();
        return true;
      }
      if (scale_duration(a, b, out)) return true;
      break;
    case Op::kDivide:
      if (numbers) {
        out = a.as_number() / b.as_number();
        return true;
      }
      break;
    case Op::kPower:
      if (numbers) {
        out = power(a.as_number(), b.as_number());
        return true;
      }
      break;
    case Op::kModulo:
      if (!ints) break;
      if (b.as_int() == 0) return fail(node, "integer division by zero");
      out = b.as_int() == -1 ? int64_t{0} : a.as_int() % b.as_int();
      return true;
    default:
      break;
  }
  return fail(node,
              "cannot compute " + type_name(a) + " " + std::string(spelling(node.op)) + " " + type_name(b));
}

bool Evaluator::range(const Node& node, const Value& from, const Value& to, Value& out) {
  int64_t low = 0, high = 0;
  if (!to_index(budget_, from, low) || !to_index(budget_, to, high)) return failed(node);
  List numbers;
  if (high >= low) {
    const uint64_t count = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
    if (count == 0 || !budget_.elements(count) || !budget_.work(count / 4)) {
      budget_.fail("the range is too large");
      return failed(node);
    }
    numbers.reserve(count);
    for (uint64_t i = 0; i < count; ++i) numbers.emplace_back(wrapped(static_cast<uint64_t>(low) + i));
  }
  out = Value(std::move(numbers));
  return true;
}

bool Evaluator::in(const Node& node, const Value& needle, const Value& where, bool& out) {
  out = false;
  switch (where.kind()) {
    case Kind::kNil:
      return true;
    case Kind::kList:
      for (const Value& item : where.as_list()) {
        if (!budget_.work(1)) break;
        if (equal(budget_, item, needle)) {
          out = true;
          break;
        }
      }
      return !budget_.failed() || failed(node);
    case Kind::kMap: {
      Value unused;
      out = where.as_map().find(needle) != nullptr;
      return out || fetch(budget_, where, needle, unused) || failed(node);
    }
    case Kind::kRecord: {
      Value unused;
      out = needle.kind() == Kind::kString && where.as_record()->member(needle.as_string(), unused);
      return true;
    }
    default:
      return fail(node, "cannot look for something in " + type_name(where));
  }
}

bool Evaluator::matches(const Node& node, const Value& text, const Value& pattern, bool& out) {
  out = false;
  if (text.is_nil() || pattern.is_nil()) return true;
  if (text.kind() != Kind::kString || pattern.kind() != Kind::kString)
    return fail(node, "cannot match " + type_name(text) + " against " + type_name(pattern));
  const CompiledRegex* regex = node.regex;
  if (!regex) {
    if (!last_regex_ || last_pattern_ != pattern.as_string()) {
      // To compile one is far dearer than to use it.
      if (!budget_.work(2000 + pattern.as_string().size() * 200)) return failed(node);
      auto compiled = CompiledRegex::compile(pattern.as_string());
      if (!compiled) return fail(node.child(1), std::move(compiled.error()));
      last_regex_ = std::move(*compiled);
      last_pattern_ = pattern.as_string();
    }
    regex = last_regex_.get();
  }
  if (!budget_.work(regex->cost(text.as_string()))) return failed(node);
  out = regex->matches(text.as_string());
  return true;
}

bool Evaluator::texts(const Node& node, const Value& left, const Value& right, bool& out) {
  out = false;
  if (left.is_nil() || right.is_nil()) return true;
  if (left.kind() != Kind::kString || right.kind() != Kind::kString)
    return fail(node, std::string(spelling(node.op)) + " wants two strings, got " + type_name(left) +
                          " and " + type_name(right));
  const std::string_view text = left.as_string(), part = right.as_string();
  switch (node.op) {
    case Op::kStartsWith:
      out = text.starts_with(part);
      break;
    case Op::kEndsWith:
      out = text.ends_with(part);
      break;
    default:
      if (!budget_.work(search_cost(text, part))) return failed(node);
      out = text.find(part) != std::string_view::npos;
  }
  return true;
}

bool Evaluator::compare(const Node& node, Value& out) {
  Value left;
  if (!eval(node.child(0), left)) return false;
  for (size_t i = 1; i < node.children.size(); ++i) {
    Value right;
    if (!eval(node.child(i), right)) return false;
    note_sides(node, left, right);
    const bool good = less(budget_, left, right, spelling(node.ops[i - 1]));
    if (budget_.failed()) return failed(node.child(i));
    if (!good) {
      out = false;
      return true;
    }
    left = std::move(right);
  }
  out = true;
  return true;
}

bool Evaluator::member(const Node& node, Value& out) {
  const Node& of = node.child(0);
  Value storage;
  const Value* object = operand(of, storage);
  if (!object) return false;
  if (object->is_absent_record()) {
    out = Value::absent_record();
    return true;
  }
  if (object->is_nil() && node.optional) {
    chain_ended_ = true;
    return false;
  }
  const Node& property = node.child(1);
  if (property.kind == NodeKind::kConstant) {
    if (object->kind() == Kind::kRecord && property.value.kind() == Kind::kString &&
        object->as_record()->member(property.value.as_string(), out))
      return true;
    if (object->is_nil() && of.kind == NodeKind::kIdentifier && find_builtin(of.name)) {
      Value unused;
      if (!environment_.find(of.name, unused)) {
        of_check_ = true;
        return fail(node, of.name + " is a function and has no members");
      }
    }
    return fetch(budget_, *object, property.value, out) || failed(node);
  }
  Value key_storage;
  const Value* key = operand(property, key_storage);
  if (!key) return false;
  return fetch(budget_, *object, *key, out) || failed(node);
}

bool Evaluator::slice_bounds(const Node& node, size_t size, size_t& from, size_t& to) {
  const auto length = static_cast<int64_t>(size);
  int64_t low = 0, high = length;
  for (size_t i = 1; i < 3; ++i) {
    if (!node.children[i]) continue;
    Value storage;
    const Value* bound = operand(node.child(i), storage);
    if (!bound) return false;
    int64_t& into = i == 1 ? low : high;
    if (!to_index(budget_, *bound, into)) return failed(node.child(i));
    if (into < 0) into = std::max<int64_t>(0, into + length);
  }
  high = std::min(high, length);
  low = std::min(low, high);
  from = static_cast<size_t>(low);
  to = static_cast<size_t>(high);
  return true;
}

bool Evaluator::slice(const Node& node, Value& out) {
  Value storage;
  const Value* object = operand(node.child(0), storage);
  if (!object) return false;
  size_t from = 0, to = 0;
  if (object->kind() == Kind::kString) {
    if (!slice_bounds(node, object->as_string().size(), from, to)) return false;
    if (!budget_.text(to - from)) return failed(node);
    out = Value(object->as_string().substr(from, to - from));
    return true;
  }
  if (object->kind() != Kind::kList) return fail(node, "cannot slice " + type_name(*object));
  const List& from_list = object->as_list();
  if (!slice_bounds(node, from_list.size(), from, to)) return false;
  if (!budget_.elements(to - from)) return failed(node);
  out = Value(List(from_list.begin() + static_cast<std::ptrdiff_t>(from),
                   from_list.begin() + static_cast<std::ptrdiff_t>(to)));
  return true;
}

bool Evaluator::call(const Node& node, Value& out) {
  const Node& callee = node.child(0);
  if (callee.kind == NodeKind::kMember) return call_method(node, callee, out);
  Value value;
  if (!eval(callee, value)) return false;
  if (callee.kind == NodeKind::kIdentifier && value.is_nil()) {
    std::vector<std::string> names;
    for (const Builtin& known : builtins()) names.emplace_back(known.name);
    return fail(node, "there is no function " + callee.name + did_you_mean(callee.name, names));
  }
  return fail(node, "cannot call " + type_name(value));
}

bool Evaluator::call_method(const Node& node, const Node& callee, Value& out) {
  Value storage;
  const Value* object = operand(callee.child(0), storage);
  if (!object) return false;
  if (object->is_absent_record()) {
    out = Value::absent_record();
    return true;
  }
  if (object->is_nil() && callee.optional) {
    chain_ended_ = true;
    return false;
  }
  const std::string_view name = member_name(callee);
  List arguments;
  if (!budget_.elements(node.children.size())) return failed(node);
  for (size_t i = 1; i < node.children.size(); ++i)
    if (!eval(node.child(i), arguments.emplace_back())) return false;
  if (object->kind() == Kind::kTime || object->kind() == Kind::kDuration)
    return call_time_method(budget_, *object, name, arguments, out) || failed(callee);
  if (object->kind() == Kind::kRecord) {
    base::Result<Value> result{Value()};
    if (object->as_record()->call(name, arguments, result)) {
      if (!result) return fail(callee, std::move(result.error().message));
      out = std::move(*result);
      return true;
    }
    Value member;
    std::vector<std::string> names;
    for (const std::string_view known : object->as_record()->methods()) names.emplace_back(known);
    const std::string type(object->as_record()->type_name());
    if (object->as_record()->member(name, member))
      return fail(callee, std::string(name) + " of a " + type + " is no method");
    budget_.fail_missing("a " + type + " has no method " + std::string(name) + did_you_mean(name, names));
    return failed(callee);
  }
  Value member;
  if (!fetch(budget_, *object, callee.child(1).value, member)) return failed(callee);
  return fail(callee, "cannot call " + type_name(member));
}

bool Evaluator::builtin(const Node& node, Value& out) {
  constexpr size_t kUsual = 3;
  const size_t count = node.children.size();
  std::array<Value, kUsual> few;
  std::vector<Value> many;
  if (count > kUsual) many.resize(count);
  const std::span<Value> values =
      count > kUsual ? std::span<Value>(many) : std::span<Value>(few).first(count);
  for (size_t i = 0; i < count; ++i)
    if (!eval(node.child(i), values[i])) return false;
  if (!node.builtin->run({.budget = budget_, .values = values}, out)) {
    if (!budget_.failed()) budget_.fail(std::string(node.builtin->name) + " failed");
    return failed(node);
  }
  return budget_.accept(out) || failed(node);
}

bool Evaluator::exists(const Node& node, Value& out) {
  Value value;
  const size_t chain = chain_.size();
  Scope* const scope = scope_;
  if (eval(node.child(0), value)) {
    out = !value.is_nil();
    return true;
  }
  if (chain_ended_) return false;
  if (!budget_.is_missing()) return false;
  budget_.forget_failure();
  located_ = of_check_ = false;
  chain_.resize(chain);
  scope_ = scope;
  out = false;
  return true;
}

bool Evaluator::conditional(const Node& node, Value& out) {
  if (node.children.size() == 2) {
    if (!eval(node.child(0), out)) return false;
    if (out.kind() != Kind::kBool)
      return fail(node.child(0), "the condition is no bool but " + type_name(out));
    return out.as_bool() || eval(node.child(1), out);
  }
  bool condition = false;
  if (!truth(node.child(0), condition)) return false;
  return eval(node.child(condition ? 1 : 2), out);
}

bool Evaluator::list(const Node& node, Value& out) {
  if (!node.value.is_nil()) {
    out = node.value;
    return true;
  }
  if (!budget_.elements(node.children.size())) return failed(node);
  List elements(node.children.size());
  for (size_t i = 0; i < elements.size(); ++i)
    if (!eval(node.child(i), elements[i])) return false;
  out = Value(std::move(elements));
  return budget_.accept(out) || failed(node);
}

bool Evaluator::map(const Node& node, Value& out) {
  if (!budget_.elements(node.children.size() / 2)) return failed(node);
  Map entries;
  for (size_t i = 0; i < node.children.size(); i += 2) {
    Value key, value;
    if (!eval(node.child(i), key)) return false;
    if (key.kind() != Kind::kString)
      return fail(node.child(i), "the keys of a map are strings (got " + type_name(key) + ")");
    if (!eval(node.child(i + 1), value)) return false;
    // The first of equal keys stays, as in the reference.
    if (!entries.find(key)) entries.set(std::move(key), std::move(value));
  }
  out = Value(std::move(entries));
  return budget_.accept(out) || failed(node);
}

}  // namespace testmesh::expr
