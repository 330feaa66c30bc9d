#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>

#include "base/utf8.h"
#include "graph/document_builder.h"

namespace testmesh::graph {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// What YAML's core schema reads as a number and JSON writes the same.
bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (!is_digits(whole) || (whole.size() > 1 && whole[0] == '0')) return false;
  return point == std::string_view::npos || is_digits(text.substr(point + 1));
}

Document::Kind kind_of(const std::string& tag, std::string_view text) {
  if (tag != "?" && !tag.empty()) return Document::Kind::kText;  // quoted, or of a type of its own
  if (text == "true" || text == "false") return Document::Kind::kBool;
  return is_number(text) ? Document::Kind::kNumber : Document::Kind::kText;
}

struct Refused {};  // thrown through yaml-cpp, which has no other way to stop

// What yaml-cpp reads. Its scanner may run ahead of all events (the outermost of
// many brackets could still be a key, if a colon came behind it) and holds some
// 200 bytes for each that it meets, so what may open something is counted.
class Text final : public std::streambuf {
 public:
  explicit Text(std::string_view text) {
    // streambuf's pointers are not const; nothing writes through these.
    char* const begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
  void event() { opened_ = 0; }
  bool ran_ahead() const { return opened_ > kMaxOpened; }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize size) override {
    const std::streamsize count = std::streambuf::xsgetn(to, size);
    opened_ += static_cast<size_t>(
        std::count_if(to, to + count, [](char c) { return c == '[' || c == '{' || c == '*' || c == '&'; }));
    if (ran_ahead()) throw Refused();
    return count;
  }

 private:
  static constexpr size_t kMaxOpened = 200'000;

  size_t opened_ = 0;  // since the last event
};

// Aliases come as such: nothing is expanded.
class Reader final : public YAML::EventHandler {
 public:
  Reader(DocumentBuilder& builder, Text& text) : builder_(builder), text_(text) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(builder_.scalar(Document::Kind::kNull, {}, line(mark), anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(builder_.alias(anchor, line(mark)));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(builder_.scalar(kind_of(tag, value), value, line(mark), anchor));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(builder_.begin(Document::Kind::kSequence, line(mark), anchor));
  }
  void OnSequenceEnd() override { builder_.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(builder_.begin(Document::Kind::kMap, line(mark), anchor));
  }
  void OnMapEnd() override { builder_.end(); }

 private:
  static uint32_t line(const YAML::Mark& mark) { return static_cast<uint32_t>(mark.line + 1); }
  void check(bool taken) {
    text_.event();
    if (!taken) throw Refused();
  }

  DocumentBuilder& builder_;
  Text& text_;
};

// yaml-cpp's sentence, which may quote the text at any length.
std::string problem_of(const YAML::Exception& error) {
  const std::string_view message = base::utf8_prefix(error.msg, 200);
  return error.mark.is_null() ? fmt::format("The document is no YAML: {}", message)
                              : fmt::format("The document is no YAML: line {}, column {}: {}",
                                            error.mark.line + 1, error.mark.column + 1, message);
}

}  // namespace

base::Result<Document> read_yaml(std::string_view text, const DocumentLimits& limits) {
  DocumentBuilder builder(limits);
  Text buffer(text);
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    Reader reader(builder, buffer);
    // A second document is refused by the builder.
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const Refused&) {
    return base::fail(base::ErrorCode::kInvalidArgument,
                      buffer.ran_ahead()
                          ? std::string("The document is refused: too many brackets opened and not closed")
                          : fmt::format("The document is refused: {}", builder.refusal()));
  } catch (const YAML::Exception& error) {
    return base::fail(base::ErrorCode::kInvalidArgument, problem_of(error));
  }
  return builder.take(true);
}

}  // namespace testmesh::graph
