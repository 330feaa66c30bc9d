// The JSON of a layer as people and programs PUT it.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "graph/import_builder.h"

namespace testmesh::graph {
namespace {

using Node = Document::Node;
using Kind = Document::Kind;

constexpr DocumentLimits kLimits{.bytes = size_t{64} << 20, .values = 4'000'000, .steps = 100'000'000};
constexpr size_t kMaxProperties = 100;
constexpr size_t kMaxPropertyBytes = 4096;

template <typename Enum>
std::string known_names(Enum last) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    names.append(names.empty() ? "" : ", ").append(to_string(static_cast<Enum>(i)));
  return names;
}

std::string describe(const NodeKey& key) {
  const std::string_view name = base::utf8_prefix(key.name, 100);
  return key.service.empty() || key.type == NodeType::kService
             ? fmt::format("{} {}", to_string(key.type), name)
             : fmt::format("{} {} of {}", to_string(key.type), name, base::utf8_prefix(key.service, 100));
}

class LayerReader {
 public:
  explicit LayerReader(Document& document) : document_(document) {}

  base::Result<LayerContent> read(std::vector<std::string>* warnings) && {
    const Node root = document_.root();
    const Node nodes = document_.find(root, "nodes"), edges = document_.find(root, "edges");
    if (!document_.is_map(root) || (!nodes && !edges)) {
      problem(fmt::format("expected {{\"nodes\": […], \"edges\": […]}}, found {}{}", document_.describe(root),
                          document_.is_map(root) ? " with neither" : ""));
    } else {
      note_unknown("the body", root, {"nodes", "edges"});
      if (fits("nodes", nodes, kMaxLayerNodes) && fits("edges", edges, kMaxLayerEdges)) {
        read_nodes(nodes);
        read_edges(edges);
      }
    }
    if (document_.error()) problem(*document_.error());
    if (!problems_.empty()) return base::fail(base::ErrorCode::kInvalidArgument, all_problems());
    find_ends();
    find_owners();
    auto edges_aside = std::exchange(content_.edges, {});
    normalise(content_);
    const size_t declared = content_.nodes.size();
    content_.edges = std::move(edges_aside);
    normalise(content_);
    if (content_.nodes.size() > declared)
      warnings_.add(fmt::format("edges name {} nodes that `nodes` does not list; they are added",
                                content_.nodes.size() - declared));
    if (warnings) *warnings = std::move(warnings_).take();
    return std::move(content_);
  }

 private:
  void problem(std::string sentence) { problems_.add(std::move(sentence)); }

  std::string all_problems() {
    std::string text;
    for (const std::string& sentence : std::move(problems_).take())
      text.append(text.empty() ? "" : "; ").append(sentence);
    return text;
  }

  bool fits(std::string_view name, Node list, size_t most) {
    if (list && document_.kind(list) != Kind::kNull && !document_.is_sequence(list))
      problem(fmt::format("{}: expected a list, found {}", name, document_.describe(list)));
    else if (document_.size(list) > most)
      problem(fmt::format("{}: {} of them; at most {} are allowed", name, document_.size(list), most));
    return problems_.empty();
  }

  void note_unknown(const std::string& where, Node map, std::initializer_list<std::string_view> known) {
    const auto has = [&](std::string_view name) { return static_cast<bool>(document_.find(map, name)); };
    if (static_cast<size_t>(std::ranges::count_if(known, has)) == document_.size(map)) return;
    for (const auto& [name, value] : document_.entries(map))
      if (std::ranges::find(known, name) == known.end())
        warnings_.add(fmt::format("{}: `{}` is not known and left out", where, base::utf8_prefix(name, 60)));
  }

  void read_nodes(Node list) {
    std::unordered_map<std::string, std::pair<size_t, Properties>> seen;
    size_t index = 0;
    for (const Node item : document_.items(list)) {
      const std::string where = fmt::format("nodes[{}]", index);
      auto key = key_of(where, item, true);
      Properties properties = properties_of(where, item);
      if (key) add_node(where, index, *std::move(key), std::move(properties), seen);
      ++index;
    }
  }

  using Seen = std::unordered_map<std::string, std::pair<size_t, Properties>>;

  // The same node twice is no harm unless it contradicts itself.
  void add_node(const std::string& where, size_t index, NodeKey key, Properties properties, Seen& seen) {
    const std::string text = fmt::format("{}\n{}\n{}", to_string(key.type), key.name, key.service);
    const auto [first, is_new] = seen.try_emplace(text, index, properties);
    if (!is_new)
      for (const auto& [name, value] : properties) {
        const auto [found, added] = first->second.second.try_emplace(name, value);
        if (!added && found->second != value)
          return problem(fmt::format("{}: repeats nodes[{}] ({}) with another `{}`", where,
                                     first->second.first, describe(key), name));
      }
    content_.nodes.push_back({std::move(key), std::move(properties)});
  }

  void read_edges(Node list) {
    size_t index = 0;
    for (const Node item : document_.items(list)) {
      const std::string where = fmt::format("edges[{}]", index++);
      if (!document_.is_map(item)) {
        problem(
            fmt::format("{}: expected {{source, target, type}}, found {}", where, document_.describe(item)));
        continue;
      }
      note_unknown(where, item, {"source", "target", "type", "properties"});
      auto source = key_of(where + ".source", document_.find(item, "source"), false);
      auto target = key_of(where + ".target", document_.find(item, "target"), false);
      const Node type = document_.find(item, "type");
      const auto known =
          document_.kind(type) == Kind::kText ? edge_type_of(document_.text(type)) : std::nullopt;
      if (!known)
        problem(fmt::format("{}.type: expected one of {}, found {}", where, known_names(EdgeType::kDependsOn),
                            document_.describe(type)));
      Properties properties = properties_of(where, item);
      if (source && target && known)
        content_.edges.push_back({*std::move(source), *std::move(target), *known, std::move(properties)});
    }
  }

  std::optional<NodeKey> key_of(const std::string& where, Node item, bool is_node) {
    if (!document_.is_map(item)) {
      problem(fmt::format("{}: expected {{type, name, service}}, found {}", where, document_.describe(item)));
      return std::nullopt;
    }
    if (is_node)
      note_unknown(where, item, {"type", "name", "service", "properties"});
    else
      note_unknown(where, item, {"type", "name", "service"});
    const Node type = document_.find(item, "type"), name = document_.find(item, "name"),
               service = document_.find(item, "service");
    const auto known =
        document_.kind(type) == Kind::kText ? node_type_of(document_.text(type)) : std::nullopt;
    if (!known)
      problem(fmt::format("{}.type: expected one of {}, found {}", where, known_names(NodeType::kExternal),
                          document_.describe(type)));
    const bool named = check_text(where + ".name", name);
    const bool owned = document_.kind(service) == Kind::kAbsent || document_.kind(service) == Kind::kNull ||
                       check_text(where + ".service", service);
    if (!known || !named || !owned) return std::nullopt;
    NodeKey key{*known, std::string(document_.text(name)), std::string(document_.text(service))};
    own(where, key);
    return key;
  }

  // Only endpoints have an owner that their name does not say.
  void own(const std::string& where, NodeKey& key) {
    if (key.type == NodeType::kApiEndpoint) return;
    const std::string owner = key.type == NodeType::kService ? key.name : std::string();
    if (!key.service.empty() && key.service != owner)
      warnings_.add(fmt::format("{}: a {} belongs to {}; its `service` is left out", where,
                                to_string(key.type), owner.empty() ? "no service" : "itself"));
    key.service = owner;
  }

  bool check_text(const std::string& where, Node node) {
    if (document_.kind(node) != Kind::kText) {
      problem(fmt::format("{}: expected a text, found {}", where, document_.describe(node)));
      return false;
    }
    const std::string wrong = problem_of_name(document_.text(node));
    if (!wrong.empty()) problem(fmt::format("{}: {}", where, wrong));
    return wrong.empty();
  }

  Properties properties_of(const std::string& where, Node item) {
    Properties properties;
    const Node map = document_.find(item, "properties");
    if (document_.kind(map) == Kind::kAbsent || document_.kind(map) == Kind::kNull) return properties;
    if (!document_.is_map(map) || document_.size(map) > kMaxProperties) {
      problem(fmt::format("{}.properties: expected a mapping of at most {} properties, found {}", where,
                          kMaxProperties, document_.is_map(map) ? "more" : document_.describe(map)));
      return properties;
    }
    for (const auto& [name, value] : document_.entries(map)) {
      std::string json = document_.json(value, kMaxPropertyBytes);
      if (const std::string wrong = problem_of_name(name); !wrong.empty())
        problem(fmt::format("{}.properties: {}", where, wrong));
      else if (json.empty())
        problem(fmt::format("{}.properties.{}: longer than {} bytes", where, base::utf8_prefix(name, 60),
                            kMaxPropertyBytes));
      else
        properties.emplace(name, std::move(json));
    }
    return properties;
  }

  using Place = std::pair<NodeType, std::string>;  // whatever the service

  // Gives ends that name no service that of the only declared endpoint of their name.
  void find_ends() {
    std::map<Place, std::pair<std::string, bool>> services;  // and whether it is the only one
    for (const LayerNode& node : content_.nodes) {
      const auto [found, is_new] =
          services.try_emplace({node.key.type, node.key.name}, node.key.service, true);
      if (!is_new && found->second.first != node.key.service) found->second.second = false;
    }
    for (LayerEdge& edge : content_.edges)
      for (NodeKey* end : {&edge.source, &edge.target}) {
        if (!is_open(*end)) continue;
        const auto found = services.find({end->type, end->name});
        if (found == services.end()) continue;
        if (found->second.second)
          end->service = found->second.first;
        else
          warnings_.add(fmt::format("an edge names {}, which several services have; say which with `service`",
                                    describe(*end)));
      }
  }

  static bool is_open(const NodeKey& key) {
    return key.type == NodeType::kApiEndpoint && key.service.empty();
  }

  void find_owners() {
    std::map<std::string, std::string> owners;  // "": several
    for (const LayerEdge& edge : content_.edges) {
      if (edge.type != EdgeType::kExposes || edge.source.type != NodeType::kService || !is_open(edge.target))
        continue;
      const auto [found, is_new] = owners.try_emplace(edge.target.name, edge.source.name);
      if (!is_new && found->second != edge.source.name) found->second.clear();
    }
    const auto own_it = [&](NodeKey& key) {
      if (!is_open(key)) return;
      if (const auto found = owners.find(key.name); found != owners.end()) key.service = found->second;
    };
    for (LayerNode& node : content_.nodes) own_it(node.key);
    for (LayerEdge& edge : content_.edges) {
      own_it(edge.source);
      own_it(edge.target);
    }
  }

  Document& document_;
  LayerContent content_;
  Sentences problems_, warnings_;
};

}  // namespace

base::Result<LayerContent> parse_layer(std::string_view json, std::vector<std::string>* warnings) {
  auto document = Document::parse_json(json, kLimits);
  if (!document) return std::unexpected(std::move(document).error());
  return LayerReader(*document).read(warnings);
}

}  // namespace testmesh::graph
