#include "runner/masker.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/hex.h"
#include "base/utf8.h"
#include "expr/json.h"
#include "flow_file/flow_file.h"
#include "otlp/base64.h"

namespace testmesh::runner {
namespace {

using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;

// Parts of a header's value are words as any other unless they are long.
constexpr size_t kShortestPart = 8;
constexpr size_t kMostPatternBytes = size_t{16} << 20;
constexpr unsigned kMostDepth = 100;

uint16_t first_two(const char* at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(at[0]) << 8 | static_cast<uint8_t>(at[1]));
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> options) {
  return std::ranges::find(options, text) != options.end();
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string percent_encoded(std::string_view text, std::string_view keep, bool upper, bool plus) {
  std::string result;
  for (const char c : text) {
    if (is_unreserved(c) || keep.find(c) != std::string_view::npos)
      result += c;
    else if (c == ' ' && plus)
      result += '+';
    else
      result += upper ? fmt::format("%{:02X}", static_cast<uint8_t>(c))
                      : fmt::format("%{:02x}", static_cast<uint8_t>(c));
  }
  return result;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t byte[1];
    if (text[i] == '%' && base::from_hex(text.substr(i + 1, 2), byte)) {
      result += static_cast<char>(byte[0]);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string json_escaped(std::string_view text, bool slashes) {
  std::string quoted;
  expr::append_json_text(quoted, text);
  std::string inner = quoted.substr(1, quoted.size() - 2);
  if (slashes)
    for (size_t at = inner.find('/'); at != std::string::npos; at = inner.find('/', at + 2))
      inner.insert(at, 1, '\\');
  return inner;
}

// What every base64 text has in it that encodes the secret at this offset (of
// three) among other bytes, as in Basic authentication.
std::string base64_core(std::string_view secret, size_t offset) {
  const std::string padded = std::string(offset, '\0') + std::string(secret);
  const std::string text = otlp::to_base64(padded);
  const size_t begin = (offset * 8 + 5) / 6, end = padded.size() * 8 / 6;
  return text.substr(begin, end - begin);
}

std::string url_safe(std::string text) {
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::string scalar_text(const Value& value) {
  switch (value.kind()) {
    case Kind::kString:
      return std::string(value.as_string());
    case Kind::kInt:
    case Kind::kFloat:
      return expr::to_text(value);
    default:
      return {};
  }
}

void for_each_scalar(const Value& value, unsigned depth, const auto& visit) {
  if (depth > kMostDepth) return;
  if (value.kind() == Kind::kList) {
    for (const Value& item : value.as_list()) for_each_scalar(item, depth + 1, visit);
  } else if (value.kind() == Kind::kMap) {
    for (const auto& [key, item] : value.as_map()) for_each_scalar(item, depth + 1, visit);
  } else if (std::string text = scalar_text(value); !text.empty()) {
    visit(text);
  }
}

// The password of the URL whose "://" stands at `at`; begin == end: none.
struct Range {
  size_t begin = 0, end = 0;
};
Range url_password(std::string_view text, size_t at) {
  const size_t start = at + 3;
  const size_t end = std::min(text.find_first_of("/?# \t\r\n\"'<>", start), text.size());
  const std::string_view authority = text.substr(start, end - start);
  const size_t host = authority.rfind('@');
  const size_t colon = authority.find(':');
  if (host == std::string_view::npos || colon == std::string_view::npos || colon > host) return {};
  return {start + colon + 1, start + host};
}

}  // namespace

bool is_secret_key(std::string_view key) { return flow_file::is_secret_name(key); }

// ---- Learning

void Masker::add(std::string_view secret) {
  if (secret.size() < kShortestSecret || secret == kMask) return;
  {
    const std::shared_lock lock(mutex_);
    if (overflowed_ || secrets_.contains(secret)) return;
  }
  std::vector<std::string> forms{std::string(secret), percent_encoded(secret, "", true, false),
                                 percent_encoded(secret, "", false, false),
                                 percent_encoded(secret, "", true, true),
                                 // What a path or a query may hold as it is.
                                 percent_encoded(secret, "!$&'()*+,;=:@/?", true, false),
                                 json_escaped(secret, false), json_escaped(secret, true)};
  for (size_t offset = 0; offset < 3; ++offset) {
    forms.push_back(base64_core(secret, offset));
    forms.push_back(url_safe(forms.back()));
  }
  std::ranges::sort(forms);
  const auto repeated = std::ranges::unique(forms);
  forms.erase(repeated.begin(), repeated.end());
  const std::unique_lock lock(mutex_);
  if (!secrets_.emplace(secret).second) return;
  for (std::string& form : forms) add_pattern(std::move(form));
  version_.fetch_add(1, std::memory_order_release);
}

void Masker::add_pattern(std::string pattern) {
  if (pattern.size() < kShortestSecret || overflowed_) return;
  const uint16_t key = first_two(pattern.data());
  std::vector<std::string>& bucket = patterns_[key];
  pattern_bytes_ += pattern.size() + sizeof(std::string);
  if (pattern_bytes_ > kMostPatternBytes) {
    overflowed_ = true;
    return;
  }
  longest_ = std::max(longest_, pattern.size());
  present_.set(key);
  const auto place =
      std::ranges::lower_bound(bucket, pattern.size(), std::ranges::greater(), &std::string::size);
  bucket.insert(place, std::move(pattern));
}

void Masker::learn_variable(std::string_view name, const Value& value) {
  if (flow_file::is_secret_name(name))
    for_each_scalar(value, 0, [this](const std::string& text) { add(text); });
  learn_urls(value, 0);
}

void Masker::learn_urls(const Value& value, unsigned depth) {
  for_each_scalar(value, depth, [this](const std::string& text) {
    for (size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
      const Range password = url_password(text, at);
      if (password.begin == password.end) continue;
      const std::string_view raw =
          std::string_view(text).substr(password.begin, password.end - password.begin);
      add(raw);
      add(percent_decoded(raw));
    }
  });
}

// "Bearer abc", "Basic dXNlcjpwYXNz".
void Masker::learn_credential(std::string_view header_value) {
  add(header_value);
  const size_t blank = header_value.find(' ');
  if (blank == std::string_view::npos) return;
  const std::string_view credential = header_value.substr(blank + 1);
  add(credential);
  if (lower(header_value.substr(0, blank)) != "basic") return;
  const auto decoded = otlp::from_base64(credential);
  if (decoded && decoded->find(':') != std::string::npos) add(decoded->substr(decoded->find(':') + 1));
}

void Masker::learn_headers(const Value& headers) {
  if (headers.kind() != Kind::kMap) return;
  for (const auto& [key, value] : headers.as_map()) {
    const std::string name = lower(scalar_text(key));
    if (!flow_file::is_secret_name(name)) continue;
    for_each_scalar(value, 0, [&](const std::string& text) {
      if (name.ends_with("authorization")) {
        learn_credential(text);
      } else if (name.ends_with("cookie")) {
        add(text);
        // "session=abc; Path=/": the value comes back alone.
        for (size_t at = 0; at < text.size();) {
          const size_t end = std::min(text.find(';', at), text.size());
          const std::string_view part = std::string_view(text).substr(at, end - at);
          const size_t equals = part.find('=');
          if (equals != std::string_view::npos && part.size() - equals - 1 >= kShortestPart)
            add(part.substr(equals + 1));
          at = end + 1;
        }
      } else if (text.size() >= kShortestPart) {
        add(text);
      }
    });
  }
}

void Masker::learn_exchange(const Value& exchange) {
  if (exchange.kind() != Kind::kMap) return;
  for (const std::string_view key : {"headers", "metadata"})
    if (const Value* headers = exchange.find(key)) learn_headers(*headers);
  for (const std::string_view key : {"auth", "sasl"})
    if (const Value* auth = exchange.find(key); auth && auth->kind() == Kind::kMap) {
      for (const std::string_view secret : {"password", "token", "bearer", "value"})
        if (const Value* value = auth->find(secret); value && value->kind() != Kind::kMap)
          add(scalar_text(*value));
      for (const auto& [kind, inner] : auth->as_map())
        for (const std::string_view secret : {"password", "token", "value"})
          if (const Value* value = inner.find(secret)) add(scalar_text(*value));
    }
  if (const Value* cookies = exchange.find("cookies"))
    for_each_scalar(*cookies, 0, [this](const std::string& text) {
      if (text.size() >= kShortestPart) add(text);
    });
  learn_urls(exchange, 0);
}

// ---- Masking

size_t Masker::longest() const {
  const std::shared_lock lock(mutex_);
  return longest_;
}

bool Masker::is_secret_text(std::string_view text) const {
  const std::shared_lock lock(mutex_);
  return secrets_.contains(text);
}

// False: nothing to mask, `out` untouched.
bool Masker::mask_into(std::string_view text, std::string& out) const {
  std::vector<Range> found;  // apart, in order
  const auto note = [&found](size_t begin, size_t end) {
    if (!found.empty() && begin <= found.back().end)
      found.back().end = std::max(found.back().end, end);
    else
      found.push_back({begin, end});
  };
  {
    const std::shared_lock lock(mutex_);
    if (overflowed_) return out = kMask, true;
    if (!patterns_.empty())
      for (size_t at = 0; at + kShortestSecret <= text.size(); ++at) {
        const uint16_t key = first_two(text.data() + at);
        if (!present_.test(key)) continue;
        for (const std::string& pattern : patterns_.find(key)->second)
          if (text.substr(at).starts_with(pattern)) {
            note(at, at + pattern.size());
            break;
          }
      }
  }
  // Also the password of a URL that is too short to be looked for by value.
  std::vector<Range> passwords;
  for (size_t at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 3))
    if (const Range password = url_password(text, at);
        password.begin < password.end && text.substr(password.begin, password.end - password.begin) != kMask)
      passwords.push_back(password);
  if (!passwords.empty()) {
    std::vector<Range> all = std::move(found);
    all.insert(all.end(), passwords.begin(), passwords.end());
    std::ranges::sort(all, {}, &Range::begin);
    found.clear();
    for (const Range& range : all) note(range.begin, range.end);
  }
  if (found.empty()) return false;
  std::string result;
  size_t done = 0;
  for (const Range& range : found) {
    result.append(text.substr(done, range.begin - done)).append(kMask);
    done = range.end;
  }
  out = result.append(text.substr(done));
  return true;
}

std::string Masker::mask(std::string_view text) const {
  std::string result;
  return mask_into(text, result) ? result : std::string(text);
}

class Masker::Showing {
 public:
  Showing(const Masker& masker, size_t max_bytes)
      : masker_(masker), longest_(masker.longest()), left_(max_bytes) {}

  // What the value becomes; nullopt: it stays.
  std::optional<Value> operator()(const Value& value, unsigned depth = 0) {
    if (left_ == 0 || depth > kMostDepth) return value.is_nil() ? std::nullopt : std::optional(cut_mark());
    switch (value.kind()) {
      case Kind::kString:
        return text(value.as_string());
      case Kind::kInt:
      case Kind::kFloat:
        take(8);
        if (masker_.is_secret_text(expr::to_text(value))) return Value(kMask);
        return std::nullopt;
      case Kind::kList:
        return list(value.as_list(), depth);
      case Kind::kMap:
        return map(value.as_map(), depth);
      case Kind::kRecord: {
        const std::string described = expr::describe(value, 2000);
        auto changed = text(described);
        return changed ? changed : Value(described);
      }
      default:
        take(8);
        return std::nullopt;
    }
  }

 private:
  static Value cut_mark() { return Value("… (cut)"); }
  void take(size_t bytes) { left_ -= std::min(left_, bytes); }

  std::optional<Value> text(std::string_view whole) {
    // So far that no secret is cut in two before it is looked for.
    const std::string_view part = whole.substr(0, left_ + longest_);
    std::string masked;
    const bool changed = masker_.mask_into(part, masked);
    const std::string_view result = changed ? std::string_view(masked) : part;
    const size_t room = left_;
    take(result.size() + 8);
    if (part.size() == whole.size() && result.size() <= room)
      return changed ? std::optional(Value(std::move(masked))) : std::nullopt;
    return Value(std::string(base::utf8_prefix(result, std::min(room, result.size()))) +
                 fmt::format("… (cut, {} bytes)", whole.size()));
  }

  std::optional<Value> list(const List& items, unsigned depth) {
    List copy;
    bool changed = false;
    for (size_t i = 0; i < items.size(); ++i) {
      std::optional<Value> item;
      if (left_ == 0) {
        if (!changed) copy.assign(items.begin(), items.begin() + static_cast<ptrdiff_t>(i));
        copy.push_back(Value(fmt::format("… (cut, {} items)", items.size())));
        return Value(std::move(copy));
      }
      item = (*this)(items[i], depth + 1);
      if (item && !changed) {
        copy.assign(items.begin(), items.begin() + static_cast<ptrdiff_t>(i));
        changed = true;
      }
      if (changed) copy.push_back(item ? std::move(*item) : items[i]);
    }
    return changed ? std::optional(Value(std::move(copy))) : std::nullopt;
  }

  std::optional<Value> map(const Map& entries, unsigned depth) {
    Map copy;
    bool changed = false;
    size_t done = 0;
    const auto start_copy = [&] {
      if (changed) return;
      for (size_t i = 0; i < done; ++i)
        copy.set(entries.begin()[static_cast<ptrdiff_t>(i)].first,
                 entries.begin()[static_cast<ptrdiff_t>(i)].second);
      changed = true;
    };
    for (const auto& [key, value] : entries) {
      if (left_ == 0) {
        start_copy();
        copy.set("…", Value(fmt::format("(cut, {} keys)", entries.size())));
        break;
      }
      std::optional<Value> shown_key, shown_value;
      if (key.kind() == Kind::kString) shown_key = text(key.as_string());
      shown_value = under(key.kind() == Kind::kString ? key.as_string() : std::string_view{}, value, depth);
      if (shown_key || shown_value) start_copy();
      if (changed) {
        Value kept = shown_key ? std::move(*shown_key) : key;
        // Two keys may look the same now; none may hide the other.
        while (shown_key && copy.find(kept)) kept = Value(std::string(kept.as_string()) + "*");
        copy.set(std::move(kept), shown_value ? std::move(*shown_value) : value);
      }
      ++done;
    }
    return changed ? std::optional(Value(std::move(copy))) : std::nullopt;
  }

  std::optional<Value> under(std::string_view key, const Value& value, unsigned depth) {
    const bool was_credentials = in_credentials_;
    const bool secret = is_secret_key(key) || (in_credentials_ && one_of(key, {"token", "bearer", "value"}));
    in_credentials_ |= one_of(key, {"auth", "sasl"});
    std::optional<Value> result;
    if (secret && value.kind() != Kind::kMap)
      result = hidden(value);
    else if (key == "cookies" && value.kind() == Kind::kMap)
      result = hidden_map(value);
    else
      result = (*this)(value, depth + 1);
    in_credentials_ = was_credentials;
    return result;
  }

  // nil and truth are no secrets.
  std::optional<Value> hidden(const Value& value) {
    take(8);
    if (value.is_nil() || value.kind() == Kind::kBool) return std::nullopt;
    if (value.kind() == Kind::kString && (value.as_string().empty() || value.as_string() == kMask))
      return std::nullopt;
    return Value(kMask);
  }

  std::optional<Value> hidden_map(const Value& value) {
    Map copy;
    for (const auto& [key, item] : value.as_map()) copy.set(key, hidden(item).value_or(item));
    return Value(std::move(copy));
  }

  const Masker& masker_;
  const size_t longest_;
  size_t left_;
  bool in_credentials_ = false;
};

Value Masker::shown(const Value& value, size_t max_bytes) const {
  return Showing(*this, max_bytes)(value).value_or(value);
}

}  // namespace testmesh::runner
