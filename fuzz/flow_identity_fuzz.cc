// Identities, aliases and trie positions: whatever bytes a store gives back,
// loading refuses them or yields something that reads back the same.
//
// Input: the first byte chooses the document; of aliases and positions the
// second is the length of the key, the rest is key and value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "discovery/flow_catalog.h"
#include "discovery/name_tries.h"

using namespace testmesh;  // NOLINT(google-build-using-namespace): a program of one file

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

using Documents = std::map<std::string, std::string>;

template <typename Source>
Documents dirty_of(Source& source) {
  Documents documents;
  source.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
    if (value) documents[std::string(key)] = *value;
  });
  return documents;
}

void identity(std::string_view document) {
  discovery::FlowCatalog catalog;
  const auto read = catalog.intern_encoded(document);
  if (!read) return;
  const discovery::FlowIdentity* flow = *read;
  require(discovery::FlowCatalog::encode_identity(*flow) == document);
  require(flow->fingerprint == discovery::fingerprint_of(flow->path));
  for (const model::PathNode& node : flow->nodes)
    catalog.rename(node.service, [](const model::PathNode&) { return std::string("GET /:param"); });
  const discovery::Resolved resolved = catalog.resolve(flow);
  require(resolved.node_map.empty() ? resolved.flow == flow : resolved.node_map.size() == flow->nodes.size());
  for (const uint32_t node : resolved.node_map) require(node < resolved.flow->nodes.size());

  discovery::FlowCatalog loaded;
  for (const auto& [key, value] : dirty_of(catalog)) require(loaded.load_alias(key, value).has_value());
  if (resolved.flow != flow) require(loaded.resolve(loaded.find(flow->id)).flow->id == resolved.flow->id);
}

void alias(std::string_view key, std::string_view value) {
  discovery::FlowCatalog catalog;
  const auto id = model::FlowId::parse(key.substr(std::min<size_t>(6, key.size())));
  if (!catalog.load_alias(key, value)) return;
  require(id.has_value());
  const discovery::FlowIdentity* flow = catalog.find(*id);
  require(flow != nullptr);
  const discovery::Resolved resolved = catalog.resolve(flow);
  require(resolved.flow != flow && resolved.node_map.size() == flow->nodes.size());
  for (const uint32_t node : resolved.node_map) require(node < resolved.flow->nodes.size());
}

void position(std::string_view key, std::string_view value) {
  discovery::NameTries tries;
  if (!tries.load(key, value)) return;
  for (int i = 0; i < 60; ++i) {
    bool changed = false;
    const std::string seen = tries.observe("s", key.substr(key.size() / 2, static_cast<size_t>(i)), changed);
    require(tries.apply("s", seen) == seen);
  }
  discovery::NameTries loaded;
  require(loaded.load(key, value).has_value());
  for (const auto& [other_key, other_value] : dirty_of(tries))
    require(loaded.load(other_key, other_value).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  if (data[0] % 3 == 0) {
    identity(input.substr(1));
    return 0;
  }
  if (size < 2) return 0;
  const std::string_view rest = input.substr(2);
  const size_t length = std::min<size_t>(data[1], rest.size());
  if (data[0] % 3 == 1) {
    alias(rest.substr(0, length), rest.substr(length));
  } else {
    position(rest.substr(0, length), rest.substr(length));
  }
  return 0;
}
