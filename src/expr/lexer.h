// Source text -> tokens.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::expr {

enum class TokenKind : uint8_t { kName, kNumber, kText, kOperator, kBracket, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t offset = 0, end = 0;  // bytes of the source
  std::string_view text;         // as written
  std::string value;             // kText: what it means

  bool is(TokenKind of, std::string_view spelled) const { return kind == of && text == spelled; }
};

// Where, and what is wrong.
struct SyntaxError {
  std::string message;
  uint32_t offset = 0;
};

// Ends with a kEnd. The source outlives the tokens.
std::expected<std::vector<Token>, SyntaxError> tokenize(std::string_view source);

bool is_name(std::string_view text);     // could be written as `.name`
bool is_keyword(std::string_view text);  // an operator that is a word: and, in, let, …

}  // namespace testmesh::expr
