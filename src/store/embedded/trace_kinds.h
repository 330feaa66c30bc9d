// What many traces of a partition have in common, so that search need not
// decode them: who they enter, which services and operations they touch, which
// flow they are. One table a partition and shard; ids are given in order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "encoding/stable_vector.h"
#include "model/ids.h"
#include "store/embedded/append_log.h"

namespace testmesh::store {

struct ServiceOperations {
  std::string service;
  std::vector<std::string> operations;  // templated, sorted
};

struct TraceKind {
  std::string root_service, root_operation;
  std::vector<ServiceOperations> services;  // sorted
  std::optional<model::FlowId> flow;        // as it was when the trace closed
  uint64_t flow_born = 0;                   // which flow of that path: FlowBook::born
};

class TraceKinds {
 public:
  static constexpr uint32_t kUnknown = 0;  // the table is full: look into the trace
  static constexpr uint32_t kMaxKinds = 65'536;

  static base::Result<std::unique_ptr<TraceKinds>> open(const std::string& path);
  ~TraceKinds();

  uint32_t intern(const TraceKind& kind);                                // owner's thread only
  const TraceKind& operator[](uint32_t id) const { return kinds_[id]; }  // any thread
  uint32_t size() const { return kinds_.size(); }
  base::Result<void> save();  // makes what was interned durable

 private:
  TraceKinds();
  encoding::StableVector<TraceKind> kinds_;
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace testmesh::store
