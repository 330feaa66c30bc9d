#include "simulate/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

namespace testmesh::simulate {
namespace {

// Leaves yaml-cpp's parser.
struct Stop {};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Problem>& problems) : problems_(problems) {}
  YamlNode root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, "", anchor, YamlType::kNothing);
    end();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases (*name) are not used here");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool nothing = tag == "?" && (value.empty() || value == "~" || value == "null");
    begin(mark, tag, anchor, nothing ? YamlType::kNothing : YamlType::kText).text = value;
    end();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, YamlType::kList);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, YamlType::kMap);
  }
  void OnMapEnd() override {
    std::vector<const YamlNode*> keys;
    for (const YamlNode& key : open_.back().keys) keys.push_back(&key);
    std::ranges::stable_sort(keys, {}, &YamlNode::text);
    for (size_t i = 1; i < keys.size(); ++i)
      if (keys[i]->text == keys[i - 1]->text)
        problems_.push_back({keys[i]->line, keys[i]->column,
                             fmt::format("'{}' stands here twice; the first is in line {}",
                                         keys[i]->text.substr(0, 60), keys[i - 1]->line)});
    end();
  }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string message) {
    problems_.push_back({static_cast<uint32_t>(std::max(mark.line, 0)) + 1,
                         static_cast<uint32_t>(std::max(mark.column, 0)) + 1, std::move(message)});
    throw Stop();
  }

  YamlNode& begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlType type) {
    if (anchor != 0) refuse(mark, "anchors (&name) are not used here");
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(mark, fmt::format("tags ({}) are not used here", tag));
    if (++nodes_ > kMostYamlNodes)
      refuse(mark, fmt::format("the file has more than {} values", kMostYamlNodes));
    if (open_.size() >= kMostYamlDepth)
      refuse(mark, fmt::format("values nest more than {} levels deep", kMostYamlDepth));
    YamlNode node;
    node.type = type;
    node.line = static_cast<uint32_t>(std::max(mark.line, 0)) + 1;
    node.column = static_cast<uint32_t>(std::max(mark.column, 0)) + 1;
    open_.push_back(std::move(node));
    return open_.back();
  }

  void end() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    YamlNode& outer = open_.back();
    if (outer.type != YamlType::kMap || outer.keys.size() > outer.values.size()) {
      outer.values.push_back(std::move(node));
      return;
    }
    if (node.type != YamlType::kText) {
      problems_.push_back({node.line, node.column, "a key must be a text"});
      throw Stop();
    }
    outer.keys.push_back(std::move(node));
  }

  std::vector<Problem>& problems_;
  std::vector<YamlNode> open_;
  size_t nodes_ = 0;
};

// Where text stops being UTF-8, or npos.
size_t first_bad_byte(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = first < 0x80                    ? 1
                          : first >= 0xc2 && first < 0xe0 ? 2
                          : first >= 0xe0 && first < 0xf0 ? 3
                          : first >= 0xf0 && first < 0xf5 ? 4
                                                          : 0;
    if (length == 0 || i + length > text.size() || first == 0) return i;
    for (size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return i;
    const auto second = static_cast<unsigned char>(length > 1 ? text[i + 1] : 0);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    if (overlong || outside) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace

YamlNode read_yaml(std::string_view text, std::vector<Problem>& problems) {
  if (text.size() > kMostYamlBytes) {
    problems.push_back({1, 1, fmt::format("the file is larger than {} MiB", kMostYamlBytes >> 20)});
    return {};
  }
  if (const size_t bad = first_bad_byte(text); bad != std::string_view::npos) {
    const std::string_view before = text.substr(0, bad);
    const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    problems.push_back({static_cast<uint32_t>(std::ranges::count(before, '\n') + 1),
                        static_cast<uint32_t>(bad - line_start + 1), "this is no text in UTF-8"});
    return {};
  }
  TreeBuilder builder(problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      problems.push_back({1, 1, "the file is empty"});
    } else if (TreeBuilder next(problems); parser.HandleNextDocument(next)) {
      problems.push_back(
          {next.root.line, next.root.column, "a second document starts here; one file describes one system"});
    }
  } catch (const Stop&) {
  } catch (const YAML::Exception& error) {
    problems.push_back({static_cast<uint32_t>(std::max(error.mark.line, 0)) + 1,
                        static_cast<uint32_t>(std::max(error.mark.column, 0)) + 1,
                        "no valid YAML: " + error.msg});
  }
  return std::move(builder.root);
}

}  // namespace testmesh::simulate
