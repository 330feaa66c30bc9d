// SQLite: a file of this machine, or memory.
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cctype>
#include <thread>

#include "actions/database.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using expr::Value;

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Value column_value(sqlite3_stmt* statement, int column, const std::string& declared, size_t& bytes) {
  const auto content = [&] {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
    return std::string_view(data == nullptr ? "" : data,
                            static_cast<size_t>(sqlite3_column_bytes(statement, column)));
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: {
      const int64_t number = sqlite3_column_int64(statement, column);
      if ((declared == "BOOLEAN" || declared == "BOOL") && (number == 0 || number == 1)) return number == 1;
      return number;
    }
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_NULL:
      return {};
    case SQLITE_BLOB:
      bytes += content().size();
      return to_base64(content());
    default:
      bytes += content().size();
      return declared == "JSON" ? json_or_text(content()) : Value(content());
  }
}

// What a statement could reach beside the database of the URL.
int refuse_other_files(void*, int action, const char* first, const char*, const char*, const char*) {
  if (action == SQLITE_ATTACH || action == SQLITE_DETACH) return SQLITE_DENY;
  if (action == SQLITE_FUNCTION || action == SQLITE_PRAGMA) {
    const std::string name = upper(first == nullptr ? "" : first);
    if (name == "LOAD_EXTENSION" || name == "TEMP_STORE_DIRECTORY" || name == "DATA_STORE_DIRECTORY")
      return SQLITE_DENY;
  }
  return SQLITE_OK;
}

// Asks `waiting` while statements run and while a lock is waited for.
class Interruptible {
 public:
  Interruptible(sqlite3* handle, const Waiting& waiting) : handle_(handle) {
    auto* context = const_cast<Waiting*>(&waiting);
    sqlite3_progress_handler(
        handle, 2000, [](void* time) { return static_cast<const Waiting*>(time)->over() ? 1 : 0; }, context);
    sqlite3_busy_handler(
        handle,
        [](void* time, int) {
          const auto& limit = *static_cast<const Waiting*>(time);
          if (limit.over()) return 0;
          std::this_thread::sleep_for(std::min(limit.left(), std::chrono::milliseconds(5)));
          return 1;
        },
        context);
  }
  ~Interruptible() {
    sqlite3_progress_handler(handle_, 0, nullptr, nullptr);
    sqlite3_busy_handler(handle_, nullptr, nullptr);
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  sqlite3* handle_;
};

class SqliteConnection final : public DatabaseConnection {
 public:
  explicit SqliteConnection(std::string file) : file_(std::move(file)) {}
  ~SqliteConnection() override { sqlite3_close_v2(handle_); }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  std::optional<DatabaseError> open(bool confined);
  bool usable() override { return true; }
  DatabaseExpected<DatabaseResult> query(const DatabaseQuery&, const Waiting&) override;

 private:
  std::optional<DatabaseError> bind(sqlite3_stmt*, const expr::List& params);
  DatabaseError failure(int code, const Waiting&, std::string_view query) const;

  std::string file_;
  sqlite3* handle_ = nullptr;
};

std::optional<DatabaseError> SqliteConnection::open(bool confined) {
  const auto failed = [&](std::string_view why) {
    return DatabaseError{{"connection", fmt::format("could not open the SQLite file {}: {}", file_, why)}};
  };
  struct stat found{};
  if (file_ != ":memory:" && stat(file_.c_str(), &found) == 0 && !S_ISREG(found.st_mode))
    return failed("it is no plain file");
  const int code = sqlite3_open_v2(
      file_.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  if (code != SQLITE_OK) {
    const int reason = handle_ == nullptr ? 0 : sqlite3_system_errno(handle_);
    const char* message = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
    return failed(reason == 0 ? std::string(message)
                              : fmt::format("{} ({})", message, std::generic_category().message(reason)));
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, static_cast<int>(kMostRowBytes));
  if (confined) sqlite3_set_authorizer(handle_, refuse_other_files, nullptr);
  return std::nullopt;
}

DatabaseError SqliteConnection::failure(int code, const Waiting& waiting, std::string_view query) const {
  if ((code & 0xff) == SQLITE_INTERRUPT) return {waiting.error("the query was running")};
  const std::string message = sqlite3_errmsg(handle_);
  if ((code & 0xff) == SQLITE_BUSY && waiting.over())
    return {waiting.error(
        fmt::format("waiting for the SQLite file {}, which another connection has locked", file_))};
  if ((code & 0xff) == SQLITE_TOOBIG)
    return {
        {"too_large", fmt::format("a text or blob of the query is larger than {} MiB", kMostRowBytes >> 20)}};
  std::string text = fmt::format("SQLite says: {} (code {})", message, code);
  if (const int at = sqlite3_error_offset(handle_); at >= 0 && static_cast<size_t>(at) < query.size())
    text += fmt::format(", at byte {} of the query (`{}`)", at + 1,
                        base::utf8_prefix(query.substr(static_cast<size_t>(at)), 40));
  return {{"query", std::move(text)}, std::to_string(code)};
}

std::optional<DatabaseError> SqliteConnection::bind(sqlite3_stmt* statement, const expr::List& params) {
  const int wanted = sqlite3_bind_parameter_count(statement);
  if (static_cast<size_t>(wanted) != params.size())
    return DatabaseError{
        {"query", fmt::format("the query has {} placeholder{}, `params` has {} value{}", wanted,
                              wanted == 1 ? "" : "s", params.size(), params.size() == 1 ? "" : "s")}};
  for (int i = 0; i < wanted; ++i) {
    const Value& value = params[static_cast<size_t>(i)];
    int code = SQLITE_OK;
    switch (value.kind()) {
      case expr::Kind::kNil:
        code = sqlite3_bind_null(statement, i + 1);
        break;
      case expr::Kind::kBool:
        code = sqlite3_bind_int(statement, i + 1, value.as_bool() ? 1 : 0);
        break;
      case expr::Kind::kInt:
        code = sqlite3_bind_int64(statement, i + 1, value.as_int());
        break;
      case expr::Kind::kFloat:
        code = sqlite3_bind_double(statement, i + 1, value.as_float());
        break;
      default: {
        const std::string text = parameter_text(value);
        code = sqlite3_bind_text64(statement, i + 1, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      }
    }
    if (code != SQLITE_OK)
      return DatabaseError{{"query", fmt::format("SQLite says: {}", sqlite3_errmsg(handle_))}};
  }
  return std::nullopt;
}

DatabaseExpected<DatabaseResult> SqliteConnection::query(const DatabaseQuery& query, const Waiting& waiting) {
  const Interruptible interruptible(handle_, waiting);
  DatabaseResult collected;
  RowCollector rows;
  std::string_view rest = query.text;
  while (true) {
    sqlite3_stmt* prepared = nullptr;
    const char* tail = nullptr;
    int code = sqlite3_prepare_v2(handle_, rest.data(), static_cast<int>(rest.size()), &prepared, &tail);
    const std::string_view own = rest;
    rest.remove_prefix(tail == nullptr ? rest.size() : static_cast<size_t>(tail - rest.data()));
    Statement statement(prepared);
    if (code != SQLITE_OK) return std::unexpected(failure(code, waiting, own));
    if (prepared == nullptr) {
      if (rest.empty()) break;
      continue;
    }
    if (auto error = bind(prepared, query.params)) return std::unexpected(std::move(*error));
    const int columns = sqlite3_column_count(prepared);
    std::vector<std::string> declared;
    if (columns > 0) {
      std::vector<std::string> names;
      for (int i = 0; i < columns; ++i) {
        names.emplace_back(sqlite3_column_name(prepared, i));
        const char* type = sqlite3_column_decltype(prepared, i);
        declared.push_back(upper(type == nullptr ? "" : type));
      }
      rows.begin(std::move(names));
      collected.truncated = false;
    }
    const int64_t changes_before = sqlite3_total_changes64(handle_);
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
      std::vector<Value> values;
      size_t bytes = 0;
      for (int i = 0; i < columns; ++i)
        values.push_back(column_value(prepared, i, declared[static_cast<size_t>(i)], bytes));
      const auto added = rows.add(std::move(values), bytes, query.max_rows);
      if (added == RowCollector::Added::kTooLarge) return std::unexpected(rows.too_large());
      // RETURNING gives its rows when all changes are made.
      if (added == RowCollector::Added::kEnough) {
        collected.truncated = true;
        code = SQLITE_DONE;
        break;
      }
      // Few instructions a row: the progress handler may never be asked.
      if (waiting.over()) {
        code = SQLITE_INTERRUPT;
        break;
      }
    }
    if (code != SQLITE_DONE) return std::unexpected(failure(code, waiting, own));
    // sqlite3_changes() still speaks of the statement before a CREATE TABLE.
    if (sqlite3_total_changes64(handle_) != changes_before)
      collected.rows_affected += sqlite3_changes64(handle_);
  }
  collected.rows = rows.take();
  return collected;
}

}  // namespace

NewConnection open_sqlite(const DatabaseUrl& url, bool confined, const Waiting&) {
  auto connection = std::make_unique<SqliteConnection>(url.file);
  if (auto error = connection->open(confined)) return std::unexpected(std::move(*error));
  return connection;
}

}  // namespace testmesh::actions
