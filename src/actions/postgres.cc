// PostgreSQL through libpq, without a blocking call: connecting and queries
// wait in poll() and look at the run's cancel flag.
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <future>
#include <thread>

#include "actions/database.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using expr::Value;

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

// libpq's messages end in newlines and may have several lines; with sslmode
// prefer the second attempt often says what the first one said.
std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (line.starts_with('\t') || line.starts_with(' ')) line.remove_prefix(1);
    if (line.empty() || out.find(line) != std::string::npos) continue;
    if (!out.empty()) out += ' ';
    out += line;
  }
  return out;
}

void add_option(std::string& conninfo, std::string_view name, std::string_view value) {
  conninfo += fmt::format("{}='", name);
  for (const char c : value) {
    if (c == '\'' || c == '\\') conninfo += '\\';
    conninfo += c;
  }
  conninfo += "' ";
}

void ignore_notice(void*, const PGresult*) {}

enum Oid_ : Oid {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kVarchar = 1043,
  kTimestamp = 1114,
  kTimestampTz = 1184,
  kNumeric = 1700,
  kJsonb = 3802,
};

Value decode(Oid type, std::string_view text) {
  switch (type) {
    case kBool:
      return text == "t";
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return integer_or_text(text);
    case kFloat4:
    case kFloat8:
      return float_or_text(text);
    case kNumeric:
      return exact_number(text);
    case kJson:
    case kJsonb:
      return json_or_text(text);
    case kTimestamp:
    case kTimestampTz:
      return rfc3339_like(text);
    case kBytea: {
      size_t size = 0;
      const std::string terminated(text);
      unsigned char* bytes =
          PQunescapeBytea(reinterpret_cast<const unsigned char*>(terminated.c_str()), &size);
      if (bytes == nullptr) return text;
      std::string encoded = to_base64({reinterpret_cast<const char*>(bytes), size});
      PQfreemem(bytes);
      return encoded;
    }
    default:
      return text;
  }
}

// '{1,2,{"a b",NULL}}': a list for a parameter whose type is an array's.
void append_array(std::string& out, const Value& value) {
  if (value.is_nil()) {
    out += "NULL";
  } else if (value.kind() == expr::Kind::kList) {
    out += '{';
    bool first = true;
    for (const Value& element : value.as_list()) {
      if (!first) out += ',';
      first = false;
      append_array(out, element);
    }
    out += '}';
  } else {
    out += '"';
    for (const char c : parameter_text(value)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
}

class PostgresConnection final : public DatabaseConnection {
 public:
  PostgresConnection(PGconn* connection, std::string place)
      : connection_(connection), place_(std::move(place)) {}
  ~PostgresConnection() override { PQfinish(connection_); }
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  bool usable() override;
  DatabaseExpected<DatabaseResult> query(const DatabaseQuery&, const Waiting&) override;

  std::optional<DatabaseError> finish_connecting(const Waiting&);

 private:
  // Null without an error: the query has no further result.
  DatabaseExpected<Result> next_result(const Waiting&);
  std::optional<DatabaseError> flush(const Waiting&);
  DatabaseExpected<Result> only_result(const Waiting&);
  std::optional<DatabaseError> send(const DatabaseQuery&, const Waiting&);
  std::optional<DatabaseError> send_with_lists(const DatabaseQuery&, const Waiting&);
  // Asks the server to stop, and reads what is still to come for a moment; when
  // that does not work the connection is broken.
  void cancel();
  DatabaseError query_error(const PGresult*, std::string_view query) const;
  DatabaseError lost(std::string_view doing) const;

  PGconn* connection_;
  std::string place_;
  bool broken_ = false;
};

bool PostgresConnection::usable() {
  if (broken_ || PQstatus(connection_) != CONNECTION_OK || PQtransactionStatus(connection_) == PQTRANS_ACTIVE)
    return false;
  pollfd waited{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
  // What comes unasked is a notice or the end; notices are few.
  for (int reads = 0; poll(&waited, 1, 0) > 0; ++reads) {
    if (reads > 100 || PQconsumeInput(connection_) == 0 || PQstatus(connection_) != CONNECTION_OK)
      return false;
  }
  return true;
}

std::optional<DatabaseError> PostgresConnection::finish_connecting(const Waiting& waiting) {
  const auto failed = [&](std::string_view why) {
    return DatabaseError{
        {"connection", fmt::format("could not connect to PostgreSQL at {}: {}", place_, why)}};
  };
  if (connection_ == nullptr) return failed("out of memory");
  PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
  if (PQstatus(connection_) == CONNECTION_BAD) return failed(one_line(PQerrorMessage(connection_)));
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    if (status == PGRES_POLLING_FAILED) return failed(one_line(PQerrorMessage(connection_)));
    const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!waiting.wait_for(PQsocket(connection_), events))
      return DatabaseError{waiting.error(fmt::format("connecting to PostgreSQL at {}", place_))};
    status = PQconnectPoll(connection_);
  }
  PQsetnonblocking(connection_, 1);
  return std::nullopt;
}

DatabaseError PostgresConnection::lost(std::string_view doing) const {
  const std::string message = one_line(PQerrorMessage(connection_));
  return {{"connection", fmt::format("the connection to PostgreSQL at {} was lost while {}: {}", place_,
                                     doing, message.empty() ? "it was closed" : message)}};
}

DatabaseError PostgresConnection::query_error(const PGresult* result, std::string_view query) const {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  const std::string state = field(PG_DIAG_SQLSTATE);
  std::string primary = field(PG_DIAG_MESSAGE_PRIMARY);
  if (primary.empty()) primary = one_line(PQresultErrorMessage(result));
  std::string message = fmt::format("PostgreSQL says: {}", primary);
  if (!state.empty()) message += fmt::format(" (SQLSTATE {})", state);
  if (const std::string position = field(PG_DIAG_STATEMENT_POSITION); !position.empty()) {
    message += fmt::format(", at character {} of the query", position);
    // In characters, from 1.
    size_t at = 0;
    for (int64_t i = 1; i < std::atoll(position.c_str()) && at < query.size(); ++i)
      at += std::max<size_t>(base::utf8_length(query.substr(at)), 1);
    if (at < query.size())
      message += fmt::format(" (`{}`)", one_line(base::utf8_prefix(query.substr(at), 40)));
  }
  if (const std::string detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    message += fmt::format(". {}", detail);
  if (const std::string hint = field(PG_DIAG_MESSAGE_HINT); !hint.empty())
    message += fmt::format(" Hint: {}", hint);
  // Class 57P: the server ends the connection (57P01: by an administrator).
  const bool ended = state.starts_with("57P");
  return {{ended ? "connection" : "query", std::move(message)}, state};
}

std::optional<DatabaseError> PostgresConnection::flush(const Waiting& waiting) {
  while (true) {
    const int left = PQflush(connection_);
    if (left == 0) return std::nullopt;
    if (left < 0) return lost("sending the query");
    // A server that sends while we do must be read, or both wait forever.
    if (!waiting.wait_for(PQsocket(connection_), POLLIN | POLLOUT))
      return DatabaseError{waiting.error("sending the query")};
    pollfd readable{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, 0) > 0 && PQconsumeInput(connection_) == 0) return lost("sending the query");
  }
}

DatabaseExpected<Result> PostgresConnection::next_result(const Waiting& waiting) {
  const int fd = PQsocket(connection_);
  const size_t before = received_bytes(fd);
  size_t pending_bytes = 0;
  while (PQisBusy(connection_) != 0) {
    if (!waiting.wait_for(PQsocket(connection_), POLLIN))
      return database_error(waiting.error("the query was running"));
    // libpq keeps a row until it is whole, however large it is, and does not say
    // how large. What waits in a unix socket is counted before each reading.
    int readable = 0;
    if (ioctl(fd, FIONREAD, &readable) == 0) pending_bytes += static_cast<size_t>(readable);
    const size_t received = std::max(before == 0 ? pending_bytes : 0, received_bytes(fd) - before);
    if (received > kMostRowBytes + (1u << 20)) return database_error(RowCollector().too_large().error);
    if (PQconsumeInput(connection_) == 0) return std::unexpected(lost("the query was running"));
  }
  while (PGnotify* notify = PQnotifies(connection_)) PQfreemem(notify);
  return Result(PQgetResult(connection_));
}

DatabaseExpected<Result> PostgresConnection::only_result(const Waiting& waiting) {
  Result kept;
  while (true) {
    auto next = next_result(waiting);
    if (!next) return std::unexpected(std::move(next).error());
    if (*next == nullptr) return kept;
    if (kept == nullptr || PQresultStatus(next->get()) == PGRES_FATAL_ERROR) kept = std::move(*next);
  }
}

std::optional<DatabaseError> PostgresConnection::send_with_lists(const DatabaseQuery& query,
                                                                 const Waiting& waiting) {
  // Only the server knows whether a list is an array or JSON.
  if (PQsendPrepare(connection_, "", query.text.c_str(), 0, nullptr) == 0) return lost("sending the query");
  if (auto error = flush(waiting)) return error;
  auto prepared = only_result(waiting);
  if (!prepared) return std::move(prepared).error();
  if (PQresultStatus(prepared->get()) != PGRES_COMMAND_OK) return query_error(prepared->get(), query.text);
  if (PQsendDescribePrepared(connection_, "") == 0) return lost("sending the query");
  if (auto error = flush(waiting)) return error;
  auto described = only_result(waiting);
  if (!described) return std::move(described).error();
  if (PQresultStatus(described->get()) != PGRES_COMMAND_OK) return query_error(described->get(), query.text);
  const int wanted = PQnparams(described->get());
  if (static_cast<size_t>(wanted) != query.params.size())
    return DatabaseError{{"query", fmt::format("the query has {} placeholder{}, `params` has {} value{}",
                                               wanted, wanted == 1 ? "" : "s", query.params.size(),
                                               query.params.size() == 1 ? "" : "s")}};
  std::vector<std::string> texts;
  std::vector<const char*> values;
  for (size_t i = 0; i < query.params.size(); ++i) {
    const Oid type = PQparamtype(described->get(), static_cast<int>(i));
    const bool json = type == kJson || type == kJsonb || type == kText || type == kVarchar;
    if (query.params[i].kind() == expr::Kind::kList && !json) {
      append_array(texts.emplace_back(), query.params[i]);
    } else if (json && (type == kJson || type == kJsonb) && query.params[i].kind() != expr::Kind::kString) {
      texts.push_back(expr::to_json(query.params[i]));
    } else {
      texts.push_back(parameter_text(query.params[i]));
    }
  }
  for (size_t i = 0; i < texts.size(); ++i)
    values.push_back(query.params[i].is_nil() ? nullptr : texts[i].c_str());
  if (PQsendQueryPrepared(connection_, "", wanted, values.data(), nullptr, nullptr, 0) == 0)
    return lost("sending the query");
  return std::nullopt;
}

std::optional<DatabaseError> PostgresConnection::send(const DatabaseQuery& query, const Waiting& waiting) {
  if (query.params.size() > 65535)
    return DatabaseError{{"invalid_config", "PostgreSQL takes at most 65535 params"}};
  bool lists = false;
  std::vector<std::string> texts;
  std::vector<const char*> values;
  for (const Value& param : query.params) {
    lists |= param.kind() == expr::Kind::kList;
    texts.push_back(parameter_text(param));
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].find('\0') != std::string::npos)
      return DatabaseError{{"query", "a text with a zero byte cannot be a parameter of PostgreSQL"}};
    values.push_back(query.params[i].is_nil() ? nullptr : texts[i].c_str());
  }
  if (lists) {
    if (auto error = send_with_lists(query, waiting)) return error;
  } else {
    // Without parameters several statements may stand in one query.
    const int sent = query.params.empty()
                         ? PQsendQuery(connection_, query.text.c_str())
                         : PQsendQueryParams(connection_, query.text.c_str(), static_cast<int>(values.size()),
                                             nullptr, values.data(), nullptr, nullptr, 0);
    if (sent == 0) return lost("sending the query");
  }
  PQsetSingleRowMode(connection_);
  return flush(waiting);
}

void PostgresConnection::cancel() {
  // PQcancel talks to the address that the policy allowed, over a connection of
  // its own, and blocks as long as that server says nothing: so on a thread that
  // is left behind when it takes too long.
  constexpr auto kMoment = std::chrono::milliseconds(500);
  broken_ = true;
  PGcancel* request = PQgetCancel(connection_);
  if (request == nullptr) return;
  auto sent = std::make_shared<std::promise<bool>>();
  std::future<bool> answer = sent->get_future();
  std::thread([request, sent] {
    std::array<char, 256> problem{};
    const int done = PQcancel(request, problem.data(), problem.size());
    PQfreeCancel(request);
    sent->set_value(done != 0);
  }).detach();
  if (answer.wait_for(kMoment) != std::future_status::ready || !answer.get()) return;
  const std::atomic<bool> never = false;
  const Waiting moment(std::chrono::steady_clock::now() + kMoment, never);
  while (true) {
    auto result = next_result(moment);
    if (!result) return;
    if (*result == nullptr) break;
  }
  broken_ = PQstatus(connection_) != CONNECTION_OK;
}

DatabaseExpected<DatabaseResult> PostgresConnection::query(const DatabaseQuery& query,
                                                           const Waiting& waiting) {
  const bool in_transaction = PQtransactionStatus(connection_) != PQTRANS_IDLE;
  if (auto error = send(query, waiting)) {
    if (error->error.code == "timeout" || error->error.code == "cancelled") cancel();
    if (PQtransactionStatus(connection_) == PQTRANS_ACTIVE) broken_ = true;
    return std::unexpected(std::move(*error));
  }
  DatabaseResult collected;
  RowCollector rows;
  std::optional<DatabaseError> failure;
  bool reading_rows = false;
  while (true) {
    auto next = next_result(waiting);
    if (!next) {
      const std::string& code = next.error().error.code;
      if (code == "timeout" || code == "cancelled") {
        cancel();
      } else {
        broken_ = true;
      }
      // What the server said before the end says more than that it ended.
      if (code == "connection" && failure) return std::unexpected(std::move(*failure));
      return std::unexpected(std::move(next).error());
    }
    PGresult* result = next->get();
    if (result == nullptr) break;
    switch (PQresultStatus(result)) {
      case PGRES_SINGLE_TUPLE: {
        if (!reading_rows) {
          std::vector<std::string> columns;
          for (int i = 0; i < PQnfields(result); ++i) columns.emplace_back(PQfname(result, i));
          rows.begin(std::move(columns));
          reading_rows = true;
          collected.truncated = false;
        }
        if (collected.truncated) break;
        std::vector<Value> values;
        size_t bytes = 0;
        for (int i = 0; i < PQnfields(result); ++i) {
          const std::string_view text(PQgetvalue(result, 0, i),
                                      static_cast<size_t>(PQgetlength(result, 0, i)));
          bytes += text.size();
          values.push_back(PQgetisnull(result, 0, i) != 0 ? Value() : decode(PQftype(result, i), text));
        }
        const auto added = rows.add(std::move(values), bytes, query.max_rows);
        if (added == RowCollector::Added::kTooLarge) {
          cancel();
          return std::unexpected(rows.too_large());
        }
        if (added == RowCollector::Added::kEnough) {
          collected.truncated = true;
          // A plain SELECT may be stopped; what changes something, or would
          // abort a transaction, is read to its end.
          if (query.summary.operation == "SELECT" && !in_transaction) {
            cancel();
            collected.rows = rows.take();
            return collected;
          }
        }
        break;
      }
      case PGRES_TUPLES_OK: {
        if (!reading_rows) {
          rows.begin({});
          collected.truncated = false;
        }
        reading_rows = false;
        const std::string_view command = PQcmdStatus(result);
        if (!command.starts_with("SELECT") && !command.starts_with("FETCH"))
          collected.rows_affected += std::atoll(PQcmdTuples(result));
        break;
      }
      case PGRES_COMMAND_OK: {
        // CREATE TABLE AS says "SELECT 5": five rows made.
        collected.rows_affected += std::atoll(PQcmdTuples(result));
        break;
      }
      case PGRES_EMPTY_QUERY:
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        broken_ = true;
        return database_error("query", "COPY to or from the client is not possible in database_query");
      default:
        if (!failure) failure = query_error(result, query.text);
        break;
    }
  }
  if (PQstatus(connection_) != CONNECTION_OK) broken_ = true;
  if (failure) return std::unexpected(std::move(*failure));
  collected.rows = rows.take();
  return collected;
}

}  // namespace

NewConnection connect_postgres(const DatabaseUrl& url, const HostPolicy& hosts, const Waiting& waiting) {
  std::string conninfo;
  // Set even where they are empty, so that neither the environment nor files of
  // this machine lend a flow their passwords.
  add_option(conninfo, "password", url.password.value_or(""));
  add_option(conninfo, "passfile", "/dev/null/none");
  if (!url.socket.empty()) {
    add_option(conninfo, "host", url.socket);
    add_option(conninfo, "port", std::to_string(url.port));
  } else {
    const Resolution resolved = resolve(hosts, url.host, url.port, [&] { return waiting.over(); });
    if (resolved.addresses.empty() && waiting.over())
      return database_error(waiting.error(fmt::format("looking up {}", url.host)));
    if (resolved.addresses.empty()) return database_error(resolved.error_code, resolved.error);
    std::string names, addresses;
    for (const Resolved& address : resolved.addresses) {
      names += fmt::format("{}{}", names.empty() ? "" : ",", url.host);
      addresses += fmt::format("{}{}", addresses.empty() ? "" : ",", address.address);
    }
    add_option(conninfo, "host", names);
    add_option(conninfo, "hostaddr", addresses);
    add_option(conninfo, "port", std::to_string(url.port));
  }
  add_option(conninfo, "user", url.user.empty() ? "postgres" : url.user);
  add_option(conninfo, "dbname",
             url.database.empty() ? (url.user.empty() ? "postgres" : url.user) : url.database);
  add_option(conninfo, "client_encoding", "UTF8");
  add_option(conninfo, "gssencmode", "disable");
  add_option(conninfo, "application_name", url.application_name);
  add_option(conninfo, "options", url.options);
  add_option(conninfo, "sslmode", url.ssl_mode.empty() ? "prefer" : url.ssl_mode);
  add_option(conninfo, "sslrootcert", url.ssl_ca);
  add_option(conninfo, "sslcert", url.ssl_cert);
  add_option(conninfo, "sslkey", url.ssl_key);
  auto connection = std::make_unique<PostgresConnection>(PQconnectStart(conninfo.c_str()), url.place());
  if (auto error = connection->finish_connecting(waiting)) return std::unexpected(std::move(*error));
  return connection;
}

}  // namespace testmesh::actions
