#include <algorithm>
#include <charconv>
#include <cmath>

#include "expr/builtin_functions.h"

namespace testmesh::expr::functions {
namespace {

bool wants_number(const Arguments& in, std::string_view function) {
  if (in[0].is_number()) return true;
  return in.budget.fail(std::string(function) + " wants a number, got " + type_name(in[0]));
}

template <typename Round>
bool rounded(const Arguments& in, std::string_view function, Value& out, Round round_up_or_down) {
  if (!wants_number(in, function)) return false;
  out = round_up_or_down(in[0].as_number());
  return true;
}

// The numbers of the arguments and of the lists among them, at any depth.
template <typename Visit>
bool each_number(const Arguments& in, std::string_view function, const Value& value, Visit visit) {
  if (!in.budget.work(1)) return false;
  if (value.is_number()) {
    visit(value);
    return true;
  }
  if (value.kind() != Kind::kList)
    return in.budget.fail(std::string(function) + " wants numbers, got " + type_name(value));
  for (const Value& item : value.as_list())
    if (!each_number(in, function, item, visit)) return false;
  return true;
}

template <typename Better>
bool best(const Arguments& in, std::string_view function, Value& out, Better better) {
  // As in the reference, a single argument that is no number is the answer.
  if (in.size() == 1 && !in[0].is_number() && in[0].kind() != Kind::kList) {
    out = in[0];
    return true;
  }
  out = nullptr;
  for (const Value& value : in.values) {
    const bool good = each_number(in, function, value, [&](const Value& number) {
      if (out.is_nil() || better(number.as_number(), out.as_number())) out = number;
    });
    if (!good) return false;
  }
  return true;
}

template <typename Compute>
bool bits(const Arguments& in, std::string_view function, Value& out, Compute compute) {
  for (const Value& value : in.values)
    if (value.kind() != Kind::kInt)
      return in.budget.fail(std::string(function) + " wants ints, got " + type_name(value));
  out = static_cast<int64_t>(
      compute(static_cast<uint64_t>(in[0].as_int()), static_cast<uint64_t>(in[1].as_int())));
  return true;
}

bool wants_shift(const Arguments& in) {
  if (in[1].kind() != Kind::kInt || in[1].as_int() >= 0) return true;
  return in.budget.fail("a shift is 0 or more (got " + std::to_string(in[1].as_int()) + ")");
}

bool parse_float(std::string_view text, double& out) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const bool negative = lower.starts_with('-');
  std::string_view digits = lower;
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.front() == '-' || digits.front() == '+') return false;
  const bool hex = digits.starts_with("0x");
  const char* begin = digits.data() + (hex ? 2 : 0);
  const char* end = digits.data() + digits.size();
  if (digits.starts_with("nan(")) return false;
  const auto [stop, error] =
      std::from_chars(begin, end, out, hex ? std::chars_format::hex : std::chars_format::general);
  if (error != std::errc{} || stop != end) {
    if (error != std::errc::result_out_of_range || stop != end) return false;
    out = std::strtod(digits.data(), nullptr);
    if (std::isinf(out)) return false;
  }
  if (negative) out = -out;
  return true;
}

}  // namespace

bool abs(const Arguments& in, Value& out) {
  if (!wants_number(in, "abs")) return false;
  if (in[0].kind() == Kind::kFloat) {
    out = in[0].as_float() < 0 ? -in[0].as_float() : in[0].as_float();
  } else {
    const auto value = static_cast<uint64_t>(in[0].as_int());
    out = in[0].as_int() < 0 ? static_cast<int64_t>(uint64_t{0} - value) : in[0].as_int();
  }
  return true;
}

bool ceil(const Arguments& in, Value& out) {
  return rounded(in, "ceil", out, [](double x) { return std::ceil(x); });
}
bool floor(const Arguments& in, Value& out) {
  return rounded(in, "floor", out, [](double x) { return std::floor(x); });
}
bool round(const Arguments& in, Value& out) {
  return rounded(in, "round", out, [](double x) { return std::round(x); });
}

bool to_int(const Arguments& in, Value& out) {
  const Value& value = in[0];
  if (value.kind() == Kind::kInt) {
    out = value;
    return true;
  }
  if (value.kind() == Kind::kFloat) {
    if (!(std::fabs(value.as_float()) < 9223372036854775808.0))
      return in.budget.fail("int: " + describe(value) + " is no 64 bit integer");
    out = static_cast<int64_t>(value.as_float());
    return true;
  }
  if (value.kind() == Kind::kDuration) {
    out = value.as_duration().nanos;
    return true;
  }
  if (value.kind() != Kind::kString)
    return in.budget.fail("int wants a number or a string, got " + type_name(value));
  std::string_view text = value.as_string();
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size())
    return in.budget.fail("int: " + describe(value, 60) + " is no integer");
  out = number;
  return true;
}

bool to_float(const Arguments& in, Value& out) {
  if (in[0].is_number()) {
    out = in[0].as_number();
    return true;
  }
  if (in[0].kind() != Kind::kString)
    return in.budget.fail("float wants a number or a string, got " + type_name(in[0]));
  double number = 0;
  if (!in.budget.work(in[0].as_string().size() / 8)) return false;
  if (!parse_float(in[0].as_string(), number))
    return in.budget.fail("float: " + describe(in[0], 60) + " is no number");
  out = number;
  return true;
}

bool max(const Arguments& in, Value& out) {
  return best(in, "max", out, [](double a, double b) { return a > b; });
}
bool min(const Arguments& in, Value& out) {
  return best(in, "min", out, [](double a, double b) { return a < b; });
}

bool mean(const Arguments& in, Value& out) {
  double total = 0;
  uint64_t count = 0;
  for (const Value& value : in.values) {
    const bool good = each_number(in, "mean", value, [&](const Value& number) {
      total += number.as_number();
      ++count;
    });
    if (!good) return false;
  }
  out = count == 0 ? 0.0 : total / static_cast<double>(count);
  return true;
}

bool median(const Arguments& in, Value& out) {
  std::vector<double> numbers;
  for (const Value& value : in.values)
    if (!each_number(in, "median", value,
                     [&](const Value& number) { numbers.push_back(number.as_number()); }))
      return false;
  if (!in.budget.work(numbers.size() * 4)) return false;
  // NaN is less than every number, as the reference sorts.
  std::sort(numbers.begin(), numbers.end(),
            [](double a, double b) { return a < b || (std::isnan(a) && !std::isnan(b)); });
  const size_t n = numbers.size();
  out = n == 0 ? 0.0 : n % 2 == 1 ? numbers[n / 2] : (numbers[n / 2 - 1] + numbers[n / 2]) / 2;
  return true;
}

bool bit_and(const Arguments& in, Value& out) {
  return bits(in, "bitand", out, [](uint64_t a, uint64_t b) { return a & b; });
}
bool bit_or(const Arguments& in, Value& out) {
  return bits(in, "bitor", out, [](uint64_t a, uint64_t b) { return a | b; });
}
bool bit_xor(const Arguments& in, Value& out) {
  return bits(in, "bitxor", out, [](uint64_t a, uint64_t b) { return a ^ b; });
}
bool bit_nand(const Arguments& in, Value& out) {
  return bits(in, "bitnand", out, [](uint64_t a, uint64_t b) { return a & ~b; });
}
bool bit_not(const Arguments& in, Value& out) {
  if (in[0].kind() != Kind::kInt) return in.budget.fail("bitnot wants an int, got " + type_name(in[0]));
  out = ~in[0].as_int();
  return true;
}
bool bit_shl(const Arguments& in, Value& out) {
  return wants_shift(in) &&
         bits(in, "bitshl", out, [](uint64_t a, uint64_t b) { return b > 63 ? 0 : a << b; });
}
bool bit_shr(const Arguments& in, Value& out) {
  return wants_shift(in) && bits(in, "bitshr", out, [](uint64_t a, uint64_t b) {
           return static_cast<uint64_t>(static_cast<int64_t>(a) >> std::min<uint64_t>(b, 63));
         });
}
bool bit_ushr(const Arguments& in, Value& out) {
  return wants_shift(in) &&
         bits(in, "bitushr", out, [](uint64_t a, uint64_t b) { return b > 63 ? 0 : a >> b; });
}

}  // namespace testmesh::expr::functions
