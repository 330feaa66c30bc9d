#include "graph/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/utf8.h"
#include "graph/json_text.h"

namespace testmesh::graph {
namespace {

constexpr int kMaxMergeDepth = 16;
constexpr size_t kMaxEntries = 1'000'000;
constexpr std::string_view kMergeKey = "<<";

}  // namespace

const Document::Value& Document::resolved(Node node) const {
  const Value& value = values_[node.at];
  return value.is_alias ? values_[value.first] : value;
}

std::string_view Document::key(const Value& value) const {
  return std::string_view(strings_).substr(value.key_at, value.key_size);
}

Document::Kind Document::kind(Node node) const { return node ? resolved(node).kind : Kind::kAbsent; }

std::string_view Document::text(Node node) const {
  if (!node) return {};
  const Value& value = resolved(node);
  return std::string_view(strings_).substr(value.text_at, value.text_size);  // empty of a container
}

bool Document::step() {
  if (steps_left_ > 0) {
    --steps_left_;
    return true;
  }
  fail("The document refers to its own parts so often that reading it was given up");
  return false;
}

Document::Node Document::find(Node node, std::string_view wanted) {
  if (!is_map(node)) return {};
  Node found, merged;
  for (uint32_t at = resolved(node).first; at != 0 && step(); at = values_[at].next) {
    const std::string_view name = key(values_[at]);
    if (is_yaml_ && name == kMergeKey) merged = {at};
    if (name != wanted) continue;
    if (found) fail({at}, fmt::format("the key `{}` comes twice", base::utf8_prefix(name, 100)));
    found = {at};
  }
  if (found || !merged) return found;
  std::vector<Entry> all;
  collect(node, all, 0);
  const auto entry = std::ranges::find(all, wanted, &Entry::first);
  return entry == all.end() ? Node{} : entry->second;
}

// Own entries first: the first of a name counts.
size_t Document::collect(Node map, std::vector<Entry>& entries, int depth) {
  if (error_) return 0;
  if (depth > kMaxMergeDepth || entries.size() > kMaxEntries) {
    fail(map, "too many merges (`<<`) inside one another");
    return 0;
  }
  std::vector<Node> merged;
  const size_t before = entries.size();
  for (uint32_t at = resolved(map).first; at != 0 && step(); at = values_[at].next) {
    if (is_yaml_ && key(values_[at]) == kMergeKey)
      merged.push_back({at});
    else
      entries.emplace_back(key(values_[at]), Node{at});
  }
  const size_t own = entries.size() - before;
  const auto merge = [&](Node source) {
    if (is_map(source))
      collect(source, entries, depth + 1);
    else
      fail(source, fmt::format("`<<` merges mappings, not {}", describe(source)));
  };
  for (const Node source : merged) {
    if (is_sequence(source))
      for (const Node item : items(source)) merge(item);
    else
      merge(source);
  }
  return own;
}

std::vector<Document::Entry> Document::entries(Node map) {
  std::vector<Entry> all;
  if (!is_map(map)) return all;
  const size_t own = collect(map, all, 0);
  std::unordered_set<std::string_view> names;
  names.reserve(all.size());
  size_t kept = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (names.insert(all[i].first).second)
      all[kept++] = all[i];
    else if (i < own)
      fail(all[i].second, fmt::format("the key `{}` comes twice", base::utf8_prefix(all[i].first, 100)));
  }
  all.resize(kept);
  return all;
}

std::vector<Document::Node> Document::items(Node sequence) {
  std::vector<Node> all;
  if (!is_sequence(sequence)) return all;
  for (uint32_t at = resolved(sequence).first; at != 0 && step(); at = values_[at].next) all.push_back({at});
  return all;
}

size_t Document::size(Node node) const { return node ? resolved(node).count : 0; }

uint32_t Document::line(Node node) const { return node ? values_[node.at].line : 0; }

std::string Document::at(Node node) const {
  return line(node) == 0 ? std::string() : fmt::format("line {}", line(node));
}

std::string Document::describe(Node node) const {
  switch (kind(node)) {
    case Kind::kAbsent:
    case Kind::kNull:
      return "nothing";
    case Kind::kBool:
    case Kind::kNumber:
      return fmt::format("`{}`", base::utf8_prefix(text(node), 60));
    case Kind::kText:
      return fmt::format("the text `{}`", base::utf8_prefix(text(node), 60));
    case Kind::kSequence:
      return "a list";
    case Kind::kMap:
      return "a mapping";
  }
  return {};
}

void Document::fail(std::string sentence) {
  if (!error_) error_ = std::move(sentence);
}

void Document::fail(Node node, std::string_view sentence) {
  const std::string where = at(node);
  fail(where.empty() ? std::string(sentence) : fmt::format("{}: {}", where, sentence));
}

bool Document::append_json(Node node, std::string& out, size_t max_bytes) {
  if (!step() || out.size() > max_bytes) return false;
  switch (kind(node)) {
    case Kind::kAbsent:
    case Kind::kNull:
      out += "null";
      break;
    case Kind::kBool:
    case Kind::kNumber:
      out += text(node);
      break;
    case Kind::kText:
      append_json_string(out, text(node));
      break;
    case Kind::kSequence: {
      out += '[';
      const char* separator = "";
      for (const Node item : items(node)) {
        out += std::exchange(separator, ",");
        if (!append_json(item, out, max_bytes)) return false;
      }
      out += ']';
      break;
    }
    case Kind::kMap: {
      out += '{';
      const char* separator = "";
      std::vector<Entry> sorted = entries(node);
      std::ranges::sort(sorted, {}, &Entry::first);
      for (const auto& [name, value] : sorted) {
        out += std::exchange(separator, ",");
        append_json_string(out, name);
        out += ':';
        if (!append_json(value, out, max_bytes)) return false;
      }
      out += '}';
      break;
    }
  }
  return out.size() <= max_bytes;
}

std::string Document::json(Node node, size_t max_bytes) {
  std::string out;
  if (!append_json(node, out, max_bytes)) out.clear();
  return out;
}

}  // namespace testmesh::graph
