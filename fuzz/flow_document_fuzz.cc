// Documents of flows: whatever bytes a store gives back, loading refuses them
// or yields a book that can be asked, counted on and saved.
//
// Input: the first byte chooses what the rest is: 0 the statistics of a flow
// (version 1 and identity are put before them), 1 an hour's series, 2 a whole
// flow document, 3 key and value, 4 and 5 the statistics and what follows in
// versions 2 and 3.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "discovery/document_bytes.h"
#include "discovery/flow_book.h"

using namespace testmesh;  // NOLINT(google-build-using-namespace): a program of one file

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  discovery::FlowCatalog catalog;
  discovery::FlowBook book(catalog);
  std::vector<discovery::TreeNode> tree(2);
  tree[1].parent = 0;
  const discovery::FlowIdentity* flow = catalog.intern(
      {"prod", "shop", "GET /"},
      {{model::NodeType::kApiEndpoint, "GET /", "shop"}, {model::NodeType::kDatabase, "orders", "shop"}},
      tree);
  const std::string id = base::to_hex(flow->id.bytes);
  std::string key = "flow/" + id;
  std::string document;
  switch (const unsigned kind = data[0] % 6) {
    case 0:
    case 4:
    case 5:
      document = static_cast<char>(kind == 0 ? 1 : kind - 2);
      discovery::put_bytes(document, discovery::FlowCatalog::encode_identity(*flow));
      document += value;
      value = document;
      break;
    case 1:
      key = "hist/" + id + "/01728043200";
      break;
    case 2:
      break;
    default:
      key = value.substr(0, 50);
  }
  if (!book.load(catalog, key, value)) return 0;

  constexpr uint64_t kNow = 1'728'043'200'000'000'000;
  const model::TraceId trace{{1}};
  discovery::FlowMatch match;
  match.flow = flow;
  match.start = kNow + 1;
  match.duration_ns = 5'000'000;
  match.visits = {{.span = 0, .node = 0, .error = false, .duration_ns = 5'000'000, .self_ns = 1}};
  book.add(trace, discovery::TraceClass::kWhole, match);
  const discovery::FlowBook* books[] = {&book};
  if (!flow_detail(books, catalog, flow->id) || !flow_histogram(books, catalog, flow->id)) std::abort();
  if (!list_flows(books, catalog, {})) std::abort();
  book.remove(trace, discovery::TraceClass::kWhole, match);

  // What is saved reads back.
  discovery::FlowCatalog catalog_again;
  discovery::FlowBook again(catalog_again);
  book.take_dirty(kNow + 2, 30, [&](std::string_view saved_key, std::optional<std::string_view> saved) {
    if (saved && !again.load(catalog_again, saved_key, *saved)) std::abort();
  });
  return 0;
}
