#include "graph/document_builder.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace testmesh::graph {
namespace {

// Far more than any document needs that is written for people, and few enough
// for every parser's stack.
constexpr size_t kMaxDepth = 100;

}  // namespace

bool DocumentBuilder::refuse(std::string_view sentence, uint32_t line) {
  refusal_ = line == 0 ? std::string(sentence) : fmt::format("line {}: {}", line, sentence);
  return false;
}

std::pair<uint32_t, uint32_t> DocumentBuilder::store(std::string_view text) {
  const auto at = static_cast<uint32_t>(document_.strings_.size());
  document_.strings_ += text;
  return {at, static_cast<uint32_t>(text.size())};
}

uint32_t DocumentBuilder::place(Document::Kind kind, uint32_t line, size_t anchor) {
  auto& values = document_.values_;
  if (values.size() > limits_.values) {
    refuse(fmt::format("the document has more than {} values", limits_.values), line);
    return 0;
  }
  if (document_.root_ != 0 && open_.empty()) {
    refuse("the document ends before this", line);
    return 0;
  }
  const auto at = static_cast<uint32_t>(values.size());
  Document::Value& value = values.emplace_back();
  value.kind = kind;
  value.line = line;
  if (open_.empty()) {
    document_.root_ = at;
  } else {
    Open& parent = open_.back();
    if (parent.is_map) {
      value.key_at = key_at_;
      value.key_size = key_size_;
      parent.has_key = false;
    }
    (parent.last_child == 0 ? values[parent.at].first : values[parent.last_child].next) = at;
    ++values[parent.at].count;
    parent.last_child = at;
  }
  if (anchor != 0) {
    if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
    anchors_[anchor] = at;
  }
  return at;
}

bool DocumentBuilder::key(std::string_view text) {
  std::tie(key_at_, key_size_) = store(text);
  open_.back().has_key = true;
  return true;
}

bool DocumentBuilder::scalar(Document::Kind kind, std::string_view text, uint32_t line, size_t anchor) {
  if (!open_.empty() && open_.back().is_map && !open_.back().has_key) {
    if (anchor == 0) return key(text);
    return refuse("an anchor on a key is not supported", line);
  }
  const uint32_t at = place(kind, line, anchor);
  if (at == 0) return false;
  std::tie(document_.values_[at].text_at, document_.values_[at].text_size) = store(text);
  return true;
}

bool DocumentBuilder::begin(Document::Kind kind, uint32_t line, size_t anchor) {
  if (!open_.empty() && open_.back().is_map && !open_.back().has_key)
    return refuse("a key is a text, not a list or a mapping", line);
  if (open_.size() >= kMaxDepth)
    return refuse(fmt::format("more than {} levels of nesting", kMaxDepth), line);
  const uint32_t at = place(kind, line, anchor);
  if (at == 0) return false;
  open_.push_back({at, 0, kind == Document::Kind::kMap, false});
  return true;
}

bool DocumentBuilder::end() {
  open_.pop_back();
  return true;
}

bool DocumentBuilder::alias(size_t anchor, uint32_t line) {
  const uint32_t target = anchor < anchors_.size() ? anchors_[anchor] : 0;
  if (target == 0) return refuse("an alias of nothing", line);
  if (!open_.empty() && open_.back().is_map && !open_.back().has_key) {
    const std::string name(document_.text({target}));
    return document_.size({target}) > 0 ? refuse("a key is a text, not a list or a mapping", line)
                                        : key(name);
  }
  const uint32_t at = place(document_.values_[target].kind, line, 0);
  if (at == 0) return false;
  document_.values_[at].first = target;
  document_.values_[at].is_alias = true;
  return true;
}

Document DocumentBuilder::take(bool is_yaml) {
  document_.is_yaml_ = is_yaml;
  document_.steps_left_ = limits_.steps;
  if (document_.root_ == 0) scalar(Document::Kind::kNull, {});
  return std::move(document_);
}

base::Result<Document> Document::parse_json(std::string_view text, const DocumentLimits& limits) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.size() > limits.bytes)
    return base::fail(
        base::ErrorCode::kInvalidArgument,
        fmt::format("The document has {} bytes; at most {} are read", text.size(), limits.bytes));
  if (!base::valid_utf8(text))
    return base::fail(base::ErrorCode::kInvalidArgument, "The document is not UTF-8 text");
  return read_json(text, limits);
}

base::Result<Document> Document::parse(std::string_view text, const DocumentLimits& limits) {
  const size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const bool is_flow = first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
  auto json = is_flow ? parse_json(text, limits) : base::Result<Document>(Document());
  if (is_flow && json) return json;  // otherwise it may be YAML that begins like JSON
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.size() > limits.bytes)
    return base::fail(
        base::ErrorCode::kInvalidArgument,
        fmt::format("The document has {} bytes; at most {} are read", text.size(), limits.bytes));
  // A zero byte would also make YAML's reader guess UTF-16.
  if (!base::valid_utf8(text) || text.find('\0') != std::string_view::npos)
    return base::fail(base::ErrorCode::kInvalidArgument, "The document is not UTF-8 text");
  auto yaml = read_yaml(text, limits);
  return yaml || !is_flow ? std::move(yaml) : std::move(json);
}

}  // namespace testmesh::graph
