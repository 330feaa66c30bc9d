// Functions of the language over lists that may grow.
#include <algorithm>
#include <cmath>

#include "expr/builtins.h"
#include "validation/outlook.h"

namespace testmesh::validation {
namespace {

constexpr double kInfinity = Possible::kInfinity;
constexpr uint32_t kNumbers =
    (1u << static_cast<unsigned>(expr::Kind::kInt)) | (1u << static_cast<unsigned>(expr::Kind::kFloat));
constexpr uint32_t kBool = 1u << static_cast<unsigned>(expr::Kind::kBool);

bool is_numbers(const Possible& value) { return value.kinds != 0 && value.is_only(kNumbers); }
bool has_others(const PossibleList& list) { return list.open || list.maybe > 0; }

}  // namespace

Possible Outlook::builtin(const Node& node) {
  const std::string_view name = node.name;
  std::vector<Possible> arguments;
  arguments.reserve(node.children.size());
  std::vector<const Possible*> children;
  Possible failures;
  for (const Node* child : node.children) {
    arguments.push_back(eval(*child));
    failures = with_failures(failures, arguments.back());
    if (arguments.back().kinds == 0) return failures;
    children.push_back(&arguments.back());
  }
  if (name == "now" || arguments.empty()) return anything();
  const Possible& first = arguments[0];
  const uint32_t kinds = first.kinds;
  Possible out = anything();
  if (name == "len") {
    out = any_number(lowest_length(first), highest_length(first), true);
    if (!first.is_only(1u << static_cast<unsigned>(Kind::kList))) out.low = 0, out.high = kInfinity;
    constexpr uint32_t kMeasured = (1u << static_cast<unsigned>(expr::Kind::kList)) |
                                   (1u << static_cast<unsigned>(expr::Kind::kMap)) |
                                   (1u << static_cast<unsigned>(expr::Kind::kString));
    out.fails = !first.is_only(kMeasured);
    // Its length is the list's, whatever its elements are.
    if (first.exact && first.exact->kind() == Kind::kList)
      return with_failures(exactly(static_cast<int64_t>(first.exact->as_list().size())), failures);
    return strict(node, children, std::move(out));
  }
  const bool only_list = kinds == (1u << static_cast<unsigned>(Kind::kList));
  const auto list = only_list ? elements_of(first) : nullptr;
  if (name == "type" || name == "string") {
    out = any_of(Kind::kString);
  } else if (name == "upper" || name == "lower" || name == "trim") {
    out = any_of(Kind::kString);
    out.fails = kinds != (1u << static_cast<unsigned>(Kind::kString));
  } else if (name == "abs" && is_numbers(first)) {
    out = any_number(0, kInfinity, false);
    // The least integer is its own.
    if (!(first.low > -9e18)) out.low = -kInfinity;
  } else if ((name == "floor" || name == "ceil" || name == "round") && is_numbers(first)) {
    out = any_number(std::floor(first.low), std::ceil(first.high), false);
    out.kinds = 1u << static_cast<unsigned>(Kind::kFloat);
  } else if (list && (name == "first" || name == "last")) {
    Possible element = element_at(first, exactly(name == "first" ? 0 : -1));
    if (element.kinds == 0) return with_failures(exactly(nullptr), failures);
    if (element.fails_missing) element = either(without_failures(element), exactly(nullptr));
    return with_failures(without_failures(std::move(element)), failures);
  } else if (list && (name == "sort" || name == "uniq" || name == "reverse") && !first.exact) {
    PossibleList changed = *list;
    if (name == "uniq") {
      // One of each is left, which one of them not being known.
      changed.maybe += changed.sure.size();
      for (const Possible& element : changed.sure)
        changed.others = changed.others.kinds == 0 ? element : either(changed.others, element);
      const bool none = changed.sure.empty();
      changed.sure.clear();
      if (!none) changed.sure.push_back(changed.others), --changed.maybe;
    } else if (changed.in_order()) {
      out = list_of({.sure = {}, .maybe = 0, .open = true, .others = without_failures(anything())});
      out.fails = name == "sort";
      return with_failures(std::move(out), failures);
    }
    out = list_of(std::move(changed));
    out.fails = name == "sort";
    return with_failures(std::move(out), failures);
  } else if (name == "concat") {
    PossibleList all;
    bool good = true;
    for (const Possible& argument : arguments) {
      const auto part =
          argument.kinds == (1u << static_cast<unsigned>(Kind::kList)) ? elements_of(argument) : nullptr;
      if (!part) {
        good = false;
        break;
      }
      all.sure.insert(all.sure.end(), part->sure.begin(), part->sure.end());
      if (has_others(*part)) all.others = has_others(all) ? either(all.others, part->others) : part->others;
      all.maybe += part->maybe;
      all.open = all.open || part->open;
    }
    if (good) out = list_of(std::move(all));
  } else if (list && arguments.size() == 1 && (name == "max" || name == "min")) {
    if (!first.exact) return with_failures(extreme(*list, name == "max"), failures);
  } else if (list && name == "get" && !first.exact) {
    out = either(without_failures(element_at(first, arguments[1])), exactly(nullptr));
    return with_failures(std::move(out), failures);
  } else if (name == "get" && first.exact && arguments[1].exact) {
    // As a member is, nil where there is none.
    Possible found = member_of(node, first, arguments[1]);
    if (found.may_fail() || found.kinds == 0)
      found = either(without_failures(std::move(found)), exactly(nullptr));
    return with_failures(std::move(found), failures);
  }
  return strict(node, children, std::move(out));
}

Possible Outlook::extreme(const PossibleList& list, bool largest) {
  bool numbers = !has_others(list) || is_numbers(list.others);
  double low = -kInfinity, high = -kInfinity;
  const double sign = largest ? 1 : -1;
  // Bounds of the largest of all, or of the smallest with signs turned.
  const auto bounds = [&](const Possible& of) {
    return largest ? std::pair(of.low, of.high) : std::pair(-of.high, -of.low);
  };
  for (const Possible& element : list.sure) {
    numbers = numbers && is_numbers(element);
    low = std::max(low, bounds(element).first);
    high = std::max(high, bounds(element).second);
  }
  if (!numbers) return anything();
  if (has_others(list)) high = std::max(high, bounds(list.others).second);
  Possible out = sign > 0 ? any_number(low, high, false) : any_number(-high, -low, false);
  return list.sure.empty() ? either(out, exactly(nullptr)) : out;
}

Possible Outlook::body_of(const Node& body, const Possible& element) {
  Scope scope{.element = &element, .index = any_number(0, kInfinity, true)};
  Scope* const outer = scope_;
  scope_ = &scope;
  Possible out = eval(body);
  scope_ = outer;
  return out;
}

Possible Outlook::holds(const Node& body, const Possible& element) {
  Possible value = body_of(body, element);
  if (value.kinds == 0) return value;
  if (!value.may_be(Kind::kBool)) return with_failures(failure(false), value);
  Possible out = any_bool(value.can_true, value.can_false);
  out.fails = !value.is_only(kBool);
  return with_failures(std::move(out), value);
}

Possible Outlook::predicate(const Node& node) {
  const Possible collection = eval(node.child(0));
  if (collection.kinds == 0) return collection;
  const auto list =
      collection.kinds == (1u << static_cast<unsigned>(Kind::kList)) ? elements_of(collection) : nullptr;
  if (!list) return anything();
  Possible out = anything();
  switch (node.builtin->predicate) {
    case expr::Predicate::kAll:
    case expr::Predicate::kAny:
    case expr::Predicate::kNoneOf:
    case expr::Predicate::kOne:
    case expr::Predicate::kCount:
      out = quantifier(node, *list);
      break;
    case expr::Predicate::kFilter:
      out = filter(node, *list);
      break;
    case expr::Predicate::kMap:
      out = map_list(node, *list);
      break;
    case expr::Predicate::kSum:
      out = sum(node, *list);
      break;
    case expr::Predicate::kFind:
      out = find(node, *list);
      break;
    default:
      break;
  }
  return with_failures(std::move(out), collection);
}

Possible Outlook::quantifier(const Node& node, const PossibleList& list) {
  const expr::Predicate kind = node.builtin->predicate;
  // `count` without a predicate counts what is true.
  const auto ask = [&](const Possible& element) {
    if (node.children.size() > 1) return holds(node.child(1), element);
    if (element.kinds == 0 || !element.may_be(Kind::kBool)) return failure(false);
    Possible out = any_bool(element.can_true, element.can_false);
    out.fails = !element.is_only(kBool);
    return out;
  };
  double certain = 0, possible = 0;  // for how many it holds
  bool some_false = false;           // may there be one for which it does not
  bool one_false = false;            // is there
  Possible failures;
  bool fails_surely = false;
  for (const Possible& element : list.sure) {
    const Possible answer = ask(element);
    failures = with_failures(failures, answer);
    if (answer.kinds == 0) {
      fails_surely = true;
      some_false = true;
      continue;
    }
    const bool true_surely = !answer.can_false && !answer.may_fail();
    if (true_surely) ++certain;
    if (answer.can_true) ++possible;
    some_false |= answer.can_false;
    one_false |= !answer.can_true;
    const bool chosen = kind == expr::Predicate::kAll ? !answer.can_true : true_surely;
    if (chosen) witness(element);
  }
  if (has_others(list)) {
    const Possible answer = ask(list.others);
    failures = with_failures(failures, answer);
    if (answer.kinds == 0) some_false = true;
    if (answer.kinds != 0 && answer.can_true)
      possible = list.open ? kInfinity : possible + static_cast<double>(list.maybe);
    some_false |= answer.kinds != 0 && answer.can_false;
  }
  Possible out;
  switch (kind) {
    case expr::Predicate::kAll:
      out = any_bool(!one_false && !fails_surely, some_false);
      if (one_false || fails_surely) out = exactly(false);
      break;
    case expr::Predicate::kAny:
      out = any_bool(possible > 0, certain == 0);
      break;
    case expr::Predicate::kNoneOf:
      out = any_bool(certain == 0, possible > 0);
      break;
    case expr::Predicate::kOne:
      out = any_bool(certain <= 1 && possible >= 1, certain != 1 || possible > 1);
      break;
    default:
      out =
          certain == possible ? exactly(static_cast<int64_t>(certain)) : any_number(certain, possible, true);
      // Every element is looked at.
      if (fails_surely) return with_failures(failure(false), failures);
  }
  return with_failures(std::move(out), failures);
}

Possible Outlook::filter(const Node& node, const PossibleList& list) {
  PossibleList kept;
  kept.maybe = list.maybe;
  kept.others = list.others;
  Possible failures;
  bool others = has_others(list);
  bool exact = !others;
  for (const Possible& element : list.sure) {
    const Possible answer = holds(node.child(1), element);
    failures = with_failures(failures, answer);
    if (answer.kinds == 0) return with_failures(failure(false), failures);
    if (!answer.can_false) {
      kept.sure.push_back(element);
      witness(element);
    } else if (answer.can_true) {
      ++kept.maybe;
      kept.others = others ? either(kept.others, element) : element;
      others = true;
      exact = false;
    }
    exact = exact && element.exact;
  }
  if (has_others(list)) {
    const Possible answer = holds(node.child(1), list.others);
    failures = with_failures(failures, answer);
    kept.open = list.open && answer.kinds != 0 && answer.can_true;
  }
  if (!exact) return with_failures(list_of(std::move(kept)), failures);
  expr::List values;
  for (Possible& element : kept.sure) values.push_back(std::move(*element.exact));
  return with_failures(exactly(Value(std::move(values))), failures);
}

Possible Outlook::map_list(const Node& node, const PossibleList& list) {
  PossibleList mapped;
  mapped.open = list.open;
  mapped.maybe = list.maybe;
  Possible failures;
  bool exact = !has_others(list);
  for (const Possible& element : list.sure) {
    Possible value = body_of(node.child(1), element);
    failures = with_failures(failures, value);
    if (value.kinds == 0) return failures;
    exact = exact && value.exact;
    mapped.sure.push_back(without_failures(std::move(value)));
  }
  if (has_others(list)) {
    Possible value = body_of(node.child(1), list.others);
    failures = with_failures(failures, value);
    if (value.kinds == 0) {
      // None of them may come without a failure.
      mapped.open = false;
      mapped.maybe = 0;
    }
    mapped.others = without_failures(std::move(value));
  }
  if (!exact) return with_failures(list_of(std::move(mapped)), failures);
  expr::List values;
  for (Possible& element : mapped.sure) values.push_back(std::move(*element.exact));
  return with_failures(exactly(Value(std::move(values))), failures);
}

Possible Outlook::sum(const Node& node, const PossibleList& list) {
  const auto value_of = [&](const Possible& element) {
    return node.children.size() > 1 ? body_of(node.child(1), element) : element;
  };
  Possible failures;
  double low = 0, high = 0;
  for (const Possible& element : list.sure) {
    const Possible value = value_of(element);
    failures = with_failures(failures, value);
    if (!is_numbers(value)) return anything();
    low += value.low;
    high += value.high;
  }
  if (has_others(list)) {
    const Possible value = value_of(list.others);
    failures = with_failures(failures, value);
    if (value.kinds != 0) {
      if (!is_numbers(value)) return anything();
      if (value.low < 0) low = -kInfinity;
      if (value.high > 0) high = kInfinity;
    }
  }
  // In another order the same numbers may come out a little different.
  const auto slack = [](double bound) { return std::isfinite(bound) ? std::fabs(bound) * 1e-9 + 1e-9 : 0.0; };
  if (!(low > -4e18) || !(high < 4e18 || high == kInfinity)) low = -kInfinity, high = kInfinity;
  return with_failures(any_number(low - slack(low), high + slack(high), false), failures);
}

Possible Outlook::find(const Node& node, const PossibleList& list) {
  Possible failures, found;
  bool any = false, certain = false;
  const auto add = [&](const Possible& element) {
    found = any ? either(found, element) : element;
    any = true;
  };
  for (const Possible& element : list.sure) {
    const Possible answer = holds(node.child(1), element);
    failures = with_failures(failures, answer);
    if (answer.kinds == 0) continue;
    if (answer.can_true) add(element);
    if (!answer.can_false && !answer.may_fail()) {
      certain = true;
      witness(element);
    }
    // In order, nothing behind it is looked at.
    if (certain && list.in_order()) break;
  }
  if (has_others(list)) {
    const Possible answer = holds(node.child(1), list.others);
    failures = with_failures(failures, answer);
    if (answer.kinds != 0 && answer.can_true) add(list.others);
  }
  if (!certain) add(exactly(nullptr));
  return with_failures(std::move(found), failures);
}

}  // namespace testmesh::validation
