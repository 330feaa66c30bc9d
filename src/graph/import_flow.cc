// Flow files: the nodes of `trace.expected_path`, in whichever form. The rest of
// the file is `testmesh validate`'s to judge.
//
// Which node calls which is not in a path (it is a tree written as a list), so
// only `exposes` follows from it.
#include <algorithm>

#include "base/utf8.h"
#include "graph/identity.h"
#include "graph/import_builder.h"

namespace testmesh::graph {
namespace {

using Node = Document::Node;

class Flow {
 public:
  explicit Flow(Document& document) : document_(document), import_(document) {}

  base::Result<Import> read(std::string_view service) && {
    const Node root = document_.root();
    const Node wrapped = document_.find(root, "flow");
    const Node flow = wrapped ? wrapped : root;
    if (!document_.is_map(flow)) {
      document_.fail(flow, fmt::format("expected a flow, found {}", document_.describe(flow)));
      return std::move(import_).take({});
    }
    const Node name = document_.find(flow, "name");
    if (document_.text(name).empty())
      document_.fail(name ? name : flow, "the flow has no `name`: it is no flow file");
    else
      import_.name_fits(name, document_.text(name));
    const Node path = document_.find(document_.find(flow, "trace"), "expected_path");
    if (path && !document_.is_sequence(path))
      document_.fail(
          path, fmt::format("expected `expected_path` to be a list, found {}", document_.describe(path)));
    for (const Node node : document_.items(path)) {
      if (document_.error()) break;
      read_node(node);
    }
    if (!path && !document_.find(flow, "steps"))
      document_.fail(flow, "the flow has neither `steps` nor `trace.expected_path`: it is no flow file");
    if (document_.size(path) == 0)
      import_.warn(flow, "the flow has no `trace.expected_path`; it declares nothing");
    return std::move(import_).take(std::string(service.empty() ? document_.text(name) : service));
  }

 private:
  // `{type, identifier, service?}` or "type:identifier".
  void read_node(Node node) {
    std::string_view type, identifier, service;
    if (document_.is_map(node)) {
      type = document_.text(document_.find(node, "type"));
      identifier = document_.text(document_.find(node, "identifier"));
      service = document_.text(document_.find(node, "service"));
    } else {
      const std::string_view text = document_.text(node);
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos)
        return document_.fail(
            node, fmt::format("expected `type:identifier` or {{type, identifier, service}}, found {}",
                              document_.describe(node)));
      type = text.substr(0, colon);
      identifier = text.substr(colon + 1);
    }
    const auto known = node_type_of(type);
    if (!known || *known == NodeType::kExternal)
      return document_.fail(node, fmt::format("`{}` is no type of a path's node; expected service, "
                                              "api_endpoint, database or topic",
                                              base::utf8_prefix(type, 60)));
    if (!import_.name_fits(node, identifier)) return;
    if (!service.empty() && !import_.name_fits(node, service)) return;
    add(*known, identifier, service);
  }

  void add(NodeType type, std::string_view identifier, std::string_view service) {
    switch (type) {
      case NodeType::kService:
        // A path writes an uninstrumented peer as a service of whoever calls it.
        if (!service.empty() && service != identifier)
          import_.node(NodeType::kExternal, identifier, {});
        else
          import_.node(NodeType::kService, identifier, identifier);
        return;
      case NodeType::kApiEndpoint: {
        const NodeKey endpoint{type, templated_endpoint(identifier), std::string(service)};
        import_.node(type, endpoint.name, service);
        if (!service.empty())
          import_.edge({NodeType::kService, std::string(service), std::string(service)}, endpoint,
                       EdgeType::kExposes);
        return;
      }
      default:
        import_.node(type, identifier, {});
    }
  }

  Document& document_;
  ImportBuilder import_;
};

}  // namespace

base::Result<Import> import_flow(Document& document, std::string_view service) {
  return Flow(document).read(service);
}

}  // namespace testmesh::graph
