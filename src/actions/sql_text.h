// SQL as text: where its literals and comments are, named parameters, and what
// a statement is called.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "expr/value.h"

namespace testmesh::actions {

enum class SqlDialect { kPostgres, kMariaDb, kSqlite };

struct SqlToken {
  enum class Kind {
    kWord,         // name or keyword
    kQuotedName,   // "x", `x`, [x] of SQLite
    kText,         // a literal in quotes, also $tag$…$tag$
    kPlaceholder,  // :name
    kOther         // one character, or a number
  };
  Kind kind = Kind::kOther;
  std::string_view text;  // as written, quotes included
};

// The next token of `sql` from `at` on, which moves past it; comments and
// spaces are skipped. False at the end. What is opened and not closed ends with
// the text.
bool next_token(SqlDialect, std::string_view sql, size_t& at, SqlToken& token);

struct BoundQuery {
  std::string text;
  expr::List params;  // in the order of the placeholders
};

// `:name` outside of literals and comments becomes the database's placeholder
// ($1, ?, ?1), with the values to bind. `::type`, `a[1:n]` and `:=` stay.
// The error names what `params` lacks.
std::expected<BoundQuery, std::string> bind_named(SqlDialect, std::string_view sql, const expr::Map& params);

struct SqlSummary {
  std::string operation;  // "SELECT"; empty: nothing that looks like one
  std::string table;      // of the first FROM, INTO, UPDATE, TABLE; empty: none
};
SqlSummary summarize(SqlDialect, std::string_view sql);

// More than one statement is in it.
bool has_several_statements(SqlDialect, std::string_view sql);

}  // namespace testmesh::actions
