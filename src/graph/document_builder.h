// Fills a Document from the events of a parser. Private to graph.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/document.h"

namespace testmesh::graph {

class DocumentBuilder {
 public:
  explicit DocumentBuilder(const DocumentLimits& limits) : limits_(limits) {}

  // False: the document is refused, `refusal` says why; nothing more is taken.
  bool scalar(Document::Kind, std::string_view text, uint32_t line = 0, size_t anchor = 0);
  bool begin(Document::Kind, uint32_t line = 0, size_t anchor = 0);
  bool end();
  bool alias(size_t anchor, uint32_t line = 0);
  bool key(std::string_view text);  // JSON; YAML's keys are values like others
  const std::string& refusal() const { return refusal_; }

  Document take(bool is_yaml);

 private:
  struct Open {
    uint32_t at, last_child;
    bool is_map, has_key;
  };

  bool refuse(std::string_view sentence, uint32_t line);
  uint32_t place(Document::Kind, uint32_t line, size_t anchor);  // 0: refused
  std::pair<uint32_t, uint32_t> store(std::string_view text);

  DocumentLimits limits_;
  Document document_;
  std::vector<Open> open_;
  std::vector<uint32_t> anchors_;
  uint32_t key_at_ = 0, key_size_ = 0;
  std::string refusal_;
};

// Their texts have passed Document's checks of size and characters.
base::Result<Document> read_json(std::string_view text, const DocumentLimits&);
base::Result<Document> read_yaml(std::string_view text, const DocumentLimits&);

}  // namespace testmesh::graph
