#include "expr/budget.h"

#include <algorithm>
#include <cmath>

#include "expr/checker.h"
#include "expr/json.h"
#include "expr/times.h"

namespace testmesh::expr {
namespace {

constexpr uint64_t kMaxWeight = 64u << 20;

bool all_keys_are_texts(Budget& budget, const Map& map) {
  if (!budget.work(map.size() / 8)) return false;
  return std::all_of(map.begin(), map.end(),
                     [](const auto& entry) { return entry.first.kind() == Kind::kString; });
}

std::string shown_key(const Value& key) {
  return key.kind() == Kind::kString ? "'" + describe(key, 60).substr(1, describe(key, 60).size() - 2) + "'"
                                     : describe(key, 60);
}

bool fetch_from_map(Budget& budget, const Value& object, const Value& key, Value& out) {
  const Map& map = object.as_map();
  if (key.kind() == Kind::kList || key.kind() == Kind::kMap)
    return budget.fail("a " + type_name(key) + " cannot be the key of a map");
  if (const Value* found = map.find(key)) {
    out = *found;
    return true;
  }
  if (map.is_grouped()) {
    out = no_group();
    return true;
  }
  if (key.kind() != Kind::kString && !key.is_nil() && all_keys_are_texts(budget, map))
    return budget.failed() ? false
                           : budget.fail("cannot use " + type_name(key) + " as the key of a map of strings");
  out = nullptr;
  return true;
}

bool fetch_from_record(Budget& budget, const Value& object, const Value& key, Value& out) {
  const Record& record = *object.as_record();
  if (key.kind() != Kind::kString)
    return budget.fail("the members of a " + std::string(record.type_name()) + " have names (got " +
                       type_name(key) + ")");
  if (record.member(key.as_string(), out)) return true;
  std::vector<std::string> names;
  for (const std::string_view name : record.members()) names.emplace_back(name);
  for (const std::string_view name : record.methods()) {
    if (name == key.as_string())
      return budget.fail_missing(std::string(record.type_name()) + "." + std::string(name) +
                                 " is a method: call it with its arguments in parentheses");
    names.emplace_back(name);
  }
  return budget.fail_missing("a " + std::string(record.type_name()) + " has no member " + shown_key(key) +
                             did_you_mean(key.as_string(), names));
}

bool fetch_element(Budget& budget, const Value& object, const Value& key, size_t size, size_t& out) {
  int64_t index = 0;
  if (!to_index(budget, key, index)) return false;
  const auto length = static_cast<int64_t>(size);
  const int64_t at = index < 0 ? index + length : index;
  if (at < 0 || at >= length)
    return budget.fail_missing("index out of range: " + std::to_string(index) + " (the " + type_name(object) +
                               " has " + std::to_string(size) + ")");
  out = static_cast<size_t>(at);
  return true;
}

// As the reference's string() shows a float: like %v of its host language.
void display_float(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  const double magnitude = std::fabs(value);
  append_shortest(out, value, magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e21));
}

bool display_into(Budget& budget, const Value& value, std::string& out, size_t& charged) {
  if (!budget.work(1)) return false;
  if (out.size() > charged) {
    if (!budget.text(out.size() - charged)) return false;
    charged = out.size();
  }
  switch (value.kind()) {
    case Kind::kNil:
      out += "<nil>";
      return true;
    case Kind::kBool:
      out += value.as_bool() ? "true" : "false";
      return true;
    case Kind::kInt:
      out += std::to_string(value.as_int());
      return true;
    case Kind::kFloat:
      display_float(value.as_float(), out);
      return true;
    case Kind::kString:
      if (!budget.text(value.as_string().size())) return false;
      charged += value.as_string().size();
      out += value.as_string();
      return true;
    case Kind::kTime:
      out += to_string(value.as_time());
      return true;
    case Kind::kDuration:
      out += to_string(value.as_duration());
      return true;
    case Kind::kRecord:
      out += describe(value, 1000);
      return true;
    case Kind::kList: {
      out += '[';
      bool first = true;
      for (const Value& item : value.as_list()) {
        if (!first) out += ' ';
        first = false;
        if (!display_into(budget, item, out, charged)) return false;
      }
      out += ']';
      return true;
    }
    case Kind::kMap: {
      std::vector<const std::pair<Value, Value>*> entries;
      for (const auto& entry : value.as_map()) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        if (comparable(a->first, b->first)) {
          if (a->first.kind() == Kind::kString) return a->first.as_string() < b->first.as_string();
          if (a->first.is_number()) return a->first.as_number() < b->first.as_number();
        }
        return a->first.kind() < b->first.kind();
      });
      out += "map[";
      bool first = true;
      for (const auto* entry : entries) {
        if (!first) out += ' ';
        first = false;
        if (!display_into(budget, entry->first, out, charged)) return false;
        out += ':';
        if (!display_into(budget, entry->second, out, charged)) return false;
      }
      out += ']';
      return true;
    }
  }
  return true;
}

template <typename T>
bool in_order(T a, T b, std::string_view op) {
  if (op == "<") return a < b;
  if (op == ">") return a > b;
  return op == "<=" ? a <= b : a >= b;
}

}  // namespace

bool Budget::fail(std::string message) {
  if (!failed_) message_ = std::move(message);
  failed_ = true;
  return false;
}

bool Budget::fail_missing(std::string message) {
  if (!failed_) missing_ = true;
  return fail(std::move(message));
}

void Budget::forget_failure() {
  failed_ = missing_ = false;
  message_.clear();
}

bool Budget::too_much(const char* what) {
  return fail(std::string("the expression is too costly: it used up ") + what);
}

bool Budget::accept(const Value& made) {
  if (made.depth() > kMaxValueDepth)
    return fail("the value is nested more than " + std::to_string(kMaxValueDepth) + " deep");
  if (made.weight() > kMaxWeight) return fail("the value is too large: more than 64 MB when written out");
  return true;
}

std::string type_name(const Value& value) {
  return value.kind() == Kind::kRecord ? std::string(value.as_record()->type_name())
                                       : std::string(kind_name(value.kind()));
}

const Value& no_group() {
  static const Value nothing{List{}};
  return nothing;
}

// By squaring the mantissa and counting the exponent beside it, which rounds
// differently from the C library in the last bit.
double power(double a, double b) {
  if (b == 0 || a == 1 || b == 1 || a == 0 || !std::isfinite(a) || !std::isfinite(b)) return std::pow(a, b);
  if (b == 0.5) return std::sqrt(a);
  if (b == -0.5) return 1 / std::sqrt(a);
  double whole = 0;
  double fraction = std::modf(std::fabs(b), &whole);
  if (fraction != 0 && a < 0) return std::nan("");
  if (whole >= 9223372036854775808.0) return std::pow(a, b);
  double mantissa = 1;
  int64_t exponent = 0;
  if (fraction != 0) {
    if (fraction > 0.5) {
      fraction -= 1;
      whole += 1;
    }
    mantissa = std::exp(fraction * std::log(a));
  }
  int base_exponent = 0;
  double base = std::frexp(a, &base_exponent);
  int64_t scale = base_exponent;
  constexpr int64_t kFar = 1 << 12;
  for (auto left = static_cast<int64_t>(whole); left != 0; left >>= 1) {
    if (scale < -kFar || scale > kFar) {
      exponent += scale;
      break;
    }
    if ((left & 1) != 0) {
      mantissa *= base;
      exponent += scale;
    }
    base *= base;
    scale *= 2;
    if (base < 0.5) {
      base += base;
      --scale;
    }
  }
  if (b < 0) {
    mantissa = 1 / mantissa;
    exponent = -exponent;
  }
  return std::ldexp(mantissa, static_cast<int>(std::clamp<int64_t>(exponent, -100'000, 100'000)));
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  if (a.is_nil() || b.is_nil()) return is_nothing(a) && is_nothing(b);
  const Kind kind = a.kind();
  if (kind != b.kind()) return a == b;
  if (kind == Kind::kString) {
    const std::string_view left = a.as_string(), right = b.as_string();
    return left.size() == right.size() && budget.work(left.size() / 64) && left == right;
  }
  if (kind == Kind::kList) {
    const List &left = a.as_list(), &right = b.as_list();
    if (left.size() != right.size()) return false;
    for (size_t i = 0; i < left.size(); ++i)
      if (!budget.work(1) || !equal(budget, left[i], right[i])) return false;
    return true;
  }
  if (kind == Kind::kMap) {
    const Map &left = a.as_map(), &right = b.as_map();
    if (left.size() != right.size()) return false;
    for (const auto& [key, value] : left) {
      if (!budget.work(4)) return false;
      const Value* other = right.find(key);
      if (!other || !equal(budget, value, *other)) return false;
    }
    return true;
  }
  return a == b;
}

bool comparable(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return true;
  return a.kind() == b.kind() &&
         (a.kind() == Kind::kString || a.kind() == Kind::kTime || a.kind() == Kind::kDuration);
}

bool less(Budget& budget, const Value& a, const Value& b, std::string_view op) {
  if (!comparable(a, b))
    return budget.fail("cannot compare " + type_name(a) + " " + std::string(op) + " " + type_name(b));
  switch (a.kind()) {
    case Kind::kString:
      return budget.work(std::min(a.as_string().size(), b.as_string().size()) / 64) &&
             in_order(a.as_string(), b.as_string(), op);
    case Kind::kTime:
      return in_order(a.as_time().unix_nanos, b.as_time().unix_nanos, op);
    case Kind::kDuration:
      return in_order(a.as_duration().nanos, b.as_duration().nanos, op);
    default:
      if (a.kind() == Kind::kInt && b.kind() == Kind::kInt) return in_order(a.as_int(), b.as_int(), op);
      return in_order(a.as_number(), b.as_number(), op);
  }
}

bool add(Budget& budget, const Value& a, const Value& b, Value& out) {
  const Kind left = a.kind(), right = b.kind();
  const auto sum = [](int64_t x, int64_t y) {
    return static_cast<int64_t>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));
  };
  if (left == Kind::kInt && right == Kind::kInt) {
    out = sum(a.as_int(), b.as_int());
  } else if (a.is_number() && b.is_number()) {
    out = a.as_number() + b.as_number();
  } else if (left == Kind::kString && right == Kind::kString) {
    if (!budget.text(a.as_string().size() + b.as_string().size())) return false;
    std::string text;
    text.reserve(a.as_string().size() + b.as_string().size());
    text.append(a.as_string()).append(b.as_string());
    out = Value(std::move(text));
  } else if (left == Kind::kTime && right == Kind::kDuration) {
    out = Time{.unix_nanos = sum(a.as_time().unix_nanos, b.as_duration().nanos),
               .offset_seconds = a.as_time().offset_seconds};
  } else if (left == Kind::kDuration && right == Kind::kTime) {
    return add(budget, b, a, out);
  } else if (left == Kind::kDuration && right == Kind::kDuration) {
    out = Duration{sum(a.as_duration().nanos, b.as_duration().nanos)};
  } else {
    return budget.fail("cannot add " + type_name(a) + " + " + type_name(b));
  }
  return true;
}

bool to_index(Budget& budget, const Value& value, int64_t& out) {
  if (value.kind() == Kind::kInt) {
    out = value.as_int();
    return true;
  }
  if (value.kind() != Kind::kFloat) return budget.fail("an index is an int (got " + type_name(value) + ")");
  const double number = value.as_float();
  if (!(std::fabs(number) < 9.2e18)) return budget.fail("an index is an int (got " + describe(value) + ")");
  out = static_cast<int64_t>(number);
  return true;
}

bool fetch(Budget& budget, const Value& object, const Value& key, Value& out) {
  switch (object.kind()) {
    case Kind::kMap:
      return fetch_from_map(budget, object, key, out);
    case Kind::kRecord:
      return fetch_from_record(budget, object, key, out);
    case Kind::kList: {
      size_t at = 0;
      if (!fetch_element(budget, object, key, object.as_list().size(), at)) return false;
      out = object.as_list()[at];
      return true;
    }
    case Kind::kString: {
      size_t at = 0;
      if (!fetch_element(budget, object, key, object.as_string().size(), at)) return false;
      out = static_cast<int64_t>(static_cast<unsigned char>(object.as_string()[at]));
      return true;
    }
    case Kind::kNil:
      if (object.is_absent_record()) {
        out = Value::absent_record();
        return true;
      }
      [[fallthrough]];
    default:
      return budget.fail_missing("cannot fetch " + shown_key(key) + " from " + type_name(object));
  }
}

bool to_display(Budget& budget, const Value& value, std::string& out) {
  size_t charged = out.size();
  if (!display_into(budget, value, out, charged)) return false;
  return out.size() <= charged || budget.text(out.size() - charged);
}

}  // namespace testmesh::expr
