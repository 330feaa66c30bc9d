// OpenAPI 3 and Swagger 2: `paths` is the same in both. Schemas, parameters and
// answers are not looked at, so neither their size nor what they refer to counts.
#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "discovery/names.h"
#include "graph/import_builder.h"
#include "graph/json_text.h"

namespace testmesh::graph {
namespace {

using Node = Document::Node;

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kMethods{{{"get", "GET"},
                                                                                 {"put", "PUT"},
                                                                                 {"post", "POST"},
                                                                                 {"delete", "DELETE"},
                                                                                 {"options", "OPTIONS"},
                                                                                 {"head", "HEAD"},
                                                                                 {"patch", "PATCH"},
                                                                                 {"trace", "TRACE"},
                                                                                 {"query", "QUERY"}}};
constexpr size_t kMaxTags = 20;
constexpr size_t kMaxPointerParts = 20;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

// `https://shop.example/api/v1/?x` -> `/api/v1`.
std::string path_of_url(std::string_view url) {
  if (const size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
    url.remove_prefix(std::min(url.find('/'), url.size()));
  } else if (url.starts_with("//")) {
    url.remove_prefix(2);
    url.remove_prefix(std::min(url.find('/'), url.size()));
  }
  url = url.substr(0, url.find_first_of("?#"));
  while (url.starts_with('.')) url.remove_prefix(1);
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

// A part of a JSON pointer: `%7B`, then `~1` and `~0`.
std::string unescape_pointer(std::string_view part) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string plain;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '%' && i + 2 < part.size() && digit(part[i + 1]) >= 0 && digit(part[i + 2]) >= 0) {
      plain += static_cast<char>(digit(part[i + 1]) * 16 + digit(part[i + 2]));
      i += 2;
    } else {
      plain += part[i];
    }
  }
  std::string result;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == '~' && i + 1 < plain.size() && (plain[i + 1] == '0' || plain[i + 1] == '1'))
      result += plain[++i] == '1' ? '/' : '~';
    else
      result += plain[i];
  }
  return result;
}

class OpenApi {
 public:
  explicit OpenApi(Document& document) : document_(document), import_(document) {}

  base::Result<Import> read(std::string_view service) && {
    const Node root = document_.root();
    const Node swagger = document_.find(root, "swagger");
    if (!check_version(root, swagger)) return std::move(import_).take({});
    const Node info = document_.find(root, "info");
    const Node title = document_.find(info, "title");
    service_ = service.empty() ? trimmed(document_.text(title)) : service;
    if (service_.empty())
      document_.fail("The document has no `info.title`; say whose it is with `service`");
    else
      import_.name_fits(title, service_);
    LayerNode& node = import_.node(NodeType::kService, service_, service_);
    take_text(document_, title, "api_title", node.properties);
    take_text(document_, document_.find(info, "version"), "api_version", node.properties);

    const std::string base = swagger ? path_of_url(document_.text(document_.find(root, "basePath")))
                                     : base_path(document_.find(root, "servers")).value_or("");
    read_paths(document_.find(root, "paths"), base);
    if (const Node webhooks = document_.find(root, "webhooks"); document_.size(webhooks) > 0)
      import_.warn(webhooks, "`webhooks` are calls that the service makes; they are left out");
    return std::move(import_).take(std::string(service_));
  }

 private:
  bool check_version(Node root, Node swagger) {
    const Node openapi = document_.find(root, "openapi");
    if (!document_.is_map(root)) {
      document_.fail(root, fmt::format("expected an OpenAPI document, found {}", document_.describe(root)));
      return false;
    }
    if (document_.text(openapi).starts_with("3") || document_.text(swagger).starts_with("2")) return true;
    if (const Node version = openapi ? openapi : swagger)
      document_.fail(version, fmt::format("expected OpenAPI 3 or Swagger 2, found version {}",
                                          document_.describe(version)));
    else
      document_.fail("The document has neither `openapi` nor `swagger`: it is no OpenAPI document");
    return false;
  }

  // Of the first server; none: no servers are given here.
  std::optional<std::string> base_path(Node servers) {
    std::optional<std::string> base;
    bool differ = false;
    for (const Node server : document_.items(servers)) {
      const std::string path = path_of_url(with_defaults(server));
      if (!base)
        base = path;
      else
        differ = differ || path != *base;
    }
    if (differ)
      import_.warn(servers, fmt::format("the servers have different paths; the first one's counts: `{}`",
                                        base::utf8_prefix(base->empty() ? "/" : *base, 100)));
    return base;
  }

  // The server's URL, its variables replaced by their defaults.
  std::string with_defaults(Node server) {
    const std::string_view url = document_.text(document_.find(server, "url")).substr(0, kMaxNameBytes);
    const Node variables = document_.find(server, "variables");
    std::string result;
    for (size_t i = 0; i < url.size();) {
      const size_t close = url[i] == '{' ? url.find('}', i) : std::string_view::npos;
      if (close == std::string_view::npos) {
        result += url[i++];
        continue;
      }
      const std::string_view name = url.substr(i + 1, close - i - 1);
      const Node value = document_.find(document_.find(variables, name), "default");
      result += value ? document_.text(value).substr(0, kMaxNameBytes) : url.substr(i, close + 1 - i);
      i = close + 1;
    }
    return result;
  }

  void read_paths(Node paths, const std::string& base) {
    if (paths && !document_.is_map(paths))
      return document_.fail(
          paths, fmt::format("expected `paths` to be a mapping, found {}", document_.describe(paths)));
    size_t operations = 0;
    for (const auto& [path, item] : document_.entries(paths)) {
      if (document_.error()) return;
      if (path.starts_with("x-")) continue;
      if (!path.starts_with('/')) {
        import_.warn(item, fmt::format("the path `{}` does not begin with `/`; it is left out",
                                       base::utf8_prefix(path, 100)));
        continue;
      }
      operations += read_path(path, item, base);
    }
    if (operations == 0) import_.warn(paths, "the document has no operations");
  }

  size_t read_path(std::string_view path, Node item, const std::string& root_base) {
    if (const Node reference = document_.find(item, "$ref")) {
      const Node target = resolve(reference);
      if (!target) return 0;
      item = target;
    }
    if (!document_.is_map(item)) {
      if (document_.kind(item) != Document::Kind::kNull)
        document_.fail(item, fmt::format("expected the operations of `{}`, found {}",
                                         base::utf8_prefix(path, 100), document_.describe(item)));
      return 0;
    }
    const std::string base = base_path(document_.find(item, "servers")).value_or(root_base);
    size_t operations = 0;
    for (const auto& [key, method] : kMethods) {
      const Node operation = document_.find(item, key);
      if (!operation) continue;
      if (!document_.is_map(operation)) {
        document_.fail(operation, fmt::format("expected the operation {} `{}`, found {}", method,
                                              base::utf8_prefix(path, 100), document_.describe(operation)));
        return operations;
      }
      const std::string own_base = base_path(document_.find(operation, "servers")).value_or(base);
      add_operation(operation, discovery::endpoint_name(
                                   method, discovery::template_route(own_base + std::string(path))));
      ++operations;
    }
    return operations;
  }

  void add_operation(Node operation, const std::string& name) {
    if (!import_.name_fits(operation, name)) return;
    LayerNode& node = import_.node(NodeType::kApiEndpoint, name, service_);
    take_text(document_, document_.find(operation, "operationId"), "operation_id", node.properties);
    take_text(document_, document_.find(operation, "summary"), "summary", node.properties);
    if (document_.text(document_.find(operation, "deprecated")) == "true")
      node.properties["deprecated"] = "true";
    const Node tags = document_.find(operation, "tags");
    std::string list;
    if (document_.size(tags) <= kMaxTags)
      for (const Node tag : document_.items(tags)) {
        list += list.empty() ? "[" : ",";
        append_json_string(list, base::utf8_prefix(document_.text(tag), kMaxTextProperty));
      }
    if (!list.empty()) node.properties["tags"] = list + "]";
    const NodeKey service{NodeType::kService, std::string(service_), std::string(service_)};
    import_.edge(service, node.key, EdgeType::kExposes);
  }

  // One step, inside this document: whoever refers on and on is left out.
  Node resolve(Node reference) {
    const std::string_view text = document_.text(reference);
    if (!text.starts_with("#/")) {
      import_.warn(reference, fmt::format("`$ref` to `{}` is outside of this document; nothing is fetched, "
                                          "so the path is left out",
                                          base::utf8_prefix(text, 200)));
      return {};
    }
    Node node = document_.root();
    size_t parts = 0;
    for (size_t begin = 2; begin <= text.size() && node && ++parts < kMaxPointerParts;) {
      const size_t end = std::min(text.find('/', begin), text.size());
      node = document_.find(node, unescape_pointer(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    if (node && !document_.find(node, "$ref")) return node;
    import_.warn(reference, fmt::format("`$ref` to `{}` leads to no path item; the path is left out",
                                        base::utf8_prefix(text, 200)));
    return {};
  }

  Document& document_;
  ImportBuilder import_;
  std::string_view service_;
};

}  // namespace

base::Result<Import> import_openapi(Document& document, std::string_view service) {
  return OpenApi(document).read(service);
}

}  // namespace testmesh::graph
