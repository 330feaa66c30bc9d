// Path templating that learns (discovery.md 2.3): one trie per service turns a
// position that has shown more than 50 different values, behind the same
// segments, into `:param`.
//
// Shared by the shards of a workspace; thread-safe. A set of facts: what it
// has seen only grows, so inserting twice (replay after a crash) changes
// nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "discovery/flow_catalog.h"

namespace testmesh::discovery {

inline constexpr size_t kValuesBeforeParameter = 50;
// Positions kept per service; when they are used up, values not seen before
// are `:param`.
inline constexpr size_t kMaxTrieNodes = 10'000;
// Segments further down are taken for values there is no room for.
inline constexpr size_t kMaxTrieDepth = 64;

class NameTries {
 public:
  NameTries();
  ~NameTries();

  // `path` is already templated segment by segment (ids are `:id`). Records it
  // and returns its present form. `changed` is set when this call turned a
  // position into a parameter: the caller then renames stored flows.
  std::string observe(std::string_view service, std::string_view path, bool& changed);

  // The present form, without recording.
  std::string apply(std::string_view service, std::string_view path) const;

  // Writes `:param` over the segments of `path` at positions that are parameters;
  // true when that changed it. A position stays a parameter, so observe() and
  // apply() say the same of either form, now and later.
  bool put_parameters(std::string_view service, std::string& path) const;

  // Goes up whenever some position became a parameter: memoised forms of path
  // names are stale then.
  uint64_t version() const;

  // Changes since the last call, one document per position under "trie/…"; and
  // back, in any order, repeated, or with documents left over from before a
  // position became a parameter.
  void take_dirty(const DocumentSink&);
  base::Result<void> load(std::string_view key, std::string_view value);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::discovery
