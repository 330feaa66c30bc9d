#include <clocale>
#include <cwctype>

#include "base/utf8.h"
#include "expr/builtin_functions.h"
#include "expr/json.h"
#include "expr/time_methods.h"

namespace testmesh::expr::functions {
namespace {

bool wants_text(const Arguments& in, size_t i, std::string_view function) {
  if (in[i].kind() == Kind::kString) return true;
  return in.budget.fail(std::string(function) + " wants a string, got " + type_name(in[i]));
}

bool text_result(const Arguments& in, std::string text, Value& out) {
  if (!in.budget.text(text.size()) || !in.budget.work(text.size() / 64)) return false;
  out = Value(std::move(text));
  return true;
}

bool is_space(std::string_view character) {
  if (character.size() == 1) return character[0] == ' ' || (character[0] >= '\t' && character[0] <= '\r');
  return character == "\xC2\x85" || character == "\xC2\xA0" || character == "\xE2\x80\xA8" ||
         character == "\xE2\x80\xA9" || character == "\xE3\x80\x80";
}

size_t length_at(std::string_view text) { return std::max<size_t>(1, base::utf8_length(text)); }

size_t last_length(std::string_view text) {
  for (size_t length = std::min<size_t>(4, text.size()); length > 1; --length)
    if (base::utf8_length(text.substr(text.size() - length)) == length) return length;
  return 1;
}

template <typename Drop>
std::string_view trimmed(std::string_view text, Drop drop) {
  while (!text.empty() && drop(text.substr(0, length_at(text)))) text.remove_prefix(length_at(text));
  while (!text.empty() && drop(text.substr(text.size() - last_length(text))))
    text.remove_suffix(last_length(text));
  return text;
}

// Letters of every script, whatever the locale of the process is.
template <typename Convert>
std::string converted(std::string_view text, Convert convert) {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const size_t length = base::utf8_length(text);
    if (length <= 1) {
      out += first < 0x80 ? static_cast<char>(convert(first, locale)) : text[0];
      text.remove_prefix(1);
      continue;
    }
    wint_t code = first & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) code = (code << 6) | (static_cast<unsigned char>(text[i]) & 63u);
    const wint_t changed = locale ? convert(code, locale) : code;
    if (changed == code) {
      out += text.substr(0, length);
    } else if (changed < 0x80) {
      out += static_cast<char>(changed);
    } else {
      const int more = changed < 0x800 ? 1 : changed < 0x10000 ? 2 : 3;
      out += static_cast<char>((0xF0u << (3 - more) & 0xFFu) | (changed >> (6 * more)));
      for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((changed >> (6 * i)) & 63));
    }
    text.remove_prefix(length);
  }
  return out;
}

bool count_argument(const Arguments& in, size_t i, int64_t fallback, int64_t& out) {
  out = fallback;
  return in.size() <= i || to_index(in.budget, in[i], out);
}

// Parts between separators; with `keep`, each with the separator behind it.
bool split_text(const Arguments& in, bool keep, std::string_view function, Value& out) {
  int64_t limit = -1;
  if (!wants_text(in, 0, function) || !wants_text(in, 1, function) || !count_argument(in, 2, -1, limit))
    return false;
  std::string_view text = in[0].as_string();
  const std::string_view separator = in[1].as_string();
  List parts;
  const auto add = [&](std::string_view part) {
    if (!in.budget.elements(1) || !in.budget.text(part.size())) return false;
    parts.emplace_back(part);
    return true;
  };
  if (!in.budget.work(search_cost(text, separator))) return false;
  if (limit != 0) {
    bool rest = true;
    while (limit < 0 || static_cast<int64_t>(parts.size()) + 1 < limit) {
      if (separator.empty()) {
        if (text.empty()) {
          rest = false;
          break;
        }
        const size_t length = length_at(text);
        if (text.size() == length) break;
        if (!add(text.substr(0, length))) return false;
        text.remove_prefix(length);
        continue;
      }
      const size_t at = text.find(separator);
      if (at == std::string_view::npos) break;
      if (!add(text.substr(0, keep ? at + separator.size() : at))) return false;
      text.remove_prefix(at + separator.size());
    }
    if (separator.empty() && text.empty()) rest = false;
    if (rest && !add(text)) return false;
  }
  out = Value(std::move(parts));
  return true;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

bool trim(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "trim") || (in.size() > 1 && !wants_text(in, 1, "trim"))) return false;
  const std::string_view text = in[0].as_string();
  if (in.size() == 1) return text_result(in, std::string(trimmed(text, is_space)), out);
  const std::string_view set = in[1].as_string();
  if (!in.budget.work(text.size() / 64 * (1 + set.size() / 16))) return false;
  return text_result(
      in,
      std::string(trimmed(text, [&](std::string_view c) { return set.find(c) != std::string_view::npos; })),
      out);
}

bool trim_prefix(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "trimPrefix") || (in.size() > 1 && !wants_text(in, 1, "trimPrefix"))) return false;
  std::string_view text = in[0].as_string();
  const std::string_view prefix = in.size() > 1 ? in[1].as_string() : " ";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return text_result(in, std::string(text), out);
}

bool trim_suffix(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "trimSuffix") || (in.size() > 1 && !wants_text(in, 1, "trimSuffix"))) return false;
  std::string_view text = in[0].as_string();
  const std::string_view suffix = in.size() > 1 ? in[1].as_string() : " ";
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text_result(in, std::string(text), out);
}

bool upper(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "upper") || !in.budget.work(in[0].as_string().size() / 2)) return false;
  return text_result(in, converted(in[0].as_string(), [](wint_t c, locale_t l) { return towupper_l(c, l); }),
                     out);
}

bool lower(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "lower") || !in.budget.work(in[0].as_string().size() / 2)) return false;
  return text_result(in, converted(in[0].as_string(), [](wint_t c, locale_t l) { return towlower_l(c, l); }),
                     out);
}

bool split(const Arguments& in, Value& out) { return split_text(in, false, "split", out); }
bool split_after(const Arguments& in, Value& out) { return split_text(in, true, "splitAfter", out); }

bool replace(const Arguments& in, Value& out) {
  int64_t limit = -1;
  for (size_t i = 0; i < 3; ++i)
    if (!wants_text(in, i, "replace")) return false;
  if (!count_argument(in, 3, -1, limit)) return false;
  std::string_view text = in[0].as_string();
  const std::string_view from = in[1].as_string(), to = in[2].as_string();
  if (!in.budget.work(search_cost(text, from))) return false;
  std::string result;
  const auto append = [&](std::string_view part) {
    if (!in.budget.text(part.size()) || !in.budget.work(1)) return false;
    result += part;
    return true;
  };
  if (from.empty()) {
    // Before every character and at the end.
    for (bool more = true; more && limit != 0; --limit) {
      if (!append(to)) return false;
      more = !text.empty();
      if (!more) break;
      if (!append(text.substr(0, length_at(text)))) return false;
      text.remove_prefix(length_at(text));
    }
  } else {
    for (size_t at = text.find(from); at != std::string_view::npos && limit != 0;
         at = text.find(from), --limit) {
      if (!append(text.substr(0, at)) || !append(to)) return false;
      text.remove_prefix(at + from.size());
    }
  }
  if (!append(text)) return false;
  out = Value(std::move(result));
  return true;
}

bool repeat(const Arguments& in, Value& out) {
  int64_t count = 0;
  if (!wants_text(in, 0, "repeat") || !to_index(in.budget, in[1], count)) return false;
  if (count < 0)
    return in.budget.fail("repeat wants a count of 0 or more (got " + std::to_string(count) + ")");
  const std::string_view text = in[0].as_string();
  constexpr int64_t kMost = 1'000'000;
  if (count > kMost)
    return in.budget.fail("repeat wants a count of at most a million (got " + std::to_string(count) + ")");
  const uint64_t bytes = text.size() * static_cast<uint64_t>(count);
  if (!in.budget.text(bytes) ||
      !in.budget.work(bytes / 64 + static_cast<uint64_t>(text.empty() ? 0 : count / 4)))
    return false;
  std::string result;
  result.reserve(bytes);
  if (!text.empty())
    for (int64_t i = 0; i < count; ++i) result += text;
  out = Value(std::move(result));
  return true;
}

bool join(const Arguments& in, Value& out) {
  if (in[0].kind() != Kind::kList) return in.budget.fail("join wants a list, got " + type_name(in[0]));
  if (in.size() > 1 && !wants_text(in, 1, "join")) return false;
  const std::string_view glue = in.size() > 1 ? in[1].as_string() : "";
  std::string result;
  bool first = true;
  for (const Value& part : in[0].as_list()) {
    if (part.kind() != Kind::kString)
      return in.budget.fail("join wants a list of strings, got " + type_name(part) + " in it");
    if (!in.budget.work(1) || !in.budget.text(part.as_string().size() + (first ? 0 : glue.size())))
      return false;
    if (!first) result += glue;
    first = false;
    result += part.as_string();
  }
  out = Value(std::move(result));
  return true;
}

bool index_of(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "indexOf") || !wants_text(in, 1, "indexOf")) return false;
  if (!in.budget.work(search_cost(in[0].as_string(), in[1].as_string()))) return false;
  const size_t at = in[0].as_string().find(in[1].as_string());
  out = at == std::string_view::npos ? int64_t{-1} : static_cast<int64_t>(at);
  return true;
}

bool last_index_of(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "lastIndexOf") || !wants_text(in, 1, "lastIndexOf")) return false;
  if (!in.budget.work(search_cost(in[0].as_string(), in[1].as_string()))) return false;
  const size_t at = in[0].as_string().rfind(in[1].as_string());
  out = at == std::string_view::npos ? int64_t{-1} : static_cast<int64_t>(at);
  return true;
}

bool has_prefix(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "hasPrefix") || !wants_text(in, 1, "hasPrefix")) return false;
  out = in[0].as_string().starts_with(in[1].as_string());
  return true;
}

bool has_suffix(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "hasSuffix") || !wants_text(in, 1, "hasSuffix")) return false;
  out = in[0].as_string().ends_with(in[1].as_string());
  return true;
}

bool to_json_text(const Arguments& in, Value& out) {
  constexpr size_t kMost = 16u << 20;
  std::string text;
  JsonProblem problem;
  if (!in.budget.work(in[0].weight() / 4)) return false;
  if (!write_json(text, in[0], JsonStyle::kLanguage, kMost, &problem))
    return in.budget.fail("toJSON: " + problem.message);
  return text_result(in, std::move(text), out);
}

bool from_json_text(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "fromJSON")) return false;
  const std::string_view text = in[0].as_string();
  // Every two bytes may be an element.
  uint64_t elements = 0;
  for (const char c : text) elements += c == ',' || c == '[' || c == '{' ? 1 : 0;
  if (!in.budget.work(text.size()) || !in.budget.text(text.size()) || !in.budget.elements(elements))
    return false;
  auto value = parse_json_floats(text);
  if (!value) return in.budget.fail("fromJSON: " + value.error().message);
  out = std::move(*value);
  return true;
}

bool to_base64(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "toBase64")) return false;
  const std::string_view bytes = in[0].as_string();
  if (!in.budget.work(bytes.size() / 4)) return false;
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = (group << 8) | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kBase64[(group >> (18 - 6 * j)) & 63];
  }
  return text_result(in, std::move(text), out);
}

bool from_base64(const Arguments& in, Value& out) {
  if (!wants_text(in, 0, "fromBase64")) return false;
  const auto wrong = [&] { return in.budget.fail("fromBase64: this is no base64 text"); };
  std::string text(in[0].as_string());
  if (!in.budget.work(text.size() / 2)) return false;
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  if (text.size() % 4 != 0) return wrong();
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t group = 0;
    for (size_t j = 0; j < 4; ++j) {
      const bool padded = i + j >= text.size() - padding;
      const size_t digit = padded ? 0 : kBase64.find(text[i + j]);
      if (digit == std::string_view::npos) return wrong();
      group = (group << 6) | static_cast<uint32_t>(digit);
    }
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>((group >> shift) & 255);
  }
  bytes.resize(bytes.size() - padding);
  return text_result(in, std::move(bytes), out);
}

bool string(const Arguments& in, Value& out) {
  if (in[0].kind() == Kind::kString) {
    out = in[0];
    return true;
  }
  std::string text;
  if (!to_display(in.budget, in[0], text)) return false;
  out = Value(std::move(text));
  return true;
}

}  // namespace testmesh::expr::functions
