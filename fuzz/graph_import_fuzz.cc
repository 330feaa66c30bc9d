// Documents of every kind: the first byte says which. What is read is a normal
// layer within its bounds; what is not, a sentence.
#include <cstdlib>

#include "base/utf8.h"
#include "graph/import.h"

using namespace testmesh;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto kind = static_cast<graph::ImportKind>(data[0] % 3);
  const std::string_view service = data[0] & 0x40 ? "given" : "";
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto import = graph::import_document(kind, service, text);
  if (!import) {
    require(import.error().code == base::ErrorCode::kInvalidArgument);
    require(!import.error().message.empty() && import.error().message.size() < 2000);
    return 0;
  }
  require(is_normal(import->content));
  require(import->content.nodes.size() <= 2 * graph::kMaxLayerNodes);
  require(import->warnings.size() <= 21);
  for (const auto& node : import->content.nodes) {
    require(!node.key.name.empty() && base::valid_utf8(node.key.name));
    for (const auto& [name, value] : node.properties) require(!value.empty() && base::valid_utf8(value));
  }
  return 0;
}
