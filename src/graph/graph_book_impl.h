// Inside of GraphBook, shared by graph_book.cc, graph_documents.cc and
// runtime_graph.cc.
//
// What is counted are cells: (what a span did, from where, to where, through
// which endpoint). A span is one step of one cell, seldom two; nodes and edges
// are sums over cells, made when somebody asks.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/duration_sketch.h"
#include "graph/graph_book.h"

namespace testmesh::graph {

inline constexpr uint32_t kNone = UINT32_MAX;

enum class CellKind : uint8_t {
  kCall,          // caller, if there is one → service, through its endpoint, if it shows one
  kEndpoint,      // the service's own endpoint, without a call that came in
  kConsume,       // topic → service
  kRead,          // service → database
  kWrite,         // service → database
  kPublish,       // service → topic
  kCallExternal,  // service → peer
};
inline constexpr size_t kCellKindCount = 7;

struct BookNode {
  NodeType type = NodeType::kService;
  bool from_path = false;   // an endpoint that the tries may rename
  std::string name, owner;  // owner: an endpoint's service, a database's system
  uint32_t cells = 0;       // that name it; none: free
};

// A node as somebody speaks of it; no name: none.
struct NodeView {
  NodeType type = NodeType::kService;
  std::string_view name = {}, owner = {};
  bool from_path = false;
};

struct CellView {
  CellKind kind = CellKind::kCall;
  NodeView source, target, endpoint;
};

struct CellKey {
  CellKind kind = CellKind::kCall;
  uint32_t source = kNone, target = kNone, endpoint = kNone;  // positions of nodes
  friend bool operator==(const CellKey&, const CellKey&) = default;
  friend size_t hash_value(const CellKey& key) {
    uint64_t hash = static_cast<uint64_t>(key.kind);
    for (const uint32_t part : {key.source, key.target, key.endpoint})
      hash = (hash ^ part ^ hash >> 31) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
  }
};

struct Cell {
  CellKey key;
  bool used = false;
  bool dirty = false;
  uint64_t count = 0, errors = 0;
  discovery::Uint128 duration_ns = 0;
  base::UnixNanos first_seen = UINT64_MAX, last_seen = 0;
  discovery::DurationSketch durations;
};

struct GraphBook::Impl {
  Impl(const discovery::TraceAnalyzer& a, const discovery::NameTries& t) : analyzer(a), tries(t) {}

  // ---- cells (graph_book.cc)
  NodeView view(uint32_t node) const;
  CellView view(const CellKey& key) const;
  uint32_t find_node(const NodeView& node);  // kNone: not there
  uint32_t intern_node(const NodeView& node);
  uint32_t cell_of(const CellView& cell, bool create);  // kNone: not there, or no room
  void erase_cell(uint32_t cell);
  void mark(uint32_t cell);
  void merge_into(uint32_t cell, Cell& from);

  // ---- counting (graph_book.cc)
  template <bool kAdding>
  void apply(std::span<const discovery::SpanInput> spans, const discovery::TraceAnalysis& analysis);
  void prepare();
  void forget_facts();
  void rename_endpoints();

  // What is remembered of facts while an epoch of the analyzer, and a version
  // of the tries, lasts.
  struct Known {
    uint32_t service = 0;  // SpanRole::service_id
    uint8_t flags = 0;     // 0: not looked at yet
    uint32_t caller = 0;   // of `entering`: its service; kNone: none
    uint32_t entering = kNone;
    uint32_t own = kNone;  // the cell of what it does besides entering
  };
  Known& known(discovery::FactsId facts);
  template <bool kAdding>
  uint32_t entering_cell(discovery::FactsId facts, Known& here, uint32_t caller,
                         discovery::FactsId caller_facts);
  template <bool kAdding>
  uint32_t own_cell(discovery::FactsId facts, Known& here);
  template <bool kAdding>
  void count(uint32_t cell, const discovery::SpanInput& span);

  const discovery::TraceAnalyzer& analyzer;
  const discovery::NameTries& tries;

  std::vector<BookNode> nodes;
  std::vector<uint32_t> free_nodes;
  boost::unordered_flat_map<std::string, uint32_t> node_ids;
  size_t name_bytes = 0;
  std::vector<Cell> cells;
  std::vector<uint32_t> free_cells;
  boost::unordered_flat_map<CellKey, uint32_t> cell_ids;

  uint64_t not_counted = 0;
  bool not_counted_dirty = false;
  uint64_t mismatches = 0;
  std::vector<uint32_t> dirty;
  std::vector<std::string> gone;  // identities of cells that were renamed

  uint64_t epoch = 0, version = 0;
  std::vector<Known> facts;
  boost::unordered_flat_map<uint64_t, uint32_t> entering_cells;  // facts and caller
  std::vector<uint8_t> states;                                   // of the spans of the trace at hand
  std::string key;                                               // scratch
};

struct GraphSnapshot::Impl {
  const discovery::NameTries* tries = nullptr;
  std::vector<BookNode> nodes;
  std::vector<Cell> cells;  // that count something
  uint64_t not_counted = 0;
};

// An endpoint's name after what the tries have learned; nullopt: unchanged.
std::optional<std::string> renamed(const BookNode& node, const discovery::NameTries& tries);

// What a cell is, as bytes; its document is named after them.
std::string identity_of(const CellView& cell);

}  // namespace testmesh::graph
