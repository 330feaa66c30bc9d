#include "cli/analysis.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "discovery/flow_catalog.h"
#include "discovery/name_tries.h"
#include "discovery/trace_analyzer.h"
#include "otlp/convert.h"
#include "otlp/import_formats.h"

namespace testmesh::cli {
namespace {

using base::Result;
using Trace = std::vector<model::Span>;

constexpr size_t kFlowsPerPage = 1000;

std::string_view url_of(const model::Span& span) {
  for (const char* key : {"url.full", "http.url"})
    if (const model::Value* value = model::find_attribute(span.attributes, key))
      if (const auto* text = std::get_if<std::string>(&value->data); text && !text->empty()) return *text;
  return {};
}

}  // namespace

struct Analysis::Impl {
  Result<void> read(const std::string& file) {
    otlp::ImportCallbacks callbacks;
    callbacks.request = [this](std::string_view request) -> Result<void> {
      TRY_ASSIGN(otlp::DecodedSpans decoded, otlp::decode_protobuf(request));
      counts.rejected_spans += decoded.rejected;
      for (model::Span& span : decoded.spans) traces[span.trace_id].push_back(std::move(span));
      return {};
    };
    TRY_ASSIGN(const otlp::ImportSummary summary, otlp::import_file(file, callbacks));
    ++counts.files;
    counts.rejected_spans += summary.rejected_spans;
    counts.skipped_documents += summary.skipped_documents;
    return {};
  }

  void discover() {
    // Names are templated by what was seen before, so the order of traces must
    // not come from a hash table or from the order of files.
    std::vector<Trace*> ordered;
    for (auto& [id, trace] : traces) {
      drop_repeats(trace);
      std::ranges::sort(trace, [](const model::Span& a, const model::Span& b) {
        return std::tie(a.start, a.span_id) < std::tie(b.start, b.span_id);
      });
      ordered.push_back(&trace);
    }
    std::ranges::sort(ordered, [](const Trace* a, const Trace* b) {
      return std::tie(a->front().start, a->front().trace_id) <
             std::tie(b->front().start, b->front().trace_id);
    });
    for (const Trace* trace : ordered) count(*trace);
    traces.clear();
  }

  // Of several spans with one id the first read counts, as in a server the first stored does.
  void drop_repeats(Trace& trace) {
    std::unordered_set<model::SpanId> seen;
    counts.duplicate_spans +=
        std::erase_if(trace, [&](const model::Span& span) { return !seen.insert(span.span_id).second; });
  }

  void count(const Trace& trace) {
    const auto inputs = inputs_of(trace);
    const discovery::TraceAnalysis& found =
        analyzer.analyze(inputs, [&](uint32_t i) { return url_of(trace[i]); });
    ++counts.traces;
    counts.spans += trace.size();
    counts.cycles_cut += found.cycles_cut;
    ++(found.test ? counts.test : found.partial ? counts.partial : counts.whole);
    const auto kind = found.test      ? discovery::TraceClass::kTest
                      : found.partial ? discovery::TraceClass::kPartial
                                      : discovery::TraceClass::kWhole;
    for (const discovery::FlowMatch& match : found.flows) book.add(trace.front().trace_id, kind, match);
  }

  std::vector<discovery::SpanInput> inputs_of(const Trace& trace) {
    for (;;) {
      const uint64_t epoch = analyzer.epoch();
      std::vector<discovery::SpanInput> inputs;
      inputs.reserve(trace.size());
      for (const model::Span& span : trace) {
        std::vector<std::string> scratch;
        inputs.push_back({.id = span.span_id,
                          .parent = span.parent_span_id,
                          .start = span.start,
                          .end = span.end,
                          .facts = analyzer.facts(discovery::describe(span, scratch)),
                          .error = span.status == model::StatusCode::kError});
      }
      // The table of facts was emptied in between: the first ids are void. A
      // single trace never fills an empty table.
      if (analyzer.epoch() == epoch) return inputs;
    }
  }

  discovery::NameTries tries;
  discovery::FlowCatalog catalog;
  discovery::TraceAnalyzer analyzer{tries, catalog};
  discovery::FlowBook book{catalog};
  std::unordered_map<model::TraceId, Trace> traces;
  AnalysisCounts counts;
};

Analysis::Analysis(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Analysis::~Analysis() = default;

Result<std::unique_ptr<Analysis>> Analysis::of_files(const std::vector<std::string>& files) {
  auto impl = std::make_unique<Impl>();
  for (const std::string& file : files) TRY(impl->read(file));
  impl->discover();
  return std::unique_ptr<Analysis>(new Analysis(std::move(impl)));
}

const AnalysisCounts& Analysis::counts() const { return impl_->counts; }

uint64_t Analysis::partial_traces() const {
  const discovery::FlowBook* book = &impl_->book;
  const auto page = discovery::list_flows({&book, 1}, impl_->catalog, discovery::FlowQuery());
  return page ? page->partial_traces : 0;
}

std::vector<discovery::FlowDetail> Analysis::flows() const {
  const discovery::FlowBook* book = &impl_->book;
  std::vector<discovery::FlowDetail> flows;
  discovery::FlowQuery query;
  query.limit = kFlowsPerPage;
  for (;;) {
    const auto page = discovery::list_flows({&book, 1}, impl_->catalog, query);
    if (!page) return flows;
    for (const discovery::FlowSummary& summary : page->flows)
      if (auto detail = discovery::flow_detail({&book, 1}, impl_->catalog, summary.flow->id))
        flows.push_back(std::move(*detail));
    if (!page->next_cursor) return flows;
    query.cursor = *page->next_cursor;
  }
}

}  // namespace testmesh::cli
