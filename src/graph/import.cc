#include "graph/import.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "graph/import_builder.h"
#include "graph/json_text.h"

namespace testmesh::graph {
namespace {

using base::ErrorCode;

constexpr std::array<std::string_view, 3> kKinds{"openapi", "compose", "flow"};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::optional<ImportKind> import_kind_of(std::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == name) return static_cast<ImportKind>(i);
  return std::nullopt;
}

std::string_view to_string(ImportKind kind) { return kKinds[static_cast<size_t>(kind)]; }

LayerName layer_of(ImportKind kind) {
  switch (kind) {
    case ImportKind::kOpenApi:
      return LayerName::kSpec;
    case ImportKind::kCompose:
      return LayerName::kInfra;
    default:
      return LayerName::kFlow;
  }
}

std::string problem_of_name(std::string_view name) {
  if (name.find_first_not_of(' ') == std::string_view::npos) return "a name must not be empty";
  if (name.size() > kMaxNameBytes)
    return fmt::format("a name of {} bytes; at most {} are allowed", name.size(), kMaxNameBytes);
  if (std::ranges::any_of(name, is_control) || !base::valid_utf8(name))
    return "a name is UTF-8 text without control characters";
  return {};
}

std::vector<std::string> Sentences::take() && {
  if (count_ > kMaxSentences) sentences_.push_back(fmt::format("{} more like these", count_ - kMaxSentences));
  return std::move(sentences_);
}

bool ImportBuilder::name_fits(Document::Node node, std::string_view name) {
  const std::string problem = problem_of_name(name);
  if (!problem.empty()) document_.fail(node, problem);
  return problem.empty();
}

LayerNode& ImportBuilder::node(NodeType type, std::string_view name, std::string_view service) {
  if (content_.nodes.size() > kMaxLayerNodes)
    document_.fail(fmt::format("The document declares more than {} nodes", kMaxLayerNodes));
  return content_.nodes.emplace_back(LayerNode{{type, std::string(name), std::string(service)}, {}});
}

void ImportBuilder::edge(const NodeKey& source, const NodeKey& target, EdgeType type, Properties properties) {
  if (content_.edges.size() > kMaxLayerEdges)
    document_.fail(fmt::format("The document declares more than {} edges", kMaxLayerEdges));
  content_.edges.push_back({source, target, type, std::move(properties)});
}

void ImportBuilder::warn(Document::Node node, std::string_view sentence) {
  const std::string where = document_.at(node);
  warnings_.add(where.empty() ? std::string(sentence) : fmt::format("{}: {}", where, sentence));
}

base::Result<Import> ImportBuilder::take(std::string service) && {
  if (document_.error()) return base::fail(ErrorCode::kInvalidArgument, *document_.error());
  normalise(content_);
  return Import{std::move(service), std::move(content_), std::move(warnings_).take()};
}

void take_text(const Document& document, Document::Node node, const char* name, Properties& properties) {
  std::string_view text = document.text(node);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (!text.empty()) properties[name] = json_string(base::utf8_prefix(text, kMaxTextProperty));
}

base::Result<Import> import_document(ImportKind kind, std::string_view service, std::string_view text) {
  if (!service.empty())
    if (const std::string problem = problem_of_name(service); !problem.empty())
      return base::fail(ErrorCode::kInvalidArgument, fmt::format("The service to import for: {}", problem));
  auto document = Document::parse(text);
  if (!document) return std::unexpected(std::move(document).error());
  switch (kind) {
    case ImportKind::kOpenApi:
      return import_openapi(*document, service);
    case ImportKind::kCompose:
      return import_compose(*document, service);
    default:
      return import_flow(*document, service);
  }
}

}  // namespace testmesh::graph
