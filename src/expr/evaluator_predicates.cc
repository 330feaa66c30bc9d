// filter, map, reduce and the other functions that take a predicate.
#include <algorithm>
#include <unordered_map>

#include "expr/builtins.h"
#include "expr/evaluator.h"

namespace testmesh::expr {

bool Evaluator::collection_size(const Node& node, const Value& collection, size_t& out) {
  if (collection.kind() == Kind::kList) {
    out = collection.as_list().size();
  } else if (collection.kind() == Kind::kString) {
    out = collection.as_string().size();  // its elements are bytes, as in the reference
  } else {
    return fail(node.child(0),
                std::string(node.builtin->name) + " wants a list, got " + type_name(collection));
  }
  return true;
}

template <typename Visit>
bool Evaluator::each(const Node& node, const Value& collection, Scope& scope, bool backwards, Visit visit) {
  size_t size = 0;
  if (!collection_size(node, collection, size)) return false;
  const Value* const elements = collection.kind() == Kind::kList ? collection.as_list().data() : nullptr;
  scope.outer = scope_;
  scope_ = &scope;
  bool good = true, more = true;
  for (size_t i = 0; i < size && good && more; ++i) {
    const size_t at = backwards ? size - 1 - i : i;
    if (!budget_.work(1)) {
      good = failed(node);
      break;
    }
    if (elements) {
      scope.element = elements + at;
    } else {
      scope.byte = static_cast<int64_t>(static_cast<unsigned char>(collection.as_string()[at]));
      scope.element = &scope.byte;
    }
    scope.index = static_cast<int64_t>(at);
    good = visit(*scope.element, at, more);
  }
  scope_ = scope.outer;
  return good;
}

bool Evaluator::predicate(const Node& node, Value& out) {
  Value storage;
  const Value* collection = operand(node.child(0), storage);
  if (!collection) return false;
  Scope scope;
  switch (node.builtin->predicate) {
    case Predicate::kAll:
    case Predicate::kNoneOf:
    case Predicate::kAny:
    case Predicate::kOne:
    case Predicate::kCount:
      return quantifier(node, *collection, scope, out);
    case Predicate::kFilter:
      return filter(node, *collection, scope, out);
    case Predicate::kMap:
      return map_list(node, *collection, scope, out);
    case Predicate::kFind:
    case Predicate::kFindIndex:
    case Predicate::kFindLast:
    case Predicate::kFindLastIndex:
      return find(node, *collection, scope, out);
    case Predicate::kSum:
      return sum(node, *collection, scope, out);
    case Predicate::kGroupBy:
      return group_by(node, *collection, scope, out);
    case Predicate::kSortBy:
      return sort_by(node, *collection, scope, out);
    case Predicate::kReduce:
      return reduce(node, *collection, scope, out);
    case Predicate::kNone:
      break;
  }
  return false;
}

bool Evaluator::quantifier(const Node& node, const Value& collection, Scope& scope, Value& out) {
  const Predicate kind = node.builtin->predicate;
  const Node* body = node.children.size() > 1 ? &node.child(1) : nullptr;
  int64_t count = 0;
  size_t size = 0;
  if (!collection_size(node, collection, size)) return false;
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool& more) {
    bool holds = false;
    if (body) {
      if (!truth(*body, holds)) return false;
    } else {
      if (element.kind() != Kind::kBool)
        return fail(node, "count without a predicate counts bools, got " + type_name(element));
      holds = element.as_bool();
    }
    if (holds) ++count;
    more = kind == Predicate::kAll                                 ? holds
           : kind == Predicate::kAny || kind == Predicate::kNoneOf ? !holds
                                                                   : true;
    return true;
  });
  if (!good) return false;
  switch (kind) {
    case Predicate::kAll:
      out = count == static_cast<int64_t>(size);
      break;
    case Predicate::kAny:
      out = count > 0;
      break;
    case Predicate::kNoneOf:
      out = count == 0;
      break;
    case Predicate::kOne:
      out = count == 1;
      break;
    default:
      out = count;
  }
  return true;
}

bool Evaluator::filter(const Node& node, const Value& collection, Scope& scope, Value& out) {
  List kept;
  const Node& body = node.child(1);
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool&) {
    bool holds = false;
    if (!truth(body, holds)) return false;
    if (holds) kept.push_back(element);
    return true;
  });
  if (!good) return false;
  if (!budget_.elements(kept.size())) return failed(node);
  out = Value(std::move(kept));
  return true;
}

bool Evaluator::map_list(const Node& node, const Value& collection, Scope& scope, Value& out) {
  List mapped;
  size_t size = 0;
  if (!collection_size(node, collection, size)) return false;
  if (!budget_.elements(size)) return failed(node);
  mapped.reserve(size);
  const Node& body = node.child(1);
  const bool good = each(node, collection, scope, false,
                         [&](const Value&, size_t, bool&) { return eval(body, mapped.emplace_back()); });
  if (!good) return false;
  out = Value(std::move(mapped));
  return budget_.accept(out) || failed(node);
}

bool Evaluator::find(const Node& node, const Value& collection, Scope& scope, Value& out) {
  const Predicate kind = node.builtin->predicate;
  const bool backwards = kind == Predicate::kFindLast || kind == Predicate::kFindLastIndex;
  const bool index = kind == Predicate::kFindIndex || kind == Predicate::kFindLastIndex;
  const Node& body = node.child(1);
  out = nullptr;
  return each(node, collection, scope, backwards, [&](const Value& element, size_t at, bool& more) {
    bool holds = false;
    if (!truth(body, holds)) return false;
    if (!holds) return true;
    more = false;
    out = index ? Value(static_cast<int64_t>(at)) : element;
    return true;
  });
}

bool Evaluator::sum(const Node& node, const Value& collection, Scope& scope, Value& out) {
  const Node* body = node.children.size() > 1 ? &node.child(1) : nullptr;
  Value total(0);
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool&) {
    Value computed, next;
    if (body && !eval(*body, computed)) return false;
    if (!add(budget_, total, body ? computed : element, next)) return failed(node);
    total = std::move(next);
    return true;
  });
  out = std::move(total);
  return good;
}

bool Evaluator::group_by(const Node& node, const Value& collection, Scope& scope, Value& out) {
  Map positions;
  std::vector<std::pair<Value, List>> groups;
  const Node& body = node.child(1);
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool&) {
    Value key;
    if (!eval(body, key)) return false;
    if (key.kind() == Kind::kList || key.kind() == Kind::kMap)
      return fail(node.child(1), "cannot group by a " + type_name(key));
    if (!budget_.elements(1) || !budget_.work(8)) return failed(node);
    const Value* known = positions.find(key);
    if (!known) {
      if (!budget_.elements(1)) return failed(node);
      positions.set(key, static_cast<int64_t>(groups.size()));
      groups.emplace_back(std::move(key), List{});
      groups.back().second.push_back(element);
      return true;
    }
    groups[static_cast<size_t>(known->as_int())].second.push_back(element);
    return true;
  });
  if (!good) return false;
  Map grouped;
  grouped.set_grouped();
  for (auto& [key, members] : groups) grouped.set(std::move(key), Value(std::move(members)));
  out = Value(std::move(grouped));
  return budget_.accept(out) || failed(node);
}

bool Evaluator::sort_by(const Node& node, const Value& collection, Scope& scope, Value& out) {
  std::vector<std::pair<Value, Value>> keyed;
  const Node& body = node.child(1);
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool&) {
    Value key;
    if (!eval(body, key)) return false;
    keyed.emplace_back(std::move(key), element);
    return true;
  });
  if (!good) return false;
  bool descending = false;
  if (node.children.size() > 2) {
    Value order;
    if (!eval(node.child(2), order)) return false;
    descending = order == Value::of_static("desc");
    if (!descending && order != Value::of_static("asc"))
      return fail(node.child(2), "an order is \"asc\" or \"desc\" (got " + describe(order, 40) + ")");
  }
  if (!budget_.elements(keyed.size()) || !budget_.work(keyed.size() * 16)) return failed(node);
  for (size_t i = 1; i < keyed.size(); ++i)
    if (!comparable(keyed[i - 1].first, keyed[i].first))
      return fail(node.child(1),
                  "cannot compare " + type_name(keyed[i - 1].first) + " < " + type_name(keyed[i].first));
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return descending ? less(budget_, b.first, a.first, "<") : less(budget_, a.first, b.first, "<");
  });
  if (budget_.failed()) return failed(node);
  List sorted;
  sorted.reserve(keyed.size());
  for (auto& [key, element] : keyed) sorted.push_back(std::move(element));
  out = Value(std::move(sorted));
  return true;
}

bool Evaluator::reduce(const Node& node, const Value& collection, Scope& scope, Value& out) {
  bool has_start = node.children.size() > 2;
  if (has_start) {
    Value start;
    if (!eval(node.child(2), start)) return false;
    scope.accumulated = std::move(start);
  } else {
    size_t size = 0;
    if (!collection_size(node, collection, size)) return false;
    if (size == 0) return fail(node, "reduce of an empty list wants a first value");
  }
  const Node& body = node.child(1);
  const bool good = each(node, collection, scope, false, [&](const Value& element, size_t, bool&) {
    if (!has_start) {
      has_start = true;
      scope.accumulated = element;
      return true;
    }
    Value next;
    if (!eval(body, next)) return false;
    scope.accumulated = std::move(next);
    return true;
  });
  out = std::move(scope.accumulated);
  return good;
}

}  // namespace testmesh::expr
