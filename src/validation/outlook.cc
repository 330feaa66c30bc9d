#include "validation/outlook.h"

#include <algorithm>

#include "expr/builtins.h"
#include "expr/operation.h"

namespace testmesh::validation {
namespace {

// Of one judgement: a fraction of a second.
constexpr expr::Limits kLimits = {.steps = 4'000'000};
constexpr size_t kMostWitnesses = 20;

constexpr uint32_t kNumbers =
    (1u << static_cast<unsigned>(expr::Kind::kInt)) | (1u << static_cast<unsigned>(expr::Kind::kFloat));
constexpr uint32_t kNil = 1u << static_cast<unsigned>(expr::Kind::kNil);
constexpr uint32_t kBool = 1u << static_cast<unsigned>(expr::Kind::kBool);
constexpr uint32_t kString = 1u << static_cast<unsigned>(expr::Kind::kString);
constexpr uint32_t kList = 1u << static_cast<unsigned>(expr::Kind::kList);

bool is_numbers(const Possible& value) { return value.kinds != 0 && value.is_only(kNumbers); }

Possible failing(Possible value, const Possible& a, const Possible& b) {
  return with_failures(with_failures(std::move(value), a), b);
}

}  // namespace

Outlook::Outlook(const expr::Program& program, const expr::Environment& environment, Trace trace)
    : program_(program), environment_(environment), trace_(trace), budget_(kLimits) {
  find_uses(program.root());
}

Possible Outlook::evaluate() {
  Possible result = eval(program_.root());
  return budget_.failed() ? anything() : result;
}

// Children before parents, without recursion: chains may be long.
void Outlook::find_uses(const Node& root) {
  std::vector<std::pair<const Node*, bool>> open = {{&root, false}};
  while (!open.empty()) {
    const auto [node, seen] = open.back();
    if (!seen) {
      open.back().second = true;
      for (const Node* child : node->children)
        if (child) open.emplace_back(child, false);
      continue;
    }
    open.pop_back();
    Uses uses;
    for (const Node* child : node->children) {
      if (!child) continue;
      const Uses& below = uses_[child];
      uses.trace |= below.trace;
      uses.pointer |= below.pointer;
      uses.least_variable = std::min(uses.least_variable, below.least_variable);
    }
    switch (node->kind) {
      case expr::NodeKind::kIdentifier:
        uses.trace = node->name == "trace" || node->name == "$env";
        break;
      case expr::NodeKind::kVariable:
        uses.least_variable = node->slot;
        break;
      case expr::NodeKind::kPointer:
        uses.pointer = true;
        break;
      case expr::NodeKind::kPredicate:
        uses.pointer = false;
        break;
      case expr::NodeKind::kBuiltin:
        uses.trace |= node->name == "now";
        break;
      default:
        break;
    }
    uses_[node] = uses;
  }
}

// The variables that a part binds itself have slots past those around it.
bool Outlook::stands_alone(const Node& node) const {
  const Uses& uses = uses_.at(&node);
  return !uses.trace && !uses.pointer && uses.least_variable >= variables_.size();
}

void Outlook::witness(const Possible& value) {
  if (scope_ || witnesses_.size() >= kMostWitnesses || !value.exact || value.exact->kind() != Kind::kRecord)
    return;
  if (!value.is_span) return;
  if (std::ranges::find(witnesses_, *value.exact) == witnesses_.end()) witnesses_.push_back(*value.exact);
}

Possible Outlook::eval(const Node& node) {
  if (budget_.failed() || !budget_.work(4)) return anything();
  if (node.kind == expr::NodeKind::kConstant) return exactly(node.value);
  if (!stands_alone(node) || node.kind == expr::NodeKind::kPredicate) return dependent(node);
  std::optional<Possible>& known = uses_.at(&node).known;
  if (known) return *known;
  if (const auto value = program_.evaluate_part(node, environment_)) {
    if (!budget_.work(value->weight() / 64)) return anything();
    known = exactly(*value);
  } else {
    // Whether `exists` would take it for an answer is not said.
    known.emplace();
    known->fails = known->fails_missing = true;
  }
  return *known;
}

Possible Outlook::dependent(const Node& node) {
  switch (node.kind) {
    case expr::NodeKind::kIdentifier: {
      Value value;
      if (node.name == "$env") return without_failures(anything());
      if (!environment_.find(node.name, value)) return exactly(nullptr);
      return exactly(std::move(value));
    }
    case expr::NodeKind::kVariable:
      return node.slot < variables_.size() ? variables_[node.slot] : anything();
    case expr::NodeKind::kPointer:
      if (!scope_) return anything();
      if (node.name.empty()) return *scope_->element;
      return node.name == "index" ? scope_->index : anything();
    case expr::NodeKind::kUnary:
      return unary(node);
    case expr::NodeKind::kBinary:
      return binary_chain(node);
    case expr::NodeKind::kCompare:
      return compare(node);
    case expr::NodeKind::kMember:
      return member(node);
    case expr::NodeKind::kSlice:
      return strict(node);
    case expr::NodeKind::kCall:
      return call(node);
    case expr::NodeKind::kBuiltin:
      return node.builtin->predicate == expr::Predicate::kNone ? builtin(node) : predicate(node);
    case expr::NodeKind::kPredicate:
      return eval(node.child(0));
    case expr::NodeKind::kLet: {
      Possible value = eval(node.child(0));
      if (value.kinds == 0) return value;
      const Possible failures = value;
      variables_.push_back(without_failures(std::move(value)));
      Possible body = eval(node.child(1));
      variables_.pop_back();
      return with_failures(std::move(body), failures);
    }
    case expr::NodeKind::kConditional:
      return conditional(node);
    case expr::NodeKind::kSequence: {
      Possible last;
      for (const Node* part : node.children) {
        Possible next = eval(*part);
        last = with_failures(std::move(next), last);
        if (last.kinds == 0) break;
      }
      return last;
    }
    case expr::NodeKind::kList:
      return list(node);
    case expr::NodeKind::kMap:
      return strict(node);
    case expr::NodeKind::kChain: {
      Possible value = eval(node.child(0));
      if (value.exact) {
        const bool nothing = expr::is_nothing(*value.exact) && !value.exact->is_absent_record();
        return nothing ? with_failures(exactly(nullptr), value) : value;
      }
      return value.may_be(Kind::kList) ? either(value, exactly(nullptr)) : value;
    }
    case expr::NodeKind::kExists:
      return exists(node);
    case expr::NodeKind::kConstant:
      break;
  }
  return anything();
}

Possible Outlook::unary(const Node& node) {
  const Possible value = eval(node.child(0));
  if (value.kinds == 0) return value;
  if (node.op == Op::kNot) {
    if (!value.may_be(Kind::kBool)) return with_failures(failure(false), value);
    Possible out = any_bool(value.can_false, value.can_true);
    out.fails = !value.is_only(kBool);
    return with_failures(std::move(out), value);
  }
  Possible otherwise = anything();
  if (is_numbers(value)) {
    otherwise = any_number(node.op == Op::kPlus ? value.low : -value.high,
                           node.op == Op::kPlus ? value.high : -value.low, false);
    // The least integer has no opposite.
    if (node.op == Op::kNegate && !(value.low > -9e18))
      otherwise.low = -Possible::kInfinity, otherwise.high = Possible::kInfinity;
  }
  return strict(node, {&value}, std::move(otherwise));
}

Possible Outlook::binary_chain(const Node& node) {
  const size_t start = chain_.size();
  const Node* at = &node;
  for (; at->kind == expr::NodeKind::kBinary; at = at->children[0]) chain_.push_back(at);
  Possible left = eval(*at);
  while (chain_.size() > start) {
    const Node* outer = chain_.back();
    chain_.pop_back();
    left = binary(*outer, left);
  }
  return left;
}

Possible Outlook::binary(const Node& node, const Possible& left) {
  if (left.kinds == 0) return left;
  switch (node.op) {
    case Op::kOr:
    case Op::kAnd: {
      if (!left.may_be(Kind::kBool)) return with_failures(failure(false), left);
      const bool ends_on = node.op == Op::kOr;
      Possible out = left;
      out.exact.reset();
      const bool may_end = ends_on ? left.can_true : left.can_false;
      const bool may_go_on = ends_on ? left.can_false : left.can_true;
      if (may_end && may_go_on) {
        out = either(exactly(ends_on), eval(node.child(1)));
      } else {
        out = may_end ? exactly(ends_on) : eval(node.child(1));
      }
      out.fails |= !left.is_only(kBool);
      return with_failures(std::move(out), left);
    }
    case Op::kCoalesce: {
      if (left.exact) {
        if (!expr::is_nothing(*left.exact)) return left;
        return with_failures(eval(node.child(1)), left);
      }
      if (!left.may_be(Kind::kNil) && !left.may_be(Kind::kList)) return left;
      Possible kept = left;
      kept.kinds &= ~kNil;
      const Possible right = eval(node.child(1));
      return with_failures(kept.kinds == 0 ? right : either(kept, right), left);
    }
    default:
      break;
  }
  const Possible right = eval(node.child(1));
  if (right.kinds == 0) return failing(failure(false), right, left);
  switch (node.op) {
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kModulo:
    case Op::kPower:
    case Op::kRange:
      return arithmetic(node, left, right);
    default:
      return comparison(node, node.op, left, right);
  }
}

Possible Outlook::equality(const Possible& a, const Possible& b) {
  if (a.exact && b.exact) return exactly(expr::equal(budget_, *a.exact, *b.exact));
  // Ints equal floats, and the empty list of a group that is not there equals nil.
  const auto kinds = [](const Possible& of) {
    uint32_t bits = of.kinds;
    if ((bits & kNumbers) != 0) bits |= kNumbers;
    if ((bits & (kNil | kList)) != 0) bits |= lowest_length(of) > 0 ? kList : (kNil | kList);
    if ((of.kinds & kNil) != 0) bits |= kNil;
    return bits;
  };
  const uint32_t common = kinds(a) & kinds(b);
  if (common == 0) return exactly(false);
  if ((common & ~kNumbers) == 0 && (a.high < b.low || b.high < a.low)) return exactly(false);
  if (common == kList && (highest_length(a) < lowest_length(b) || highest_length(b) < lowest_length(a)))
    return exactly(false);
  return any_bool(true, true);
}

Possible Outlook::in(const Possible& needle, const Possible& where) {
  if (!where.is_only(kList | kNil)) {
    Possible out = any_bool(true, true);
    out.fails = true;
    return out;
  }
  if (where.is_only(kNil)) return exactly(false);
  const auto list = elements_of(where);
  if (!list) return any_bool(true, true);
  bool can_be = list->open || list->maybe > 0;
  for (const Possible& element : list->sure) {
    if (!budget_.work(1)) return anything();
    const Possible same = equality(element, needle);
    if (!same.can_false && where.is_only(kList)) return exactly(true);
    can_be |= same.can_true;
  }
  if (can_be && list->sure.empty()) return any_bool(equality(list->others, needle).can_true, true);
  return any_bool(can_be, true);
}

Possible Outlook::comparison(const Node& node, Op op, const Possible& a, const Possible& b) {
  switch (op) {
    case Op::kEqual:
    case Op::kNotEqual: {
      Possible same = node.never_equal ? exactly(false) : equality(a, b);
      if (op == Op::kNotEqual) same = any_bool(same.can_false, same.can_true);
      return failing(std::move(same), a, b);
    }
    case Op::kIn:
      return failing(in(a, b), a, b);
    case Op::kLess:
    case Op::kGreater:
    case Op::kLessEqual:
    case Op::kGreaterEqual: {
      Possible out = any_bool(true, true);
      if (is_numbers(a) && is_numbers(b) && !(a.exact && b.exact)) {
        const bool swapped = op == Op::kGreater || op == Op::kGreaterEqual;
        const Possible &low = swapped ? b : a, &high = swapped ? a : b;
        const bool strictly = op == Op::kLess || op == Op::kGreater;
        // low < high always, or never. NaN is in no finite bound.
        if (strictly ? low.high < high.low : low.high <= high.low) out = exactly(true);
        if (strictly ? low.low >= high.high : low.low > high.high) out = exactly(false);
        return failing(std::move(out), a, b);
      }
      if (a.exact && b.exact) {
        if (!expr::comparable(*a.exact, *b.exact)) return failing(failure(false), a, b);
        expr::Budget budget(kLimits);
        return failing(exactly(expr::less(budget, *a.exact, *b.exact, expr::spelling(op))), a, b);
      }
      // Nothing that can be compared is a nil, a bool, a list, a map or a record.
      constexpr uint32_t kComparable = kNumbers | kString | (1u << static_cast<unsigned>(expr::Kind::kTime)) |
                                       (1u << static_cast<unsigned>(expr::Kind::kDuration));
      if ((a.kinds & kComparable) == 0 || (b.kinds & kComparable) == 0) return failing(failure(false), a, b);
      out.fails = !((a.is_only(kString) && b.is_only(kString)) || (is_numbers(a) && is_numbers(b)));
      return failing(std::move(out), a, b);
    }
    default: {
      Possible out = any_bool(true, true);
      const bool texts = a.is_only(kString | kNil) && b.is_only(kString | kNil);
      out.fails = !texts || (op == Op::kMatches && !node.regex);
      if (node.kind != expr::NodeKind::kBinary) return anything();
      return strict(node, {&a, &b}, std::move(out));
    }
  }
}

Possible Outlook::compare(const Node& node) {
  Possible left = eval(node.child(0));
  Possible all = exactly(true);
  for (size_t i = 1; i < node.children.size(); ++i) {
    if (left.kinds == 0) return failing(failure(false), left, all);
    const Possible right = eval(node.child(i));
    if (right.kinds == 0) {
      Possible out = any_bool(false, all.can_false);
      if (!all.can_false) out = failure(false);
      out.fails = true;
      return failing(std::move(out), right, all);
    }
    const Possible holds = comparison(node, node.ops[i - 1], left, right);
    Possible next = any_bool(all.can_true && holds.can_true, all.can_false || holds.can_false);
    if (holds.kinds == 0) {
      next = all.can_false ? exactly(false) : failure(false);
      next.fails = true;
    }
    all = failing(std::move(next), all, holds);
    if (all.kinds == 0) return all;
    left = right;
  }
  return all;
}

Possible Outlook::arithmetic(const Node& node, const Possible& a, const Possible& b) {
  Possible otherwise = anything();
  if (is_numbers(a) && is_numbers(b)) {
    otherwise = any_number(-Possible::kInfinity, Possible::kInfinity, false);
    // Integers wrap: bounds hold only far from where they do.
    constexpr double kFar = 4e18;
    const auto within = [](double value) { return !(value > kFar) || value == Possible::kInfinity; };
    const bool bounded = within(a.high) && within(b.high) && a.low > -kFar && b.low > -kFar;
    switch (node.op) {
      case Op::kAdd:
        if (bounded) otherwise.low = a.low + b.low, otherwise.high = a.high + b.high;
        break;
      case Op::kSubtract:
        if (bounded && a.high < kFar) otherwise.high = a.high - b.low;
        if (bounded && b.high < kFar) otherwise.low = a.low - b.high;
        break;
      case Op::kMultiply:
        if (a.low >= 0 && b.low >= 0 && a.high < 1e9 && b.high < 1e9)
          otherwise.low = a.low * b.low, otherwise.high = a.high * b.high;
        break;
      case Op::kModulo:
        otherwise.fails = true;
        break;
      case Op::kRange:
        otherwise = anything();
        break;
      default:
        break;
    }
    if (node.op == Op::kDivide || node.op == Op::kPower)
      otherwise.kinds = 1u << static_cast<unsigned>(Kind::kFloat);
  } else if (node.op == Op::kAdd && a.is_only(kString) && b.is_only(kString)) {
    otherwise = any_of(Kind::kString);
  }
  return strict(node, {&a, &b}, std::move(otherwise));
}

Possible Outlook::conditional(const Node& node) {
  const Possible condition = eval(node.child(0));
  if (condition.kinds == 0) return condition;
  if (!condition.may_be(Kind::kBool)) return with_failures(failure(false), condition);
  Possible out;
  const auto then = [&] { return node.children.size() == 2 ? exactly(true) : eval(node.child(1)); };
  if (condition.can_true && condition.can_false) {
    out = either(then(), eval(*node.children.back()));
  } else {
    out = condition.can_true ? then() : eval(*node.children.back());
  }
  out.fails |= !condition.is_only(kBool);
  return with_failures(std::move(out), condition);
}

Possible Outlook::exists(const Node& node) {
  const Possible value = eval(node.child(0));
  if (value.kinds == 0)
    return value.fails ? [&] {
      // It is not there, or fails otherwise.
      Possible out = value.fails_missing ? exactly(false) : failure(false);
      out.fails = true;
      return out;
    }()
                       : exactly(false);
  const bool can_be_nil = value.may_be(Kind::kNil) || value.fails_missing;
  Possible out = any_bool(!value.is_only(kNil), can_be_nil);
  out.fails = value.fails;
  return out;
}

Possible Outlook::list(const Node& node) {
  PossibleList elements;
  Possible failures;
  bool exact = true;
  for (const Node* child : node.children) {
    Possible element = eval(*child);
    if (element.kinds == 0) return with_failures(element, failures);
    failures = with_failures(failures, element);
    exact = exact && element.exact;
    elements.sure.push_back(without_failures(std::move(element)));
  }
  if (!exact) return with_failures(list_of(std::move(elements)), failures);
  expr::List values;
  for (Possible& element : elements.sure) values.push_back(std::move(*element.exact));
  return with_failures(exactly(Value(std::move(values))), failures);
}

Possible Outlook::strict(const Node& node) {
  std::vector<Possible> values;
  values.reserve(node.children.size());
  std::vector<const Possible*> children;
  for (const Node* child : node.children) {
    if (!child) {
      children.push_back(nullptr);
      continue;
    }
    values.push_back(eval(*child));
    children.push_back(&values.back());
  }
  return strict(node, children, anything());
}

// All children are evaluated, whatever they are. With exact ones the answer is
// exact, unless what it sees of a record may change.
Possible Outlook::strict(const Node& node, const std::vector<const Possible*>& children, Possible otherwise) {
  Possible failures;
  bool exact = true;
  std::vector<const Value*> values;
  for (const Possible* child : children) {
    if (!child) {
      values.push_back(nullptr);
      continue;
    }
    failures = with_failures(failures, *child);
    if (child->kinds == 0) return failures;
    if (child->exact && !budget_.work(1 + (child->exact->depth() == 0 ? 0 : child->exact->weight() / 8)))
      return anything();
    exact = exact && child->exact && !holds_record(*child->exact);
    values.push_back(exact ? &*child->exact : nullptr);
  }
  if (!exact) return with_failures(std::move(otherwise), failures);
  if (!budget_.work(20)) return anything();
  bool missing = false;
  std::optional<Value> value = expr::apply(node, values, kLimits, missing);
  if (!value) return with_failures(failure(missing), failures);
  return with_failures(exactly(std::move(*value)), failures);
}

}  // namespace testmesh::validation
