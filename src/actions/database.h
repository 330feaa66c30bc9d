// What database_query asks of a database. Private to the module: one source
// for each database's client library implements it.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/config_reader.h"
#include "actions/connection_url.h"
#include "actions/host_policy.h"
#include "actions/sql_text.h"
#include "expr/value.h"

namespace testmesh::actions {

inline constexpr size_t kMostRowBytes = 64u << 20;  // of one result

struct DatabaseUrl {
  SqlDialect dialect = SqlDialect::kPostgres;
  std::string user;
  std::optional<std::string> password;
  std::string host;    // empty with a socket and a file
  uint16_t port = 0;   // never 0 with a host
  std::string socket;  // PostgreSQL: the folder of it, MariaDB: the file; absolute
  std::string database;
  std::string file;  // of SQLite; ":memory:"
  std::string ssl_mode, ssl_ca, ssl_cert, ssl_key;
  std::string options, application_name;  // of PostgreSQL

  std::string place() const;  // "db:5432", "/run/my.sock", "orders.db"
};
// The error is a sentence that shows no password.
std::expected<DatabaseUrl, std::string> parse_database_url(std::string_view text);

struct DatabaseQuery {
  std::string text;
  expr::List params;  // in order; empty: none
  size_t max_rows = 1000;
  SqlSummary summary;
};

struct DatabaseResult {
  expr::List rows;  // maps
  int64_t rows_affected = 0;
  bool truncated = false;  // there were more rows than max_rows
};

struct DatabaseError {
  ActionError error;
  std::string status_code = {};  // SQLSTATE, or the database's own number
};

template <typename T>
using DatabaseExpected = std::expected<T, DatabaseError>;

// One thread at a time.
class DatabaseConnection {
 public:
  virtual ~DatabaseConnection() = default;
  // It can take a query: still open, nothing under way. Never blocks.
  virtual bool usable() = 0;
  // After an error it may be unusable.
  virtual DatabaseExpected<DatabaseResult> query(const DatabaseQuery&, const Waiting&) = 0;
};

using NewConnection = DatabaseExpected<std::unique_ptr<DatabaseConnection>>;
NewConnection connect_postgres(const DatabaseUrl&, const HostPolicy&, const Waiting&);
NewConnection connect_mariadb(const DatabaseUrl&, const HostPolicy&, const Waiting&);
// `confined`: no other file than the URL's may be opened by statements.
NewConnection open_sqlite(const DatabaseUrl&, bool confined, const Waiting&);

inline std::unexpected<DatabaseError> database_error(std::string_view code, std::string message,
                                                     std::string_view status_code = {}) {
  return std::unexpected(DatabaseError{{std::string(code), std::move(message)}, std::string(status_code)});
}
inline std::unexpected<DatabaseError> database_error(ActionError error) {
  return std::unexpected(DatabaseError{std::move(error)});
}

// Collects rows within the limits.
class RowCollector {
 public:
  // Of the statement that gives rows now; those of an earlier one are dropped.
  // A name that is there already gets _2, _3, ….
  void begin(std::vector<std::string> columns);
  // `bytes`: what the row takes about. False: there is no room for it.
  enum class Added { kYes, kEnough, kTooLarge };
  Added add(std::vector<expr::Value> values, size_t bytes, size_t max_rows);
  expr::List take() { return std::move(rows_); }
  DatabaseError too_large() const;

 private:
  std::vector<std::string> columns_;
  expr::List rows_;
  size_t bytes_ = 0;
};

// How much has come over a TCP connection; 0 for another socket.
size_t received_bytes(int fd);

// Decimal text of any length: an integer where it is one of 64 bits, a float
// where 15 digits are enough, the text as it is otherwise.
expr::Value exact_number(std::string_view text);
expr::Value integer_or_text(std::string_view text);
expr::Value float_or_text(std::string_view text);
// "2026-11-27 10:00:00.5+02" → "2026-11-27T10:00:00.5+02:00"; others as they are.
std::string rfc3339_like(std::string_view text);
expr::Value json_or_text(std::string_view text);
// A parameter as text.
std::string parameter_text(const expr::Value&);

}  // namespace testmesh::actions
