#include <algorithm>

#include "base/utf8.h"
#include "expr/builtin_functions.h"

namespace testmesh::expr::functions {
namespace {

bool wants_list(const Arguments& in, size_t i, std::string_view function) {
  if (in[i].kind() == Kind::kList) return true;
  return in.budget.fail(std::string(function) + " wants a list, got " + type_name(in[i]));
}

bool wants_map(const Arguments& in, std::string_view function) {
  if (in[0].kind() == Kind::kMap) return true;
  return in.budget.fail(std::string(function) + " wants a map, got " + type_name(in[0]));
}

// nil where there is none, whatever the reason.
bool get_or_nil(const Arguments& in, const Value& key, Value& out) {
  if (in[0].kind() == Kind::kRecord) {
    if (key.kind() != Kind::kString || !in[0].as_record()->member(key.as_string(), out)) out = nullptr;
    return true;
  }
  if (in[0].is_absent_record()) {
    out = Value::absent_record();
    return true;
  }
  if (fetch(in.budget, in[0], key, out)) {
    if (out.is_same_object(no_group())) out = nullptr;
    return true;
  }
  in.budget.forget_failure();
  out = nullptr;
  return true;
}

bool flatten_into(const Arguments& in, const List& from, List& into) {
  for (const Value& item : from) {
    if (!in.budget.work(1)) return false;
    if (item.kind() == Kind::kList) {
      if (!flatten_into(in, item.as_list(), into)) return false;
    } else {
      if (!in.budget.elements(1)) return false;
      into.push_back(item);
    }
  }
  return true;
}

}  // namespace

bool len(const Arguments& in, Value& out) {
  switch (in[0].kind()) {
    case Kind::kList:
      out = static_cast<int64_t>(in[0].as_list().size());
      return true;
    case Kind::kMap:
      out = static_cast<int64_t>(in[0].as_map().size());
      return true;
    case Kind::kString: {
      std::string_view text = in[0].as_string();
      if (!in.budget.work(text.size() / 16)) return false;
      int64_t characters = 0;
      while (!text.empty()) {
        text.remove_prefix(std::max<size_t>(1, base::utf8_length(text)));
        ++characters;
      }
      out = characters;
      return true;
    }
    default:
      return in.budget.fail("len wants a string, list or map, got " + type_name(in[0]));
  }
}

bool type(const Arguments& in, Value& out) {
  switch (in[0].kind()) {
    case Kind::kList:
      out = Value::of_static("array");
      break;
    case Kind::kTime:
      out = Value::of_static("time.Time");
      break;
    case Kind::kDuration:
      out = Value::of_static("time.Duration");
      break;
    default:
      out = Value(type_name(in[0]));
  }
  return true;
}

bool first(const Arguments& in, Value& out) { return get_or_nil(in, Value(0), out); }
bool last(const Arguments& in, Value& out) { return get_or_nil(in, Value(-1), out); }
bool get(const Arguments& in, Value& out) { return get_or_nil(in, in[1], out); }

bool take(const Arguments& in, Value& out) {
  int64_t count = 0;
  if (!wants_list(in, 0, "take")) return false;
  if (in[1].kind() != Kind::kInt) return in.budget.fail("take wants an int, got " + type_name(in[1]));
  count = in[1].as_int();
  if (count < 0) return in.budget.fail("take wants a count of 0 or more (got " + std::to_string(count) + ")");
  const List& list = in[0].as_list();
  if (static_cast<uint64_t>(count) >= list.size()) {
    out = in[0];
    return true;
  }
  if (!in.budget.elements(static_cast<uint64_t>(count))) return false;
  out = Value(List(list.begin(), list.begin() + count));
  return true;
}

bool keys(const Arguments& in, Value& out) {
  if (!wants_map(in, "keys") || !in.budget.elements(in[0].as_map().size())) return false;
  List list;
  for (const auto& [key, value] : in[0].as_map()) list.push_back(key);
  out = Value(std::move(list));
  return true;
}

bool values(const Arguments& in, Value& out) {
  if (!wants_map(in, "values") || !in.budget.elements(in[0].as_map().size())) return false;
  List list;
  for (const auto& [key, value] : in[0].as_map()) list.push_back(value);
  out = Value(std::move(list));
  return true;
}

bool to_pairs(const Arguments& in, Value& out) {
  if (!wants_map(in, "toPairs") || !in.budget.elements(in[0].as_map().size() * 3)) return false;
  List list;
  for (const auto& [key, value] : in[0].as_map()) list.emplace_back(List{key, value});
  out = Value(std::move(list));
  return true;
}

bool from_pairs(const Arguments& in, Value& out) {
  if (!wants_list(in, 0, "fromPairs")) return false;
  Map map;
  for (const Value& pair : in[0].as_list()) {
    if (pair.kind() != Kind::kList || pair.as_list().size() != 2)
      return in.budget.fail("fromPairs wants pairs [key, value], got " + describe(pair, 60));
    const Value& key = pair.as_list()[0];
    if (key.kind() == Kind::kList || key.kind() == Kind::kMap)
      return in.budget.fail("a " + type_name(key) + " cannot be the key of a map");
    if (!in.budget.elements(1) || !in.budget.work(8)) return false;
    map.set(key, pair.as_list()[1]);
  }
  out = Value(std::move(map));
  return true;
}

bool reverse(const Arguments& in, Value& out) {
  if (!wants_list(in, 0, "reverse") || !in.budget.elements(in[0].as_list().size())) return false;
  out = Value(List(in[0].as_list().rbegin(), in[0].as_list().rend()));
  return true;
}

bool uniq(const Arguments& in, Value& out) {
  if (!wants_list(in, 0, "uniq")) return false;
  List list;
  Map seen;          // of what a map can have for keys; numbers by their value
  List seen_others;  // looked through
  for (const Value& item : in[0].as_list()) {
    if (!in.budget.work(8)) return false;
    bool known = false;
    if (item.kind() == Kind::kList || item.kind() == Kind::kMap || item.kind() == Kind::kRecord) {
      for (const Value& other : seen_others) {
        if (!in.budget.work(1)) return false;
        known = equal(in.budget, item, other);
        if (known || in.budget.failed()) break;
      }
      if (in.budget.failed()) return false;
      if (!known) seen_others.push_back(item);
    } else {
      // 1 and 1.0 are one; as floats they meet, but for integers that no float is.
      const Value key =
          item.kind() == Kind::kFloat &&
                  item.as_float() ==
                      static_cast<double>(static_cast<int64_t>(std::clamp(item.as_float(), -9e15, 9e15)))
              ? Value(static_cast<int64_t>(item.as_float()))
              : item;
      known = seen.find(key) != nullptr;
      if (!known) seen.set(key, true);
    }
    if (known) continue;
    if (!in.budget.elements(1)) return false;
    list.push_back(item);
  }
  out = Value(std::move(list));
  return true;
}

bool concat(const Arguments& in, Value& out) {
  List list;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!wants_list(in, i, "concat") || !in.budget.elements(in[i].as_list().size())) return false;
    list.insert(list.end(), in[i].as_list().begin(), in[i].as_list().end());
  }
  out = Value(std::move(list));
  return true;
}

bool flatten(const Arguments& in, Value& out) {
  List list;
  if (!wants_list(in, 0, "flatten") || !flatten_into(in, in[0].as_list(), list)) return false;
  out = Value(std::move(list));
  return true;
}

bool sort(const Arguments& in, Value& out) {
  bool descending = false;
  if (in.size() > 1) {
    descending = in[1] == Value::of_static("desc");
    if (!descending && in[1] != Value::of_static("asc"))
      return in.budget.fail("an order is \"asc\" or \"desc\" (got " + describe(in[1], 40) + ")");
  }
  // As in the reference, nothing else is an error.
  List list = in[0].kind() == Kind::kList ? in[0].as_list() : List{};
  if (!in.budget.elements(list.size()) || !in.budget.work(list.size() * 16)) return false;
  for (size_t i = 1; i < list.size(); ++i)
    if (!comparable(list[i - 1], list[i]))
      return in.budget.fail("cannot compare " + type_name(list[i - 1]) + " < " + type_name(list[i]));
  std::stable_sort(list.begin(), list.end(), [&](const Value& a, const Value& b) {
    return descending ? less(in.budget, b, a, "<") : less(in.budget, a, b, "<");
  });
  if (in.budget.failed()) return false;
  out = Value(std::move(list));
  return true;
}

}  // namespace testmesh::expr::functions
