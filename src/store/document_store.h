// Small documents (workspaces, settings, keys, flows, checkpoints): an ordered
// map from key to bytes, written in atomic, durable batches.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace testmesh::store {

struct DocumentWrite {
  std::string key;
  std::optional<std::string> value;  // nullopt deletes
};

// Thread-safe.
class DocumentStore {
 public:
  virtual ~DocumentStore() = default;
  virtual base::Result<std::optional<std::string>> get(std::string_view key) const = 0;
  // In key order; stops when `visit` returns false.
  virtual base::Result<void> scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
  // All or nothing; on disk (synced) when it returns.
  virtual base::Result<void> write(const std::vector<DocumentWrite>& batch) = 0;
  virtual base::Result<void> remove_prefix(std::string_view prefix) = 0;
};

}  // namespace testmesh::store
