#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "yaml/tree.h"

namespace testmesh::yaml {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<Scalar> real(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string_view rest = text;
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return Scalar(negative ? -kInfinity : kInfinity);
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN")
    return Scalar(std::numeric_limits<double>::quiet_NaN());
  // A number in the sense of the schema: what from_chars takes beside it (inf,
  // nan) begins with a letter.
  if (rest.empty() || !(is_digit(rest[0]) || (rest[0] == '.' && rest.size() > 1 && is_digit(rest[1]))))
    return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (end != rest.data() + rest.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::nullopt;
  return Scalar(negative ? -value : value);
}

std::optional<Scalar> integer(std::string_view text) {
  int base = 10;
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (digits.starts_with("0o") || digits.starts_with("0x")) {
    base = digits[1] == 'o' ? 8 : 16;
    digits.remove_prefix(2);
  } else if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  if (digits.empty() || digits.starts_with('-') || digits.starts_with('+')) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size()) return std::nullopt;
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (error == std::errc() && value <= kMost + (negative ? 1 : 0))
    return Scalar(static_cast<int64_t>(negative ? 0 - value : value));
  if (base == 10) return real(text);
  double big = 0;
  for (const char c : digits) big = big * base + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  return Scalar(big);
}

}  // namespace

Scalar scalar_of(const Node& node) {
  if (node.type == Type::kNothing) return std::monostate();
  const std::string_view text = node.text;
  if (!node.typed) return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto number = integer(text)) return *number;
  if (const auto number = real(text)) return *number;
  return text;
}

const Node* Node::find_key(std::string_view key) const {
  for (const Node& candidate : keys)
    if (candidate.text == key) return &candidate;
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &values[i];
  return nullptr;
}

}  // namespace testmesh::yaml
