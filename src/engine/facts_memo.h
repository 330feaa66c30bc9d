// Rows -> facts (what discovery reads of a span), memoised by shape, service
// and the few values that matter, so that a usual span costs one array look-up.
//
// One a shard and partition; single-threaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/trace_analyzer.h"
#include "encoding/row.h"

namespace testmesh::engine {

class FactsMemo {
 public:
  explicit FactsMemo(const encoding::Dictionary& dictionary);
  ~FactsMemo();

  // Never fails: a row that does not read back gets the facts of an empty span.
  discovery::FactsId facts(const encoding::Row& row, discovery::TraceAnalyzer& analyzer);

  // `url.full|http.url` of the row, empty when it has none.
  std::string url(const encoding::Row& row) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::engine
