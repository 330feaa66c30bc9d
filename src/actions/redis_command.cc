#include "actions/redis_command.h"

#include <array>
#include <cctype>
#include <cstdint>

#include "base/hex.h"

namespace testmesh::actions {
namespace {

bool space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Within double quotes, after the backslash at `at`; moves to the last
// character of the escape.
char escaped(std::string_view text, size_t& at) {
  std::array<uint8_t, 1> byte{};
  if (text[at] == 'x' && at + 2 < text.size() && base::from_hex(text.substr(at + 1, 2), byte)) {
    at += 2;
    return static_cast<char>(byte[0]);
  }
  switch (text[at]) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return text[at];
  }
}

}  // namespace

std::expected<std::vector<std::string>, std::string> split_command(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    if (space(text[at])) {
      ++at;
      continue;
    }
    std::string word;
    while (at < text.size() && !space(text[at])) {
      const char quote = text[at];
      if (quote != '"' && quote != '\'') {
        word += text[at++];
        continue;
      }
      for (++at; at < text.size() && text[at] != quote; ++at) {
        if (text[at] == '\\' && at + 1 < text.size() && (quote == '"' || text[at + 1] == '\'')) {
          ++at;
          word += quote == '"' ? escaped(text, at) : '\'';
        } else {
          word += text[at];
        }
      }
      if (at >= text.size()) return std::unexpected("the command has a quote that is never closed");
      ++at;
      if (at < text.size() && !space(text[at]))
        return std::unexpected("after a closing quote of the command there must be a space");
    }
    words.push_back(std::move(word));
  }
  if (words.empty()) return std::unexpected("the command is empty");
  return words;
}

}  // namespace testmesh::actions
