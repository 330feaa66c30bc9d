// A document store over a map, for tests: keeps the promise of DocumentStore
// but for the disk.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "store/document_store.h"

namespace testmesh::store {

class MapStore final : public DocumentStore {
 public:
  base::Result<std::optional<std::string>> get(std::string_view key) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = documents.find(std::string(key));
    if (found == documents.end()) return std::nullopt;
    return found->second;
  }
  base::Result<void> scan(
      std::string_view prefix,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    const std::scoped_lock lock(mutex_);
    ++scans;
    for (auto at = documents.lower_bound(std::string(prefix)); at != documents.end(); ++at)
      if (!at->first.starts_with(prefix) || !visit(at->first, at->second)) break;
    return {};
  }
  base::Result<void> write(const std::vector<DocumentWrite>& batch) override {
    const std::scoped_lock lock(mutex_);
    if (broken) return base::fail(base::ErrorCode::kUnavailable, "disk full");
    for (const auto& change : batch)
      if (change.value)
        documents[change.key] = *change.value;
      else
        documents.erase(change.key);
    return {};
  }
  base::Result<void> remove_prefix(std::string_view prefix) override {
    const std::scoped_lock lock(mutex_);
    if (broken) return base::fail(base::ErrorCode::kUnavailable, "disk full");
    std::erase_if(documents, [&](const auto& entry) { return entry.first.starts_with(prefix); });
    return {};
  }

  std::map<std::string, std::string> documents;
  bool broken = false;  // every change fails
  mutable size_t scans = 0;

 private:
  mutable std::mutex mutex_;
};

}  // namespace testmesh::store
