// Flows found in trace files, without a server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/flow_book.h"

namespace testmesh::cli {

struct AnalysisCounts {
  uint64_t files = 0, spans = 0, rejected_spans = 0, duplicate_spans = 0, skipped_documents = 0;
  uint64_t traces = 0, whole = 0, partial = 0, test = 0, cycles_cut = 0;
};

// Depends on the spans alone: neither on the order of files nor on time. Of
// spans with one id the earliest counts, here, as files know no arrival.
class Analysis {
 public:
  static base::Result<std::unique_ptr<Analysis>> of_files(const std::vector<std::string>& files);
  ~Analysis();

  const AnalysisCounts& counts() const;
  uint64_t partial_traces() const;  // those that count in no flow
  // The riskiest first, ties as the API orders them.
  std::vector<discovery::FlowDetail> flows() const;

 private:
  struct Impl;
  explicit Analysis(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::cli
