#include "flow_file/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/utf8.h"

namespace testmesh::flow_file {
namespace {

using expr::Kind;
using expr::Value;

constexpr size_t kMostText = size_t{64} << 20;

struct Reference {
  size_t begin = 0, end = 0;  // in the text, braces included
  std::string_view name;      // or the text between quotes
  std::optional<std::string_view> fallback = std::nullopt;
  bool is_text = false;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// `text` begins with "{{".
std::optional<Reference> double_braces(std::string_view text) {
  const size_t start = std::min(text.find_first_not_of(" \t", 2), text.size());
  if (start < text.size() && (text[start] == '\'' || text[start] == '"')) {
    const size_t quote = text.find(text[start], start + 1);
    if (quote == std::string_view::npos) return std::nullopt;
    const size_t close = text.find_first_not_of(" \t", quote + 1);
    if (close == std::string_view::npos || text.substr(close, 2) != "}}") return std::nullopt;
    return Reference{.end = close + 2, .name = text.substr(start + 1, quote - start - 1), .is_text = true};
  }
  const size_t end = text.find_first_of("{}'\"\n\r", 2);
  if (end == std::string_view::npos || text.substr(end, 2) != "}}") return std::nullopt;
  const std::string_view name = trimmed(text.substr(2, end - 2));
  if (name.empty()) return std::nullopt;
  return Reference{.end = end + 2, .name = name};
}

// `text` begins with "${".
std::optional<Reference> dollar_brace(std::string_view text) {
  size_t at = 2;
  if (at >= text.size() || !is_letter(text[at])) return std::nullopt;
  while (at < text.size()) {
    const char c = text[at];
    if (is_letter(c) || is_digit(c) || c == '-' || c == '.') {
      ++at;
    } else if (c == '[') {
      size_t close = at + 1;
      while (close < text.size() && is_digit(text[close])) ++close;
      if (close == at + 1 || close >= text.size() || text[close] != ']') return std::nullopt;
      at = close + 1;
    } else {
      break;
    }
  }
  Reference reference{.name = text.substr(2, at - 2)};
  if (at < text.size() && text[at] == ':') {
    const size_t end = text.find_first_of("{}\n\r", at);
    if (end == std::string_view::npos || text[end] != '}') return std::nullopt;
    reference.fallback = text.substr(at + 1, end - at - 1);
    at = end;
  }
  if (at >= text.size() || text[at] != '}') return std::nullopt;
  reference.end = at + 1;
  return reference;
}

std::optional<Reference> next_reference(std::string_view text, size_t from) {
  for (size_t at = text.find_first_of("{$", from); at != std::string_view::npos;
       at = text.find_first_of("{$", at + 1)) {
    const std::string_view rest = text.substr(at);
    std::optional<Reference> found;
    // Of three braces the last two count: `{{{x}}}` is `{` + the value + `}`.
    if (rest.starts_with("{{") && !rest.starts_with("{{{"))
      found = double_braces(rest);
    else if (rest.starts_with("${"))
      found = dollar_brace(rest);
    if (!found) continue;
    found->begin = at;
    found->end += at;
    return found;
  }
  return std::nullopt;
}

class Expansion {
 public:
  explicit Expansion(const Lookup& lookup) : lookup_(lookup) {}

  base::Result<Value> value(const Value& value) {
    switch (value.kind()) {
      case Kind::kString:
        return text(value);
      case Kind::kList: {
        expr::List list;
        list.reserve(value.as_list().size());
        for (const Value& item : value.as_list()) {
          TRY_ASSIGN(Value expanded, this->value(item));
          list.push_back(std::move(expanded));
        }
        return Value(std::move(list));
      }
      case Kind::kMap: {
        expr::Map map;
        for (const auto& [key, item] : value.as_map()) {
          TRY_ASSIGN(Value name, this->value(key));
          TRY_ASSIGN(Value expanded, this->value(item));
          if (key.kind() == Kind::kString && name.kind() != Kind::kString) name = Value(expr::to_text(name));
          map.set(std::move(name), std::move(expanded));
        }
        return Value(std::move(map));
      }
      default:
        return value;
    }
  }

 private:
  base::Result<Value> text(const Value& value) {
    const std::string_view text = value.as_string();
    auto reference = next_reference(text, 0);
    if (!reference) return value;
    if (reference->begin == 0 && reference->end == text.size()) return resolved(*reference);
    std::string result;
    size_t done = 0;
    for (; reference; reference = next_reference(text, done)) {
      TRY_ASSIGN(const Value found, resolved(*reference));
      result.append(text.substr(done, reference->begin - done));
      result += found.kind() == Kind::kString ? std::string(found.as_string()) : expr::to_text(found);
      done = reference->end;
      if (made_ + result.size() > kMostText) return too_large();
    }
    result.append(text.substr(done));
    made_ += result.size();
    if (made_ > kMostText) return too_large();
    return Value(std::move(result));
  }

  static std::unexpected<base::Error> too_large() {
    return base::fail(base::ErrorCode::kTooLarge,
                      fmt::format("The references make a text of more than {} MiB", kMostText >> 20));
  }

  base::Result<Value> resolved(const Reference& reference) const {
    if (reference.is_text) return Value(reference.name);
    Value value;
    if (lookup_(reference.name, value)) return value;
    if (reference.fallback) return Value(*reference.fallback);
    return base::fail(
        base::ErrorCode::kNotFound,
        fmt::format("There is no `{}` to put here: it is neither a variable nor the output of a "
                    "step that has run",
                    base::utf8_prefix(reference.name, 100)));
  }

  const Lookup& lookup_;
  size_t made_ = 0;
};

void collect(const Value& value, std::vector<std::string>& names, std::set<std::string, std::less<>>& known) {
  if (value.kind() == Kind::kString) {
    const std::string_view text = value.as_string();
    for (auto reference = next_reference(text, 0); reference;
         reference = next_reference(text, reference->end))
      if (!reference->is_text && known.emplace(reference->name).second) names.emplace_back(reference->name);
  } else if (value.kind() == Kind::kList) {
    for (const Value& item : value.as_list()) collect(item, names, known);
  } else if (value.kind() == Kind::kMap) {
    for (const auto& [key, item] : value.as_map()) {
      collect(key, names, known);
      collect(item, names, known);
    }
  }
}

}  // namespace

base::Result<Value> expand(const Value& value, const Lookup& lookup) {
  return Expansion(lookup).value(value);
}

std::vector<std::string> references(const Value& value) {
  std::vector<std::string> names;
  std::set<std::string, std::less<>> known;
  collect(value, names, known);
  return names;
}

bool has_reference(std::string_view text) { return next_reference(text, 0).has_value(); }

std::string escaped(std::string_view text) {
  if (!has_reference(text)) return std::string(text);
  // Every beginning: what one escape leaves must not begin another reference.
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' || (text[i] == '$' && text.substr(i, 2) == "${")) {
      const size_t end = text[i] == '{' ? std::min(text.find_first_not_of('{', i), text.size()) : i + 1;
      result.append("{{'").append(text.substr(i, end - i)).append("'}}");
      i = end - 1;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace testmesh::flow_file
