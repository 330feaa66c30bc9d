#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/document_builder.h"

namespace testmesh::graph {
namespace {

// nlohmann's parser keeps its own stack, so depth costs it nothing.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Reader(std::string_view text, DocumentBuilder& builder) : text_(text), builder_(builder) {}

  bool null() override { return builder_.scalar(Document::Kind::kNull, {}); }
  bool boolean(bool value) override {
    return builder_.scalar(Document::Kind::kBool, value ? "true" : "false");
  }
  bool number_integer(number_integer_t value) override { return number(fmt::format("{}", value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(fmt::format("{}", value)); }
  bool number_float(number_float_t value, const string_t&) override {
    return number(fmt::format("{}", value));
  }
  bool string(string_t& value) override { return builder_.scalar(Document::Kind::kText, value); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return builder_.begin(Document::Kind::kMap); }
  bool key(string_t& value) override { return builder_.key(value); }
  bool end_object() override { return builder_.end(); }
  bool start_array(std::size_t) override { return builder_.begin(Document::Kind::kSequence); }
  bool end_array() override { return builder_.end(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    const std::string_view before = text_.substr(0, std::min(position, text_.size()));
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    problem_ =
        fmt::format("The document is no JSON: line {}, column {}", std::ranges::count(before, '\n') + 1,
                    std::max<size_t>(before.size() - line_start, 1));
    return false;
  }

  const std::string& problem() const { return problem_; }

 private:
  bool number(const std::string& text) { return builder_.scalar(Document::Kind::kNumber, text); }

  std::string_view text_;
  DocumentBuilder& builder_;
  std::string problem_;
};

}  // namespace

base::Result<Document> read_json(std::string_view text, const DocumentLimits& limits) {
  DocumentBuilder builder(limits);
  Reader reader(text, builder);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) return builder.take(false);
  return base::fail(base::ErrorCode::kInvalidArgument,
                    reader.problem().empty() ? fmt::format("The document is refused: {}", builder.refusal())
                                             : reader.problem());
}

}  // namespace testmesh::graph
