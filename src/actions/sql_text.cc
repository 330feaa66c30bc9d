#include "actions/sql_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace testmesh::actions {
namespace {

bool word_start(unsigned char c) { return std::isalpha(c) != 0 || c == '_' || c >= 0x80; }
bool word_part(unsigned char c) { return word_start(c) || std::isdigit(c) != 0 || c == '$'; }

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

size_t end_of_line(std::string_view sql, size_t at) {
  const size_t end = sql.find('\n', at);
  return end == std::string_view::npos ? sql.size() : end + 1;
}

// PostgreSQL's comments nest.
size_t end_of_comment(SqlDialect dialect, std::string_view sql, size_t at) {
  size_t depth = 1;
  for (at += 2; at < sql.size(); ++at) {
    if (sql.substr(at, 2) == "*/") {
      ++at;
      if (--depth == 0) return at + 1;
    } else if (dialect == SqlDialect::kPostgres && sql.substr(at, 2) == "/*") {
      ++at;
      ++depth;
    }
  }
  return sql.size();
}

size_t skip_spaces(SqlDialect dialect, std::string_view sql, size_t at) {
  while (at < sql.size()) {
    const std::string_view two = sql.substr(at, 2);
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      ++at;
    } else if (two == "/*") {
      at = end_of_comment(dialect, sql, at);
    } else if (two == "--") {
      // MariaDB wants a space after it: `5--3` is a sum there.
      const bool spaced = at + 2 >= sql.size() || std::isspace(static_cast<unsigned char>(sql[at + 2])) != 0;
      if (dialect == SqlDialect::kMariaDb && !spaced) return at;
      at = end_of_line(sql, at);
    } else if (dialect == SqlDialect::kMariaDb && sql[at] == '#') {
      at = end_of_line(sql, at);
    } else {
      break;
    }
  }
  return at;
}

size_t end_of_quotes(std::string_view sql, size_t at, char quote, bool backslash) {
  for (++at; at < sql.size(); ++at) {
    if (backslash && sql[at] == '\\') {
      ++at;
    } else if (sql[at] == quote) {
      if (at + 1 < sql.size() && sql[at + 1] == quote) {
        ++at;
      } else {
        return at + 1;
      }
    }
  }
  return sql.size();
}

// $tag$ … $tag$; 0: none begins here.
size_t end_of_dollar_quotes(std::string_view sql, size_t at) {
  size_t end = at + 1;
  if (end < sql.size() && std::isdigit(static_cast<unsigned char>(sql[end])) != 0) return 0;
  while (end < sql.size() && sql[end] != '$' && word_part(static_cast<unsigned char>(sql[end]))) ++end;
  if (end >= sql.size() || sql[end] != '$') return 0;
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const size_t close = sql.find(tag, end + 1);
  return close == std::string_view::npos ? sql.size() : close + tag.size();
}

// A colon begins a parameter unless it belongs to `::`, `:=` or a slice.
bool begins_placeholder(std::string_view sql, size_t at) {
  if (at + 1 >= sql.size() || !word_start(static_cast<unsigned char>(sql[at + 1]))) return false;
  if (at == 0) return true;
  const auto before = static_cast<unsigned char>(sql[at - 1]);
  return before != ':' && !word_part(before) && before != ']' && before != ')';
}

std::string_view unquoted(const SqlToken& token) {
  return token.kind == SqlToken::Kind::kQuotedName && token.text.size() >= 2
             ? token.text.substr(1, token.text.size() - 2)
             : token.text;
}

bool is_name(const SqlToken& token) {
  return token.kind == SqlToken::Kind::kWord || token.kind == SqlToken::Kind::kQuotedName;
}

}  // namespace

bool next_token(SqlDialect dialect, std::string_view sql, size_t& at, SqlToken& token) {
  using enum SqlToken::Kind;
  at = skip_spaces(dialect, sql, at);
  if (at >= sql.size()) return false;
  const size_t begin = at;
  const char c = sql[at];
  const bool escaped_text =
      dialect == SqlDialect::kPostgres && (c == 'E' || c == 'e') && sql.substr(at + 1, 1) == "'";
  if (escaped_text) {
    token.kind = kText;
    at = end_of_quotes(sql, at + 1, '\'', true);
  } else if (c == '\'') {
    token.kind = kText;
    at = end_of_quotes(sql, at, c, dialect == SqlDialect::kMariaDb);
  } else if (c == '"') {
    token.kind = dialect == SqlDialect::kMariaDb ? kText : kQuotedName;
    at = end_of_quotes(sql, at, c, dialect == SqlDialect::kMariaDb);
  } else if (c == '`' && dialect != SqlDialect::kPostgres) {
    token.kind = kQuotedName;
    at = end_of_quotes(sql, at, c, false);
  } else if (c == '[' && dialect == SqlDialect::kSqlite) {
    token.kind = kQuotedName;
    const size_t close = sql.find(']', at);
    at = close == std::string_view::npos ? sql.size() : close + 1;
  } else if (c == '$' && dialect == SqlDialect::kPostgres && end_of_dollar_quotes(sql, at) != 0) {
    token.kind = kText;
    at = end_of_dollar_quotes(sql, at);
  } else if (c == ':' && begins_placeholder(sql, at)) {
    token.kind = kPlaceholder;
    for (++at; at < sql.size() && sql[at] != '$' && word_part(static_cast<unsigned char>(sql[at]));) ++at;
  } else if (word_start(static_cast<unsigned char>(c))) {
    token.kind = kWord;
    while (at < sql.size() && word_part(static_cast<unsigned char>(sql[at]))) ++at;
  } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
    token.kind = kOther;
    while (at < sql.size() && (word_part(static_cast<unsigned char>(sql[at])) || sql[at] == '.')) ++at;
  } else {
    token.kind = kOther;
    ++at;
  }
  token.text = sql.substr(begin, at - begin);
  return true;
}

std::expected<BoundQuery, std::string> bind_named(SqlDialect dialect, std::string_view sql,
                                                  const expr::Map& params) {
  BoundQuery bound;
  std::map<std::string_view, size_t> numbers;  // of names met, from 1
  size_t at = 0, copied = 0;
  SqlToken token;
  while (next_token(dialect, sql, at, token)) {
    if (token.kind != SqlToken::Kind::kPlaceholder) continue;
    const std::string_view name = token.text.substr(1);
    const expr::Value* value = params.find(name);
    if (value == nullptr) {
      std::string known;
      for (const auto& [key, ignored] : params) {
        if (known.size() > 200) break;
        known += fmt::format("{}{}", known.empty() ? "" : ", ", expr::to_text(key));
      }
      return std::unexpected(fmt::format("the query uses :{}, which `params` does not have (it has {})", name,
                                         known.empty() ? "nothing" : known));
    }
    bound.text += sql.substr(copied, at - token.text.size() - copied);
    copied = at;
    const auto [entry, is_new] = numbers.try_emplace(name, numbers.size() + 1);
    if (is_new || dialect == SqlDialect::kMariaDb) bound.params.push_back(*value);
    if (bound.params.size() > 65535) return std::unexpected("the query has more than 65535 parameters");
    switch (dialect) {
      case SqlDialect::kPostgres:
        bound.text += fmt::format("${}", entry->second);
        break;
      case SqlDialect::kSqlite:
        bound.text += fmt::format("?{}", entry->second);
        break;
      case SqlDialect::kMariaDb:
        bound.text += '?';
        break;
    }
    // `:a` right before a digit or letter cannot be: the name would go on.
  }
  bound.text += sql.substr(copied);
  return bound;
}

SqlSummary summarize(SqlDialect dialect, std::string_view sql) {
  SqlSummary summary;
  size_t at = 0;
  SqlToken token;
  bool wants_table = false;
  for (int tokens = 0; tokens < 2000 && next_token(dialect, sql, at, token); ++tokens) {
    if (token.kind == SqlToken::Kind::kOther && token.text == ";") {
      if (!summary.operation.empty()) break;
      continue;
    }
    if (!is_name(token)) {
      wants_table = false;
      continue;
    }
    const std::string word =
        token.kind == SqlToken::Kind::kWord ? upper(token.text.substr(0, 32)) : std::string();
    if (summary.operation.empty()) {
      if (word.empty()) break;
      summary.operation = word;
      wants_table = word == "UPDATE" || word == "TABLE" || word == "TRUNCATE" || word == "REPLACE";
      continue;
    }
    // WITH is the beginning of something else, which says what is done.
    if (summary.operation == "WITH" &&
        (word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "MERGE")) {
      summary.operation = word;
      wants_table = word == "UPDATE";
      continue;
    }
    if (word == "FROM" || word == "INTO" || word == "TABLE" || word == "JOIN") {
      wants_table = true;
    } else if (wants_table && (word == "IF" || word == "NOT" || word == "EXISTS" || word == "ONLY" ||
                               word == "OR" || word == "IGNORE" || word == "LATERAL")) {
      continue;
    } else if (wants_table) {
      std::string name(unquoted(token));
      size_t after = at;
      SqlToken next;
      while (next_token(dialect, sql, after, next) && next.text == "." &&
             next_token(dialect, sql, after, next) && is_name(next) && name.size() < 200) {
        name += '.';
        name += unquoted(next);
      }
      summary.table = name.substr(0, 200);
      break;
    }
  }
  if (summary.operation == "WITH") summary.operation = "SELECT";
  return summary;
}

bool has_several_statements(SqlDialect dialect, std::string_view sql) {
  size_t at = 0;
  SqlToken token;
  bool ended = false;
  while (next_token(dialect, sql, at, token)) {
    if (token.kind == SqlToken::Kind::kOther && token.text == ";") {
      ended = true;
    } else if (ended) {
      return true;
    }
  }
  return false;
}

}  // namespace testmesh::actions
