// The stored form of a GraphBook.
//
// document "graph/<32 hex digits of what the cell is>": version 1 · identity · count · errors · sum of
// durations · first and last seen · durations
// document "graph/not_counted": version 1 · spans

#include <algorithm>

#include "base/hex.h"
#include "discovery/flow_catalog.h"
#include "graph/graph_book_impl.h"

namespace testmesh::graph {
namespace {

constexpr uint8_t kVersion = 1;
constexpr std::string_view kNotCountedKey = "graph/not_counted";

// Cryptographic: what is counted decides nobody else's place.
std::string key_of(std::string_view identity) {
  const model::Fingerprint hash = discovery::fingerprint_of(identity);
  return std::string(kDocumentPrefix) + base::to_hex(std::span(hash).first(16));
}

base::Error corrupt(std::string_view key, std::string_view what) {
  return {base::ErrorCode::kCorrupt,
          "graph document " + std::string(key.substr(0, 60)) + ": " + std::string(what)};
}

void put_node(std::string& out, const NodeView& node) {
  out += static_cast<char>(node.name.empty() ? 0 : static_cast<int>(node.type) + 1);
  if (node.name.empty()) return;
  out += static_cast<char>(node.from_path);
  discovery::put_bytes(out, node.name);
  discovery::put_bytes(out, node.owner);
}

NodeView read_node(discovery::ByteReaderView& in) {
  const uint8_t type = in.byte();
  if (type == 0) return {};
  if (type > static_cast<uint8_t>(NodeType::kExternal) + 1) in.fail();
  NodeView node;
  node.type = static_cast<NodeType>(type - 1);
  const uint8_t from_path = in.byte();
  if (from_path > 1 || (from_path == 1 && node.type != NodeType::kApiEndpoint)) in.fail();
  node.from_path = from_path == 1;
  node.name = in.bytes();
  node.owner = in.bytes();
  if (node.name.empty()) in.fail();
  return node;
}

bool is_or_none(const NodeView& node, NodeType type) { return node.name.empty() || node.type == type; }
bool is(const NodeView& node, NodeType type) { return !node.name.empty() && node.type == type; }

// Whether there are such cells.
bool makes_sense(const CellView& cell) {
  using enum NodeType;
  const bool endpoint =
      is(cell.endpoint, kApiEndpoint) && cell.endpoint.owner == cell.target.name && cell.source.owner.empty();
  const bool none = cell.endpoint.name.empty();
  switch (cell.kind) {
    case CellKind::kCall:
      return is_or_none(cell.source, kService) && is(cell.target, kService) && (none || endpoint);
    case CellKind::kEndpoint:
      return cell.source.name.empty() && is(cell.target, kService) && endpoint;
    case CellKind::kConsume:
      return is(cell.source, kTopic) && is(cell.target, kService) && none;
    case CellKind::kRead:
    case CellKind::kWrite:
      return is(cell.source, kService) && is(cell.target, kDatabase) && none;
    case CellKind::kPublish:
      return is(cell.source, kService) && is(cell.target, kTopic) && none;
    case CellKind::kCallExternal:
      return is(cell.source, kService) && is(cell.target, kExternal) && none;
  }
  return false;
}

}  // namespace

std::string identity_of(const CellView& cell) {
  std::string identity;
  identity += static_cast<char>(cell.kind);
  put_node(identity, cell.source);
  put_node(identity, cell.target);
  put_node(identity, cell.endpoint);
  return identity;
}

void GraphBook::take_dirty(const discovery::DocumentSink& sink) {
  Impl& book = *impl_;
  if (book.version != book.tries.version()) {
    book.version = book.tries.version();
    book.rename_endpoints();
    book.forget_facts();
  }
  for (const std::string& identity : book.gone) sink(key_of(identity), std::nullopt);
  book.gone.clear();
  std::string document;
  bool erased = false;
  for (const uint32_t place : book.dirty) {
    Cell& cell = book.cells[place];
    if (!cell.dirty) continue;  // it moved
    cell.dirty = false;
    const std::string identity = identity_of(book.view(cell.key));
    if (cell.count == 0) {
      sink(key_of(identity), std::nullopt);
      book.erase_cell(place);
      erased = true;
      continue;
    }
    document.assign(1, static_cast<char>(kVersion));
    discovery::put_bytes(document, identity);
    discovery::put_varint(document, cell.count);
    discovery::put_varint(document, cell.errors);
    discovery::put_uint128(document, cell.duration_ns);
    discovery::put_varint(document, cell.first_seen);
    discovery::put_varint(document, cell.last_seen);
    cell.durations.encode(document);
    sink(key_of(identity), document);
  }
  book.dirty.clear();
  if (erased) book.forget_facts();
  if (!book.not_counted_dirty) return;
  book.not_counted_dirty = false;
  document.assign(1, static_cast<char>(kVersion));
  discovery::put_varint(document, book.not_counted);
  sink(kNotCountedKey, book.not_counted > 0 ? std::optional<std::string_view>(document) : std::nullopt);
}

base::Result<void> GraphBook::load(std::string_view key, std::string_view value) {
  Impl& book = *impl_;
  discovery::ByteReaderView in(value);
  const uint8_t version = in.byte();
  if (!in.ok() || version == 0) return std::unexpected(corrupt(key, "is empty or has no version"));
  if (version > kVersion)
    return std::unexpected(corrupt(key, "has version " + std::to_string(version) +
                                            ", this program reads up to version " + std::to_string(kVersion) +
                                            "; start a newer testmesh on this data"));
  if (key == kNotCountedKey) {
    const uint64_t spans = in.varint();
    if (!in.ok() || !in.at_end()) return std::unexpected(corrupt(key, "does not read back"));
    if (book.not_counted > 0) book.not_counted_dirty = true;
    book.not_counted += spans;
    return {};
  }
  const std::string_view identity = in.bytes();
  discovery::ByteReaderView names(identity);
  CellView what;
  const uint8_t kind = names.byte();
  if (kind >= kCellKindCount) names.fail();
  what.kind = static_cast<CellKind>(kind);
  what.source = read_node(names);
  what.target = read_node(names);
  what.endpoint = read_node(names);
  if (!in.ok() || !names.ok() || !names.at_end() || !makes_sense(what))
    return std::unexpected(corrupt(key, "does not say what it counts"));
  if (key != key_of(identity))
    return std::unexpected(corrupt(key, "counts something else than its key says"));
  Cell cell;
  cell.count = in.varint();
  cell.errors = in.varint();
  cell.duration_ns = in.uint128();
  cell.first_seen = in.varint();
  cell.last_seen = in.varint();
  cell.durations.decode(in);
  if (!in.ok() || !in.at_end() || cell.count == 0 || cell.durations.total() != cell.count ||
      cell.errors > cell.count || cell.first_seen > cell.last_seen)
    return std::unexpected(corrupt(key, "the counts do not read back"));

  const size_t before = book.cell_ids.size();
  const uint32_t place = book.cell_of(what, true);
  if (place == kNone) {
    book.not_counted += cell.count;
    book.not_counted_dirty = true;
    return {};
  }
  const bool met = book.cell_ids.size() == before;
  book.merge_into(place, cell);
  if (met) book.mark(place);
  return {};
}

}  // namespace testmesh::graph
