// Keeps secrets out of whatever a run shows (flow-yaml.md 1): by the name under
// which they stand, and by their value wherever it turns up, also URL-encoded,
// in base64 and as JSON writes it.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "expr/value.h"

namespace testmesh::runner {

inline constexpr std::string_view kMask = "***";
// A value shorter than this is masked by its name only: it would be found in
// texts that have nothing to do with it.
inline constexpr size_t kShortestSecret = 4;

// One of a run. Thread-safe. Masking what is masked changes nothing.
class Masker {
 public:
  // A text that must not be shown. Shorter than kShortestSecret: ignored.
  void add(std::string_view secret);
  // Everything in a value of that name: of `env`, a variable, an output. Nothing
  // when the name is no secret's and no URL in it has a password.
  void learn_variable(std::string_view name, const expr::Value&);
  // What a step sends or gets, its references expanded: Authorization, Cookie,
  // Set-Cookie and secret names among its headers, `auth`, `sasl` and `cookies`,
  // passwords of URLs anywhere.
  void learn_exchange(const expr::Value& config_or_result);

  std::string mask(std::string_view text) const;
  // At most about `max_bytes` of it, what was left out noted in its place; values
  // of secret names are masked whatever they are. The same value when there is
  // nothing to change.
  expr::Value shown(const expr::Value&, size_t max_bytes) const;

  // Grows with each secret that is new.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  class Showing;
  void add_pattern(std::string pattern);  // with mutex_
  bool mask_into(std::string_view text, std::string& out) const;
  bool is_secret_text(std::string_view text) const;
  size_t longest() const;
  void learn_headers(const expr::Value& headers);
  void learn_credential(std::string_view header_value);
  void learn_urls(const expr::Value&, unsigned depth);

  std::atomic<uint64_t> version_ = 0;
  mutable std::shared_mutex mutex_;
  // By mutex_. Candidates by their first two bytes: `present_` says whether there
  // is one, which for nearly every place of a text is no.
  std::bitset<65536> present_;
  std::unordered_map<uint16_t, std::vector<std::string>> patterns_;  // longest first
  std::set<std::string, std::less<>> secrets_;
  size_t longest_ = 0, pattern_bytes_ = 0;
  bool overflowed_ = false;  // too many to look for: every text is masked
};

// Whether the value under this key of a map is one: is_secret_name().
bool is_secret_key(std::string_view key);

}  // namespace testmesh::runner
