// MariaDB and MySQL through Connector/C's non-blocking calls: each is driven by
// poll(), so that a run that is cancelled waits for nothing.
#include <fcntl.h>
#include <fmt/format.h>
#include <mysql.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <deque>

#include "actions/database.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using expr::Value;

constexpr unsigned kClientGone = 2006, kClientLost = 2013, kPacketTooLarge = 2020,
                   kServerPacketTooLarge = 1153;
constexpr unsigned kBinary = 63;  // the character set of what is no text

// Connector/C says CR_NET_PACKET_TOO_LARGE past this, and reads no further.
constexpr size_t kMostPacketBytes = kMostRowBytes;

struct Column {
  std::string name;
  enum_field_types type = MYSQL_TYPE_STRING;
  bool binary = false, is_unsigned = false, json = false;
};

std::vector<Column> columns_of(MYSQL_RES* result) {
  std::vector<Column> columns;
  for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
    const MYSQL_FIELD* field = mysql_fetch_field_direct(result, i);
    Column& column = columns.emplace_back();
    column.name.assign(field->name, field->name_length);
    column.type = field->type;
    column.binary = field->charsetnr == kBinary;
    column.is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
    column.json = field->type == MYSQL_TYPE_JSON;
    // MariaDB keeps JSON as text and says beside it what it is.
    MARIADB_CONST_STRING format{};
    if (mariadb_field_attr(&format, field, MARIADB_FIELD_ATTR_FORMAT_NAME) == 0 && format.str != nullptr)
      column.json |= std::string_view(format.str, format.length) == "json";
  }
  return columns;
}

std::vector<std::string> names_of(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

Value decode(const Column& column, std::string_view text) {
  if (column.json) return json_or_text(text);
  switch (column.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return integer_or_text(text);
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
      return float_or_text(text);
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
      return exact_number(text);
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_DATETIME:
      return rfc3339_like(text);
    case MYSQL_TYPE_BIT: {
      uint64_t bits = 0;
      for (const char c : text.substr(0, 8)) bits = bits << 8 | static_cast<uint8_t>(c);
      if (bits <= INT64_MAX) return static_cast<int64_t>(bits);
      return std::to_string(bits);
    }
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_GEOMETRY:
      return column.binary ? Value(to_base64(text)) : Value(text);
    default:
      return text;
  }
}

// One column of a prepared statement's row: numbers as numbers, the rest as the
// text that the other protocol would send.
struct Cell {
  int64_t integer = 0;
  double real = 0;
  float single = 0;
  std::array<char, 64> small{};
  unsigned long length = 0;
  my_bool is_null = 0, cut = 0;
  enum class As { kInteger, kReal, kSingle, kSmall, kLong } as = As::kLong;
};

void bind_cell(const Column& column, Cell& cell, MYSQL_BIND& bind) {
  std::memset(&bind, 0, sizeof bind);
  bind.length = &cell.length;
  bind.is_null = &cell.is_null;
  bind.error = &cell.cut;
  switch (column.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      cell.as = Cell::As::kInteger;
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = &cell.integer;
      bind.is_unsigned = column.is_unsigned ? 1 : 0;
      break;
    case MYSQL_TYPE_FLOAT:
      cell.as = Cell::As::kSingle;
      bind.buffer_type = MYSQL_TYPE_FLOAT;
      bind.buffer = &cell.single;
      break;
    case MYSQL_TYPE_DOUBLE:
      cell.as = Cell::As::kReal;
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      bind.buffer = &cell.real;
      break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      cell.as = Cell::As::kSmall;
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = cell.small.data();
      bind.buffer_length = cell.small.size();
      break;
    default:
      cell.as = Cell::As::kLong;  // read when its length is known
      bind.buffer_type = column.type == MYSQL_TYPE_BIT ? MYSQL_TYPE_BIT : MYSQL_TYPE_STRING;
      break;
  }
}

// What a parameter binds to lives as long as the statement runs.
struct Parameter {
  int64_t integer = 0;
  double real = 0;
  std::string text;
  unsigned long length = 0;
};

void bind_parameter(const Value& value, Parameter& parameter, MYSQL_BIND& bind) {
  std::memset(&bind, 0, sizeof bind);
  switch (value.kind()) {
    case expr::Kind::kNil:
      bind.buffer_type = MYSQL_TYPE_NULL;
      return;
    case expr::Kind::kBool:
    case expr::Kind::kInt:
      parameter.integer = value.kind() == expr::Kind::kBool ? int64_t{value.as_bool()} : value.as_int();
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = &parameter.integer;
      return;
    case expr::Kind::kFloat:
      parameter.real = value.as_float();
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      bind.buffer = &parameter.real;
      return;
    default:
      parameter.text = parameter_text(value);
      parameter.length = parameter.text.size();
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = parameter.text.data();
      bind.buffer_length = parameter.length;
      bind.length = &parameter.length;
      return;
  }
}

struct StatementDeleter {
  void operator()(MYSQL_STMT* statement) const { mysql_stmt_close(statement); }
};
using Statement = std::unique_ptr<MYSQL_STMT, StatementDeleter>;

class MariaDbConnection final : public DatabaseConnection {
 public:
  MariaDbConnection(DatabaseUrl url, std::string address)
      : url_(std::move(url)), address_(std::move(address)), handle_(mysql_init(nullptr)) {
    CHECK(handle_ != nullptr);
  }
  ~MariaDbConnection() override {
    // A call may be suspended: its socket must not let the goodbye block.
    if (broken_) abandon();
    mysql_close(handle_);
    stop_counting();
  }
  MariaDbConnection(const MariaDbConnection&) = delete;
  MariaDbConnection& operator=(const MariaDbConnection&) = delete;

  std::optional<DatabaseError> connect(const Waiting&);
  bool usable() override;
  DatabaseExpected<DatabaseResult> query(const DatabaseQuery&, const Waiting&) override;

 private:
  // Drives a call that returned `status` to its end; false: it is over before,
  // and the connection is of no more use.
  template <typename Continue>
  bool drive(int status, const Waiting& waiting, Continue&& go_on);
  void stop_counting() {
    if (counted_fd_ >= 0) close(counted_fd_);
    counted_fd_ = -1;
  }
  void abandon() {
    broken_ = true;
    if (const my_socket fd = mysql_get_socket(handle_); fd >= 0) shutdown(fd, SHUT_RDWR);
  }
  DatabaseExpected<DatabaseResult> text_query(const DatabaseQuery&, const Waiting&);
  DatabaseExpected<DatabaseResult> prepared_query(const DatabaseQuery&, const Waiting&);
  // Stops the query that is under way, over another connection.
  void kill_query();
  DatabaseError interrupted(const Waiting&, std::string_view doing);
  DatabaseError error(unsigned number, std::string_view state, std::string_view message);
  DatabaseError handle_error() {
    return error(mysql_errno(handle_), mysql_sqlstate(handle_), mysql_error(handle_));
  }
  bool may_stop_early(const DatabaseQuery& query) const {
    return query.summary.operation == "SELECT" && !in_transaction_;
  }
  void note_status() {
    unsigned status = 0;
    if (mariadb_get_infov(handle_, MARIADB_CONNECTION_SERVER_STATUS, &status) == 0)
      in_transaction_ = (status & SERVER_STATUS_IN_TRANS) != 0;
  }

  DatabaseUrl url_;
  std::string address_;  // numeric, or empty for a socket
  MYSQL* handle_;
  bool broken_ = true;  // until it is connected
  bool in_transaction_ = false;
  // Bytes that had come when the call under way began, and what came since.
  size_t row_begin_ = 0, row_pending_ = 0;
  int counted_fd_ = -1;  // the same socket, which the library closes before it tells of an error
};

template <typename Continue>
bool MariaDbConnection::drive(int status, const Waiting& waiting, Continue&& go_on) {
  row_begin_ = received_bytes(counted_fd_);
  row_pending_ = 0;
  while (status != 0) {
    pollfd waited{.fd = mysql_get_socket(handle_), .events = 0, .revents = 0};
    if ((status & MYSQL_WAIT_READ) != 0) waited.events |= POLLIN;
    if ((status & MYSQL_WAIT_WRITE) != 0) waited.events |= POLLOUT;
    if ((status & MYSQL_WAIT_EXCEPT) != 0) waited.events |= POLLPRI;
    int64_t own_timeout =
        (status & MYSQL_WAIT_TIMEOUT) != 0 ? int64_t{mysql_get_timeout_value_ms(handle_)} : INT64_MAX;
    int ready = 0;
    while (true) {
      const int64_t slice = std::min<int64_t>(waiting.slice().count(), own_timeout);
      if (poll(&waited, 1, static_cast<int>(slice)) > 0) {
        if ((waited.revents & (POLLIN | POLLHUP | POLLERR)) != 0) ready |= MYSQL_WAIT_READ;
        if ((waited.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) ready |= MYSQL_WAIT_WRITE;
        if ((waited.revents & POLLPRI) != 0) ready |= MYSQL_WAIT_EXCEPT;
        ready &= status;
        if (ready == 0) ready = status & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);
        break;
      }
      if (waiting.over()) {
        broken_ = true;
        return false;
      }
      if (own_timeout != INT64_MAX && (own_timeout -= slice) <= 0) {
        ready = MYSQL_WAIT_TIMEOUT;
        break;
      }
    }
    int readable = 0;
    if (ioctl(waited.fd, FIONREAD, &readable) == 0) row_pending_ += static_cast<size_t>(readable);
    status = go_on(ready);
  }
  return true;
}

DatabaseError MariaDbConnection::error(unsigned number, std::string_view state, std::string_view message) {
  // Past its limit the library says that the connection was lost; by then it has
  // read some of the row's packets of 16 MiB each.
  const size_t row_bytes = std::max(row_pending_, received_bytes(counted_fd_) - row_begin_);
  const bool unsaid = number == 0 || number == kClientLost;
  if (number == kPacketTooLarge || (unsaid && row_bytes > kMostPacketBytes / 4)) {
    broken_ = true;
    return {{"too_large", fmt::format("a row of the result is larger than {} MiB", kMostPacketBytes >> 20)}};
  }
  const bool lost =
      number == 0 || number == kClientGone || number == kClientLost || (number >= 2000 && number < 2060);
  if (lost) broken_ = true;
  if (broken_) stop_counting();
  if (lost)
    return {{"connection", fmt::format("the connection to MariaDB at {} was lost: {} (error {})",
                                       url_.place(), message, number)},
            std::to_string(number)};
  std::string text = fmt::format("MariaDB says: {} (error {}, SQLSTATE {})", message, number, state);
  if (number == kServerPacketTooLarge) broken_ = true;
  return {{"query", std::move(text)}, std::string(state)};
}

std::optional<DatabaseError> MariaDbConnection::connect(const Waiting& waiting) {
  const unsigned seconds =
      static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(waiting.left()).count() + 1);
  const my_bool yes = 1, no = 0;
  const unsigned local_files = 0;  // a server may ask for any file of this machine
  const size_t stack_bytes = 256u << 10, most_packet = kMostPacketBytes;
  const unsigned tcp = url_.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  mysql_optionsv(handle_, MYSQL_OPT_NONBLOCK, &stack_bytes);
  mysql_optionsv(handle_, MYSQL_OPT_PROTOCOL, &tcp);
  mysql_optionsv(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(handle_, MYSQL_OPT_LOCAL_INFILE, &local_files);
  mysql_optionsv(handle_, MYSQL_OPT_RECONNECT, &no);
  mysql_optionsv(handle_, MYSQL_OPT_MAX_ALLOWED_PACKET, &most_packet);
  mysql_optionsv(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_optionsv(handle_, MYSQL_REPORT_DATA_TRUNCATION, &yes);
  const auto path = [](const std::string& file) { return file.empty() ? nullptr : file.c_str(); };
  if (!url_.ssl_mode.empty() && url_.ssl_mode != "disable") {
    const my_bool verify = url_.ssl_mode == "verify-full" ? 1 : 0;
    mysql_ssl_set(handle_, path(url_.ssl_key), path(url_.ssl_cert), path(url_.ssl_ca), nullptr, nullptr);
    mysql_optionsv(handle_, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_optionsv(handle_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  }
  MYSQL* connected = nullptr;
  const int status = mysql_real_connect_start(
      &connected, handle_, address_.empty() ? nullptr : address_.c_str(),
      url_.user.empty() ? "root" : url_.user.c_str(), url_.password.value_or("").c_str(),
      url_.database.empty() ? nullptr : url_.database.c_str(), url_.port,
      url_.socket.empty() ? nullptr : url_.socket.c_str(), CLIENT_MULTI_STATEMENTS);
  if (!drive(status, waiting, [&](int ready) { return mysql_real_connect_cont(&connected, handle_, ready); }))
    return DatabaseError{waiting.error(fmt::format("connecting to MariaDB at {}", url_.place()))};
  if (connected == nullptr) {
    const unsigned number = mysql_errno(handle_);
    return DatabaseError{{number == 2026 ? "tls" : "connection",
                          fmt::format("could not connect to MariaDB at {}: {} (error {})", url_.place(),
                                      mysql_error(handle_), number)},
                         number < 2000 ? std::string(mysql_sqlstate(handle_)) : std::to_string(number)};
  }
  // With TLS the library leaves its socket blocking after the handshake.
  const my_socket fd = mysql_get_socket(handle_);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  counted_fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  broken_ = false;
  return std::nullopt;
}

bool MariaDbConnection::usable() {
  if (broken_) return false;
  // Nothing comes unasked but the end.
  pollfd waited{.fd = mysql_get_socket(handle_), .events = POLLIN, .revents = 0};
  return poll(&waited, 1, 0) == 0;
}

void MariaDbConnection::kill_query() {
  const unsigned long thread = mysql_thread_id(handle_);
  const std::atomic<bool> never = false;
  const Waiting moment(std::chrono::steady_clock::now() + std::chrono::milliseconds(500), never);
  MariaDbConnection other(url_, address_);
  if (other.connect(moment)) return;
  const DatabaseQuery kill{.text = fmt::format("KILL QUERY {}", thread), .params = {}, .summary = {}};
  (void)other.query(kill, moment);
}

DatabaseError MariaDbConnection::interrupted(const Waiting& waiting, std::string_view doing) {
  abandon();
  kill_query();
  return {waiting.error(doing)};
}

DatabaseExpected<DatabaseResult> MariaDbConnection::text_query(const DatabaseQuery& query,
                                                               const Waiting& waiting) {
  int failed = 0;
  if (!drive(mysql_real_query_start(&failed, handle_, query.text.data(), query.text.size()), waiting,
             [&](int ready) { return mysql_real_query_cont(&failed, handle_, ready); }))
    return std::unexpected(interrupted(waiting, "the query was running"));
  DatabaseResult collected;
  RowCollector rows;
  while (true) {
    if (failed != 0) return std::unexpected(handle_error());
    MYSQL_RES* result = mysql_use_result(handle_);
    if (result == nullptr) {
      if (mysql_field_count(handle_) != 0) return std::unexpected(handle_error());
      if (const uint64_t affected = mysql_affected_rows(handle_); affected != UINT64_MAX)
        collected.rows_affected += static_cast<int64_t>(affected);
    } else {
      // Freeing reads what is left, which blocks: not with a call suspended.
      std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> owner(result, mysql_free_result);
      const std::vector<Column> columns = columns_of(result);
      rows.begin(names_of(columns));
      collected.truncated = false;
      while (true) {
        MYSQL_ROW row = nullptr;
        if (!drive(mysql_fetch_row_start(&row, result), waiting,
                   [&](int ready) { return mysql_fetch_row_cont(&row, result, ready); })) {
          DatabaseError problem = interrupted(waiting, "rows were being read");
          return std::unexpected(std::move(problem));
        }
        if (row == nullptr) {
          if (mysql_errno(handle_) != 0) return std::unexpected(handle_error());
          break;
        }
        if (collected.truncated) continue;
        const unsigned long* lengths = mysql_fetch_lengths(result);
        std::vector<Value> values;
        size_t bytes = 0;
        for (size_t i = 0; i < columns.size(); ++i) {
          values.push_back(row[i] == nullptr ? Value() : decode(columns[i], {row[i], lengths[i]}));
          bytes += lengths[i];
        }
        const auto added = rows.add(std::move(values), bytes, query.max_rows);
        if (added == RowCollector::Added::kYes) continue;
        const bool too_large = added == RowCollector::Added::kTooLarge;
        collected.truncated = true;
        if (!too_large && !may_stop_early(query)) continue;
        abandon();
        kill_query();
        if (too_large) return std::unexpected(rows.too_large());
        collected.rows = rows.take();
        return collected;
      }
    }
    if (mysql_more_results(handle_) == 0) break;
    if (!drive(mysql_next_result_start(&failed, handle_), waiting,
               [&](int ready) { return mysql_next_result_cont(&failed, handle_, ready); }))
      return std::unexpected(interrupted(waiting, "the query was running"));
    if (failed < 0) break;
  }
  collected.rows = rows.take();
  return collected;
}

DatabaseExpected<DatabaseResult> MariaDbConnection::prepared_query(const DatabaseQuery& query,
                                                                   const Waiting& waiting) {
  Statement statement(mysql_stmt_init(handle_));
  CHECK(statement != nullptr);
  MYSQL_STMT* const raw = statement.get();
  const auto statement_error = [&] {
    // What ended the connection is noted there only.
    if (mysql_stmt_errno(raw) == 0) return handle_error();
    return error(mysql_stmt_errno(raw), mysql_stmt_sqlstate(raw), mysql_stmt_error(raw));
  };
  int failed = 0;
  if (!drive(mysql_stmt_prepare_start(&failed, raw, query.text.data(), query.text.size()), waiting,
             [&](int ready) { return mysql_stmt_prepare_cont(&failed, raw, ready); }))
    return std::unexpected(interrupted(waiting, "the query was being prepared"));
  if (failed != 0) return std::unexpected(statement_error());
  const size_t wanted = mysql_stmt_param_count(raw);
  if (wanted != query.params.size())
    return database_error("query", fmt::format("the query has {} placeholder{} (?), `params` has {} value{}",
                                               wanted, wanted == 1 ? "" : "s", query.params.size(),
                                               query.params.size() == 1 ? "" : "s"));
  std::deque<Parameter> parameters(wanted);
  std::vector<MYSQL_BIND> binds(wanted);
  for (size_t i = 0; i < wanted; ++i) bind_parameter(query.params[i], parameters[i], binds[i]);
  if (wanted > 0 && mysql_stmt_bind_param(raw, binds.data()) != 0) return std::unexpected(statement_error());
  if (!drive(mysql_stmt_execute_start(&failed, raw), waiting,
             [&](int ready) { return mysql_stmt_execute_cont(&failed, raw, ready); }))
    return std::unexpected(interrupted(waiting, "the query was running"));
  if (failed != 0) return std::unexpected(statement_error());

  DatabaseResult collected;
  RowCollector rows;
  std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> metadata(mysql_stmt_result_metadata(raw),
                                                            mysql_free_result);
  if (metadata == nullptr) {
    if (const uint64_t affected = mysql_stmt_affected_rows(raw); affected != UINT64_MAX)
      collected.rows_affected = static_cast<int64_t>(affected);
    return collected;
  }
  const std::vector<Column> columns = columns_of(metadata.get());
  rows.begin(names_of(columns));
  std::deque<Cell> cells(columns.size());
  std::vector<MYSQL_BIND> outputs(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) bind_cell(columns[i], cells[i], outputs[i]);
  if (mysql_stmt_bind_result(raw, outputs.data()) != 0) return std::unexpected(statement_error());
  while (true) {
    if (!drive(mysql_stmt_fetch_start(&failed, raw), waiting,
               [&](int ready) { return mysql_stmt_fetch_cont(&failed, raw, ready); }))
      return std::unexpected(interrupted(waiting, "rows were being read"));
    if (failed == MYSQL_NO_DATA) break;
    if (failed != 0 && failed != MYSQL_DATA_TRUNCATED) return std::unexpected(statement_error());
    if (collected.truncated) continue;
    std::vector<Value> values;
    size_t bytes = 0;
    for (size_t i = 0; i < columns.size(); ++i) {
      Cell& cell = cells[i];
      if (cell.is_null != 0) {
        values.emplace_back();
        continue;
      }
      switch (cell.as) {
        case Cell::As::kInteger:
          values.push_back(columns[i].is_unsigned && cell.integer < 0
                               ? Value(std::to_string(static_cast<uint64_t>(cell.integer)))
                               : Value(cell.integer));
          break;
        case Cell::As::kReal:
          values.emplace_back(cell.real);
          break;
        case Cell::As::kSingle: {
          // 1.1f is 1.1 for people, not 1.10000002384.
          std::array<char, 32> digits{};
          const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), cell.single).ptr;
          values.push_back(float_or_text({digits.data(), static_cast<size_t>(end - digits.data())}));
          break;
        }
        case Cell::As::kSmall:
          values.push_back(
              decode(columns[i], {cell.small.data(), std::min<size_t>(cell.length, cell.small.size())}));
          break;
        case Cell::As::kLong: {
          std::string text(cell.length, '\0');
          MYSQL_BIND column = outputs[i];
          unsigned long length = 0;
          column.buffer = text.data();
          column.buffer_length = text.size();
          column.length = &length;
          if (!text.empty() && mysql_stmt_fetch_column(raw, &column, static_cast<unsigned>(i), 0) != 0)
            return std::unexpected(statement_error());
          bytes += text.size();
          values.push_back(decode(columns[i], text));
          break;
        }
      }
    }
    const auto added = rows.add(std::move(values), bytes, query.max_rows);
    if (added == RowCollector::Added::kYes) continue;
    const bool too_large = added == RowCollector::Added::kTooLarge;
    collected.truncated = true;
    if (!too_large && !may_stop_early(query)) continue;
    abandon();
    kill_query();
    if (too_large) return std::unexpected(rows.too_large());
    break;
  }
  collected.rows = rows.take();
  return collected;
}

DatabaseExpected<DatabaseResult> MariaDbConnection::query(const DatabaseQuery& query,
                                                          const Waiting& waiting) {
  note_status();
  auto result = query.params.empty() ? text_query(query, waiting) : prepared_query(query, waiting);
  // Results of further statements may still wait after an error.
  if (!result && !broken_ && mysql_more_results(handle_) != 0) abandon();
  return result;
}

}  // namespace

NewConnection connect_mariadb(const DatabaseUrl& url, const HostPolicy& hosts, const Waiting& waiting) {
  std::vector<std::string> addresses;
  if (url.socket.empty()) {
    const Resolution resolved = resolve(hosts, url.host, url.port, [&] { return waiting.over(); });
    if (resolved.addresses.empty() && waiting.over())
      return database_error(waiting.error(fmt::format("looking up {}", url.host)));
    if (resolved.addresses.empty()) return database_error(resolved.error_code, resolved.error);
    for (const Resolved& address : resolved.addresses) addresses.push_back(address.address);
    // The certificate is compared with the name that is connected to. The policy
    // has seen every address of it just now.
    if (url.ssl_mode == "verify-full") addresses = {url.host};
  } else {
    addresses.emplace_back();
  }
  std::optional<DatabaseError> first;
  for (const std::string& address : addresses) {
    auto connection = std::make_unique<MariaDbConnection>(url, address);
    auto problem = connection->connect(waiting);
    if (!problem) return connection;
    if (!first) first = std::move(problem);
    if (waiting.over()) break;
  }
  return std::unexpected(std::move(*first));
}

}  // namespace testmesh::actions
