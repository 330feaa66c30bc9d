// What the readers of documents share. Private to graph.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "graph/document.h"
#include "graph/import.h"

namespace testmesh::graph {

inline constexpr size_t kMaxNameBytes = 1024;    // of a node
inline constexpr size_t kMaxTextProperty = 300;  // of what people wrote; longer is cut
inline constexpr size_t kMaxSentences = 20;

// Why it cannot be the name of a node; empty when it can.
std::string problem_of_name(std::string_view name);

// At most kMaxSentences, then how many more there would be.
class Sentences {
 public:
  void add(std::string sentence) {
    if (++count_ <= kMaxSentences) sentences_.push_back(std::move(sentence));
  }
  bool empty() const { return count_ == 0; }
  std::vector<std::string> take() &&;

 private:
  std::vector<std::string> sentences_;
  size_t count_ = 0;
};

// An import as it grows. Problems of the document go to `document`.
class ImportBuilder {
 public:
  explicit ImportBuilder(Document& document) : document_(document) {}

  Document& document() { return document_; }
  // False: the document is refused.
  bool name_fits(Document::Node, std::string_view name);
  LayerNode& node(NodeType, std::string_view name, std::string_view service);
  void edge(const NodeKey& source, const NodeKey& target, EdgeType, Properties = {});
  void warn(std::string sentence) { warnings_.add(std::move(sentence)); }
  void warn(Document::Node, std::string_view sentence);

  base::Result<Import> take(std::string service) &&;

 private:
  Document& document_;
  LayerContent content_;
  Sentences warnings_;
};

// Sets `name` to the value's text, cut, unless it is none.
void take_text(const Document&, Document::Node, const char* name, Properties&);

// Each for one kind of document.
base::Result<Import> import_openapi(Document&, std::string_view service);
base::Result<Import> import_compose(Document&, std::string_view service);
base::Result<Import> import_flow(Document&, std::string_view service);

}  // namespace testmesh::graph
