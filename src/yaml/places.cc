// From places in a scalar's text back to places in the file.
#include <algorithm>

#include "base/utf8.h"
#include "yaml/tree.h"

namespace testmesh::yaml {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }

struct Block {
  size_t begin = 0;   // of the first line behind the header
  size_t indent = 0;  // blanks in front of each line's text
};

Block block_of(std::string_view source, const Node& node) {
  Block block;
  block.begin = std::min(source.find('\n', node.offset), source.size() - 1) + 1;
  // As the first line with text has it; blanks of its own are in the text.
  size_t at = block.begin;
  for (;;) {
    size_t blanks = 0;
    while (at + blanks < source.size() && source[at + blanks] == ' ') ++blanks;
    if (at + blanks >= source.size()) return block;
    if (!is_break(source[at + blanks])) {
      block.indent = blanks;
      break;
    }
    const size_t next = source.find('\n', at);
    if (next == std::string_view::npos) return block;
    at = next + 1;
  }
  const size_t first = node.text.find_first_not_of('\n');
  if (first != std::string::npos) {
    size_t own = 0;
    while (first + own < node.text.size() && node.text[first + own] == ' ') ++own;
    block.indent -= std::min(own, block.indent);
  }
  return block;
}

// Walks the source and the text that was read from it side by side.
class Walk {
 public:
  Walk(std::string_view source, const Node& node) : source_(source), text_(node.text) {}

  size_t block(const Block& block, bool folded, size_t target) {
    at_ = block.begin;
    skip_indent(block.indent);
    while (done_ < target && at_ < source_.size()) {
      if (source_[at_] == '\r' && text_[done_] != '\r') {
        ++at_;
      } else if (source_[at_] == '\n') {
        const bool was_folded = folded && text_[done_] == ' ';
        do {
          ++at_;
          skip_indent(block.indent);
        } while (folded && at_ < source_.size() && source_[at_] == '\n');
        if (was_folded) {
          ++done_;
        } else {
          while (done_ < text_.size() && text_[done_] == '\n') {
            ++done_;
            if (!folded) break;
          }
        }
      } else if (!same()) {
        break;
      }
    }
    return at_;
  }

  size_t flow(size_t begin, Style style, size_t target) {
    at_ = begin;
    while (done_ < target && at_ < source_.size()) {
      const char c = source_[at_];
      if (is_blank(c) || is_break(c)) {
        if (!folded_break() && !same()) break;
      } else if (style == Style::kDoubleQuoted && c == '\\') {
        escape();
      } else if (style == Style::kSingleQuoted && c == '\'') {
        if (text_[done_] != '\'') break;
        at_ += 2;
        ++done_;
      } else if (!same()) {
        break;
      }
    }
    return std::min(at_, source_.size());
  }

 private:
  bool same() {
    if (source_[at_] != text_[done_]) return false;
    ++at_;
    ++done_;
    return true;
  }
  void skip_indent(size_t indent) {
    for (size_t i = 0; i < indent && at_ < source_.size() && source_[at_] == ' '; ++i) ++at_;
  }
  // Blanks around line breaks are one blank, or the breaks but the first.
  bool folded_break() {
    size_t end = at_;
    bool breaks = false;
    while (end < source_.size() && (is_blank(source_[end]) || is_break(source_[end])))
      breaks |= is_break(source_[end++]);
    if (!breaks) return false;
    at_ = end;
    if (text_[done_] == ' ') {
      ++done_;
    } else {
      while (done_ < text_.size() && text_[done_] == '\n') ++done_;
    }
    return true;
  }
  void escape() {
    const char kind = at_ + 1 < source_.size() ? source_[at_ + 1] : ' ';
    at_ += 2;
    if (is_break(kind)) {  // the line goes on below
      while (at_ < source_.size() && (is_blank(source_[at_]) || is_break(source_[at_]))) ++at_;
      return;
    }
    at_ += kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    done_ += std::max<size_t>(base::utf8_length(text_.substr(done_)), 1);
  }

  const std::string_view source_, text_;
  size_t at_ = 0, done_ = 0;
};

}  // namespace

size_t Document::source_offset(const Node& node, size_t text_offset) const {
  const size_t target = std::min(text_offset, node.text.size());
  if (node.offset >= source_.size()) return source_.size();
  Walk walk(source_, node);
  switch (node.style) {
    case Style::kLiteral:
    case Style::kFolded:
      return walk.block(block_of(source_, node), node.style == Style::kFolded, target);
    case Style::kPlain:
      return walk.flow(node.offset, node.style, target);
    case Style::kSingleQuoted:
    case Style::kDoubleQuoted:
      return walk.flow(node.offset + 1, node.style, target);
  }
  return node.offset;
}

Document::Place Document::text_start(const Node& node) const { return place_at(source_offset(node, 0)); }

Document::Place Document::place_in(const Node& node, uint32_t line, uint32_t column) const {
  const std::string_view text = node.text;
  size_t at = 0;
  for (uint32_t l = 1; l < line; ++l) {
    const size_t next = text.find('\n', at);
    if (next == std::string_view::npos) break;
    at = next + 1;
  }
  for (uint32_t c = 1; c < column && at < text.size() && text[at] != '\n'; ++c)
    at += std::max<size_t>(base::utf8_length(text.substr(at)), 1);
  return place_at(source_offset(node, std::min(at, text.size())));
}

namespace {

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void Document::index_lines() {
  // Characters before every so many bytes, so that no line is counted through
  // for each of the values on it.
  line_starts_.push_back(0);
  size_t count = 0;
  for (size_t i = 0; i < source_.size(); ++i) {
    if (i % kBlockBytes == 0) characters_before_.push_back(static_cast<uint32_t>(count));
    if ((static_cast<unsigned char>(source_[i]) & 0xc0) != 0x80) ++count;
    if (source_[i] == '\n') line_starts_.push_back(static_cast<uint32_t>(i + 1));
  }
  if (source_.size() % kBlockBytes == 0) characters_before_.push_back(static_cast<uint32_t>(count));
}

size_t Document::characters_before(size_t offset) const {
  const size_t block = offset / kBlockBytes;
  return characters_before_[block] +
         characters(std::string_view(source_).substr(block * kBlockBytes, offset % kBlockBytes));
}

Document::Place Document::place_at(size_t offset) const {
  offset = std::min(offset, source_.size());
  const auto next = std::ranges::upper_bound(line_starts_, offset);
  const auto line = static_cast<size_t>(next - line_starts_.begin());
  return {static_cast<uint32_t>(line),
          static_cast<uint32_t>(characters_before(offset) - characters_before(line_starts_[line - 1]) + 1)};
}

}  // namespace testmesh::yaml
