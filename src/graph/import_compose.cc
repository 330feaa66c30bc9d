// Compose files: services and what they depend on. References between files
// (`include`, `extends`) are named in a warning; nothing is read but the text.
#include <algorithm>

#include "base/utf8.h"
#include "graph/import_builder.h"
#include "graph/json_text.h"

namespace testmesh::graph {
namespace {

using Node = Document::Node;

NodeKey service_key(std::string_view name) {
  return {NodeType::kService, std::string(name), std::string(name)};
}

class Compose {
 public:
  explicit Compose(Document& document) : document_(document), import_(document) {}

  base::Result<Import> read(std::string_view service) && {
    const Node root = document_.root();
    const Node services = document_.find(root, "services");
    if (!document_.is_map(services)) {
      document_.fail(services ? services : root,
                     services ? fmt::format("expected `services` to be a mapping, found {}",
                                            document_.describe(services))
                              : std::string("the document has no `services`: it is no compose file"));
      return std::move(import_).take({});
    }
    if (const Node include = document_.find(root, "include"))
      import_.warn(include, "`include` is not followed: import the other files too");
    services_ = document_.entries(services);
    names_.reserve(services_.size());
    for (const auto& [name, _] : services_) names_.push_back(name);
    std::ranges::sort(names_);
    for (const auto& [name, value] : services_) {
      if (document_.error()) break;
      if (!name.starts_with("x-")) read_service(name, value);
    }
    if (services_.empty()) import_.warn(services, "the file has no services");
    const Node project = document_.find(root, "name");
    return std::move(import_).take(std::string(service.empty() ? document_.text(project) : service));
  }

 private:
  void read_service(std::string_view name, Node value) {
    if (!import_.name_fits(value, name)) return;
    LayerNode& node = import_.node(NodeType::kService, name, name);
    if (document_.kind(value) == Document::Kind::kNull) return;
    if (!document_.is_map(value))
      return document_.fail(value, fmt::format("expected the service `{}` to be a mapping, found {}",
                                               base::utf8_prefix(name, 100), document_.describe(value)));
    take_text(document_, document_.find(value, "image"), "image", node.properties);
    if (const Node extends = document_.find(value, "extends"))
      import_.warn(extends, fmt::format("`extends` of {} is not followed", base::utf8_prefix(name, 100)));
    if (const Node profiles = document_.find(value, "profiles"); document_.size(profiles) > 0)
      import_.warn(profiles, fmt::format("{} belongs to a profile; it is declared as if that were always on",
                                         base::utf8_prefix(name, 100)));
    read_depends_on(name, document_.find(value, "depends_on"));
    for (const Node link : document_.items(document_.find(value, "links"))) {
      const std::string_view target = document_.text(link);
      depend(name, link, target.substr(0, target.find(':')), {});
    }
  }

  void read_depends_on(std::string_view name, Node value) {
    for (const Node item : document_.items(value)) {
      if (document_.kind(item) != Document::Kind::kText && document_.kind(item) != Document::Kind::kNumber)
        return document_.fail(
            item, fmt::format("expected the name of a service, found {}", document_.describe(item)));
      depend(name, item, document_.text(item), {});
    }
    for (const auto& [target, how] : document_.entries(value)) {
      Properties properties;
      take_text(document_, document_.find(how, "condition"), "condition", properties);
      depend(name, how, target, std::move(properties));
    }
    if (value && !document_.is_map(value) && !document_.is_sequence(value) &&
        document_.kind(value) != Document::Kind::kNull)
      document_.fail(value, fmt::format("expected `depends_on` to be a list or a mapping, found {}",
                                        document_.describe(value)));
  }

  void depend(std::string_view name, Node where, std::string_view target, Properties properties) {
    if (document_.error() || !import_.name_fits(where, target)) return;
    if (!std::ranges::binary_search(names_, target))
      import_.warn(where, fmt::format("{} depends on {}, which this file does not declare",
                                      base::utf8_prefix(name, 100), base::utf8_prefix(target, 100)));
    import_.edge(service_key(name), service_key(target), EdgeType::kDependsOn, std::move(properties));
  }

  Document& document_;
  ImportBuilder import_;
  std::vector<Document::Entry> services_;
  std::vector<std::string_view> names_;  // sorted
};

}  // namespace

base::Result<Import> import_compose(Document& document, std::string_view service) {
  return Compose(document).read(service);
}

}  // namespace testmesh::graph
