// What people write into the config of database_query and redis: connection
// URLs, SQL with named parameters, commands. Nothing of it may hang or crash,
// and no password may show.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "actions/connection_url.h"
#include "actions/database.h"
#include "actions/redis_command.h"
#include "actions/sql_text.h"

namespace {

using namespace testmesh;
using namespace testmesh::actions;

void require(bool condition) {
  if (!condition) std::abort();
}

void read_url(std::string_view text) {
  const std::string shown = mask_url(text);
  const auto url = parse_connection_url(text);
  if (url && url->password && url->has_authority) {
    // The mask of the mask is the mask, and its password is three stars.
    require(mask_url(shown) == shown);
    const auto again = parse_connection_url(shown);
    require(!again || !again->password || *again->password == "***");
  }
  const auto database = parse_database_url(text);
  if (!database) {
    require(!database.error().empty());
  } else {
    require(!database->place().empty());
    require(database->file.empty() == (database->dialect != SqlDialect::kSqlite));
  }
}

void read_sql(std::string_view text) {
  const expr::Map params{{"a", 1}, {"b", "text"}, {"c", expr::Value()}};
  for (const SqlDialect dialect : {SqlDialect::kPostgres, SqlDialect::kMariaDb, SqlDialect::kSqlite}) {
    size_t at = 0, before = 0, placeholders = 0;
    SqlToken token;
    while (next_token(dialect, text, at, token)) {
      require(at > before && at <= text.size() && !token.text.empty());
      before = at;
      if (token.kind == SqlToken::Kind::kPlaceholder) ++placeholders;
    }
    const auto bound = bind_named(dialect, text, params);
    require(bound.has_value() || placeholders > 0);
    if (bound && placeholders == 0) require(bound->text == text && bound->params.empty());
    if (bound) require(bound->params.size() <= placeholders);
    const SqlSummary summary = summarize(dialect, text);
    require(summary.operation.size() <= 32 && summary.table.size() <= 200);
    has_several_statements(dialect, text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) return 0;
  const std::string_view rest = text.substr(1);
  switch (text[0]) {
    case 'u':
      read_url(rest);
      break;
    case 's':
      read_sql(rest);
      break;
    case 'r':
      (void)split_command(rest);
      break;
    default:
      (void)exact_number(rest);
      (void)rfc3339_like(rest);
      break;
  }
  return 0;
}
