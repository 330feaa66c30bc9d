#include "yaml/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

#include "base/utf8.h"

namespace testmesh::yaml {
namespace {

// Leaves yaml-cpp's parser.
struct Stop {};

// Of all texts together, in files as large as allowed.
constexpr size_t kMostCopies = 4;
constexpr std::string_view kCoreTags = "tag:yaml.org,2002:";

struct Size {
  size_t nodes = 1;
  size_t bytes = 0;
  uint32_t depth = 1;
};

Size size_of(const Node& node) {
  Size size{.bytes = node.text.size()};
  for (const auto* children : {&node.keys, &node.values})
    for (const Node& child : *children) {
      const Size inner = size_of(child);
      size.nodes += inner.nodes;
      size.bytes += inner.bytes;
      size.depth = std::max(size.depth, inner.depth + 1);
    }
  return size;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  using PlaceAt = std::function<Document::Place(size_t offset)>;

  TreeBuilder(std::string_view source, const Rules& rules, PlaceAt place_at, std::vector<Problem>& problems)
      : source_(source), rules_(rules), place_at_(std::move(place_at)), problems_(problems) {}
  Node root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, "", anchor, Type::kNothing);
    end();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!rules_.anchors) refuse(mark, "aliases (*name) are not used here");
    const auto named = anchors_.find(anchor);
    if (named == anchors_.end()) refuse(mark, "this alias stands for a value that it is part of");
    const auto& [target, size] = named->second;
    count(mark, size, open_.size());
    Node copy = target;
    set_place(copy, mark);
    put(std::move(copy));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node& node = begin(mark, tag, anchor, Type::kText);
    node.text = value;
    node.style = style_at(node.offset);
    if (!is_closed(node)) refuse(node, "a text in quotes is not closed");
    const std::string_view core = core_tag(tag);
    node.typed = tag == "?" || (!core.empty() && core != "str");
    if (node.typed &&
        (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node.type = Type::kNothing;
      node.text.clear();
    }
    end();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Type::kList);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Type::kMap);
  }
  void OnMapEnd() override {
    Node& map = open_.back().node;
    refuse_twins(map);
    if (rules_.anchors) merge(map);
    end();
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string message) {
    const auto place = place_at_(static_cast<size_t>(std::max(mark.pos, 0)));
    problems_.push_back({place.line, place.column, std::move(message)});
    throw Stop();
  }
  [[noreturn]] void refuse(const Node& node, std::string message) {
    problems_.push_back({node.line, node.column, std::move(message)});
    throw Stop();
  }

  void set_place(Node& node, const YAML::Mark& mark) const {
    const auto place = place_at_(static_cast<size_t>(std::max(mark.pos, 0)));
    node.line = place.line;
    node.column = place.column;
  }

  static std::string_view core_tag(std::string_view tag) {
    return tag.starts_with(kCoreTags) ? tag.substr(kCoreTags.size()) : std::string_view();
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag, Type type) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    const std::string_view core = core_tag(tag);
    const auto is = [&](std::initializer_list<std::string_view> names) {
      return std::ranges::find(names, core) != names.end();
    };
    const bool fits = type == Type::kMap    ? is({"map"})
                      : type == Type::kList ? is({"seq"})
                                            : is({"str", "int", "float", "bool", "null"});
    if (!rules_.tags || !fits)
      refuse(mark, fmt::format("tags ({}) are not used here", base::utf8_prefix(tag, 60)));
  }

  template <typename Place>
  void count(const Place& at, const Size& size, size_t depth) {
    nodes_ += size.nodes;
    bytes_ += size.bytes;
    if (nodes_ > rules_.limits.nodes)
      refuse(at, fmt::format("the file has more than {} values", rules_.limits.nodes));
    if (bytes_ > kMostCopies * rules_.limits.bytes)
      refuse(at, "what the aliases of the file stand for is too large");
    if (depth + size.depth > rules_.limits.depth)
      refuse(at, fmt::format("values nest more than {} levels deep", rules_.limits.depth));
  }

  Node& begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Type type) {
    if (anchor != 0 && !rules_.anchors) refuse(mark, "anchors (&name) are not used here");
    check_tag(mark, tag, type);
    count(mark, Size{}, open_.size());
    Node node;
    node.type = type;
    set_place(node, mark);
    node.offset = static_cast<uint32_t>(behind_properties(static_cast<size_t>(std::max(mark.pos, 0))));
    open_.push_back({std::move(node), anchor});
    return open_.back().node;
  }

  void end() {
    auto [node, anchor] = std::move(open_.back());
    open_.pop_back();
    if (anchor != 0) {
      const Size size = size_of(node);
      kept_nodes_ += size.nodes;
      kept_bytes_ += size.bytes;
      if (kept_nodes_ > rules_.limits.nodes || kept_bytes_ > kMostCopies * rules_.limits.bytes)
        refuse(node, fmt::format("anchors name more than {} values", rules_.limits.nodes));
      anchors_[anchor] = {node, size};
    }
    put(std::move(node));
  }

  void put(Node node) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Node& outer = open_.back().node;
    if (outer.type != Type::kMap || outer.keys.size() > outer.values.size()) {
      outer.values.push_back(std::move(node));
      return;
    }
    if (node.type != Type::kText) refuse(node, "a key must be a text");
    outer.keys.push_back(std::move(node));
  }

  void refuse_twins(const Node& map) {
    std::vector<const Node*> keys;
    for (const Node& key : map.keys) keys.push_back(&key);
    std::ranges::stable_sort(keys, {}, &Node::text);
    for (size_t i = 1; i < keys.size(); ++i)
      if (keys[i]->text == keys[i - 1]->text)
        problems_.push_back({keys[i]->line, keys[i]->column,
                             fmt::format("'{}' stands here twice; the first is in line {}",
                                         base::utf8_prefix(keys[i]->text, 60), keys[i - 1]->line)});
  }

  // What `<<` names is taken over for keys that are not there.
  void merge(Node& map) {
    const auto found =
        std::ranges::find_if(map.keys, [](const Node& key) { return key.typed && key.text == "<<"; });
    if (found == map.keys.end()) return;
    const auto position = found - map.keys.begin();
    const Node source = std::move(map.values[static_cast<size_t>(position)]);
    map.keys.erase(map.keys.begin() + position);
    map.values.erase(map.values.begin() + position);
    std::vector<const Node*> maps;
    if (source.type == Type::kList)
      for (const Node& item : source.values) maps.push_back(&item);
    else
      maps.push_back(&source);
    std::map<std::string, bool, std::less<>> present;
    for (const Node& key : map.keys) present.emplace(key.text, true);
    for (const Node* from : maps) {
      if (from->type != Type::kMap) {
        problems_.push_back({from->line, from->column, "`<<` takes over a map, or a list of maps"});
        continue;
      }
      for (size_t i = 0; i < from->keys.size(); ++i) {
        if (!present.emplace(from->keys[i].text, true).second) continue;
        map.keys.push_back(from->keys[i]);
        map.values.push_back(from->values[i]);
      }
    }
  }

  // The place behind a value's tag and anchor, with which its mark begins.
  size_t behind_properties(size_t at) const {
    while (at < source_.size() && (source_[at] == '&' || source_[at] == '!')) {
      while (at < source_.size() && !is_space(source_[at])) ++at;
      while (at < source_.size() && (is_space(source_[at]) || source_[at] == '#')) {
        if (source_[at] == '#')
          at = std::min(source_.find('\n', at), source_.size());
        else
          ++at;
      }
    }
    return at;
  }
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  Style style_at(size_t offset) const {
    switch (offset < source_.size() ? source_[offset] : ' ') {
      case '\'':
        return Style::kSingleQuoted;
      case '"':
        return Style::kDoubleQuoted;
      case '|':
        return Style::kLiteral;
      case '>':
        return Style::kFolded;
      default:
        return Style::kPlain;
    }
  }

  // yaml-cpp takes the end of the file for the quote.
  bool is_closed(const Node& node) const {
    if (node.style != Style::kSingleQuoted && node.style != Style::kDoubleQuoted) return true;
    const char quote = source_[node.offset];
    for (size_t i = node.offset + 1; i < source_.size(); ++i) {
      if (quote == '"' && source_[i] == '\\') {
        ++i;
      } else if (source_[i] == quote) {
        if (quote == '"' || i + 1 >= source_.size() || source_[i + 1] != quote) return true;
        ++i;
      }
    }
    return false;
  }

  const std::string_view source_;
  const Rules& rules_;
  const PlaceAt place_at_;
  std::vector<Problem>& problems_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<Node, Size>> anchors_;
  size_t nodes_ = 0, bytes_ = 0, kept_nodes_ = 0, kept_bytes_ = 0;
};

// What yaml-cpp says, in words for people who do not write parsers.
std::string sentence_of(const std::string& message) {
  using namespace YAML::ErrorMsg;
  const std::pair<std::string_view, std::string_view> kSentences[] = {
      {END_OF_MAP, "a map ends where it should go on: is this line indented like the one above it?"},
      {END_OF_SEQ, "a list ends where it should go on: is this line indented like the one above it?"},
      {END_OF_MAP_FLOW, "a map that began with `{` is not closed by `}`"},
      {END_OF_SEQ_FLOW, "a list that began with `[` is not closed by `]`"},
      {FLOW_END, "this closes what was never opened"},
      {BLOCK_ENTRY, "no list item can stand here"},
      {MAP_KEY, "no key can stand here"},
      {MAP_VALUE, "no `:` can stand here; a text with `: ` in it needs quotes"},
      {EOF_IN_SCALAR, "a text in quotes is not closed"},
      {DOC_IN_SCALAR, "a text in quotes is not closed before the next document"},
      {TAB_IN_INDENTATION, "a tab stands where only blanks can indent"},
      {UNKNOWN_TOKEN, "no value can begin with this character; put the text in quotes"},
      {CHAR_IN_BLOCK, "nothing but the signs `+`, `-` and a number can stand behind `|` or `>`"},
      {UNKNOWN_ANCHOR, "this alias names no anchor above it"},
      {MULTIPLE_ANCHORS, "a value can have one anchor"},
      {MULTIPLE_TAGS, "a value can have one tag"},
      {ALIAS_CONTENT, "an alias stands alone"},
  };
  for (const auto& [theirs, ours] : kSentences)
    if (message == theirs) return std::string(ours);
  return message;
}

}  // namespace

Document::Document(std::string_view text, const Rules& rules) {
  if (text.size() > rules.limits.bytes) {
    index_lines();
    const size_t bytes = rules.limits.bytes;
    const bool mebi = bytes % (1 << 20) == 0;
    problems_.push_back(
        {1, 1,
         fmt::format("the file is larger than {} {}", bytes >> (mebi ? 20 : 10), mebi ? "MiB" : "KiB")});
    return;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  source_ = text;
  index_lines();
  parse(rules);
}

void Document::parse(const Rules& rules) {
  const auto problem_at = [&](size_t offset, std::string message) {
    const Place place = place_at(offset);
    problems_.push_back({place.line, place.column, std::move(message)});
  };
  for (size_t i = 0; i < source_.size();) {
    const auto c = static_cast<unsigned char>(source_[i]);
    const size_t length = base::utf8_length(std::string_view(source_).substr(i));
    if (length == 0) return problem_at(i, "this is no text in UTF-8");
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
      return problem_at(i, fmt::format("the control character U+{:04X} cannot stand in YAML", c));
    i += length;
  }
  const auto place = [this](size_t offset) { return place_at(offset); };
  TreeBuilder builder(source_, rules, place, problems_);
  try {
    std::istringstream stream{source_};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      problems_.push_back({1, 1, "the file is empty"});
    } else {
      is_whole_ = true;
      TreeBuilder next(source_, rules, place, problems_);
      if (parser.HandleNextDocument(next))
        problems_.push_back({next.root.line, next.root.column,
                             fmt::format("a second document starts here; {}", rules.one_document)});
    }
  } catch (const Stop&) {
  } catch (const YAML::Exception& error) {
    const bool known = !error.mark.is_null();
    problem_at(known ? static_cast<size_t>(std::max(error.mark.pos, 0)) : source_.size(),
               "no valid YAML: " + sentence_of(error.msg));
  }
  root_ = std::move(builder.root);
}

}  // namespace testmesh::yaml
