#include "actions/database.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <unordered_set>

namespace testmesh::actions {
namespace {

using expr::Value;

std::string joined(std::initializer_list<std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  return text;
}

std::optional<std::string> unknown_param(const ConnectionUrl& url,
                                         std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : url.params) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fmt::format(
          "the connection URL has a parameter \"{}\", which {} does not take here; it takes {}",
          name.substr(0, 60), url.scheme, joined(known));
  }
  return std::nullopt;
}

std::string param_or(const ConnectionUrl& url, std::string_view name, std::string otherwise) {
  const std::string* found = url.param(name);
  return found == nullptr ? std::move(otherwise) : *found;
}

std::expected<std::string, std::string> ssl_mode(const ConnectionUrl& url,
                                                 std::initializer_list<std::string_view> modes) {
  std::string mode = param_or(url, "sslmode", param_or(url, "ssl-mode", ""));
  for (char& c : mode) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (mode == "disabled") mode = "disable";
  if (mode == "required") mode = "require";
  if (mode == "verify-identity") mode = "verify-full";
  if (mode.empty() || std::find(modes.begin(), modes.end(), mode) != modes.end()) return mode;
  return std::unexpected(
      fmt::format("sslmode \"{}\" is not known; it is one of {}", mode.substr(0, 40), joined(modes)));
}

std::optional<std::string> read_server(const ConnectionUrl& url, DatabaseUrl& database) {
  if (!url.has_authority) return fmt::format("after {}: the connection URL wants //", url.scheme);
  database.user = param_or(url, "user", url.user);
  database.password = url.password;
  if (const std::string* password = url.param("password")) database.password = *password;
  database.host = url.host;
  database.port = url.port;
  database.database = url.path.empty() ? "" : url.path.substr(1);
  database.ssl_ca = param_or(url, "sslrootcert", "");
  database.ssl_cert = param_or(url, "sslcert", "");
  database.ssl_key = param_or(url, "sslkey", "");
  return std::nullopt;
}

std::optional<std::string> read_postgres(const ConnectionUrl& url, DatabaseUrl& database) {
  if (auto problem = unknown_param(url, {"sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port",
                                         "user", "password", "dbname", "options", "application_name"}))
    return problem;
  if (auto problem = read_server(url, database)) return problem;
  auto mode = ssl_mode(url, {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"});
  if (!mode) return mode.error();
  database.ssl_mode = std::move(*mode);
  database.host = param_or(url, "host", database.host);
  database.database = param_or(url, "dbname", database.database);
  database.options = param_or(url, "options", "");
  database.application_name = param_or(url, "application_name", "testmesh");
  if (const std::string* port = url.param("port")) {
    const auto [end, failed] = std::from_chars(port->data(), port->data() + port->size(), database.port);
    if (failed != std::errc() || end != port->data() + port->size() || database.port == 0)
      return "the connection URL's parameter port is no number from 1 to 65535";
  }
  if (database.host.empty()) database.host = "localhost";
  if (database.port == 0) database.port = 5432;
  if (database.host.starts_with('@'))
    return "abstract sockets are not supported; host=/folder names a socket's folder";
  if (database.host.starts_with('/')) {
    database.socket = std::move(database.host);
    database.host.clear();
  }
  if (database.host.find(',') != std::string::npos)
    return "the connection URL names several hosts; write one";
  return std::nullopt;
}

std::optional<std::string> read_mariadb(const ConnectionUrl& url, DatabaseUrl& database) {
  if (auto problem = unknown_param(
          url, {"sslmode", "ssl-mode", "sslrootcert", "sslcert", "sslkey", "socket", "user", "password"}))
    return problem;
  if (auto problem = read_server(url, database)) return problem;
  auto mode = ssl_mode(url, {"disable", "require", "verify-full"});
  if (!mode) return mode.error();
  database.ssl_mode = std::move(*mode);
  database.socket = param_or(url, "socket", "");
  if (!database.socket.empty() && !database.socket.starts_with('/'))
    return "the socket of the connection URL is no absolute path";
  if (database.socket.empty() && database.host.empty()) database.host = "localhost";
  if (!database.socket.empty()) database.host.clear();
  if (database.port == 0) database.port = 3306;
  return std::nullopt;
}

std::optional<std::string> read_sqlite(const ConnectionUrl& url, DatabaseUrl& database) {
  if (auto problem = unknown_param(url, {}))
    return "the connection URL of SQLite takes no parameters after a ?";
  database.file = url.path;
  if (database.file == "/:memory:") database.file = ":memory:";
  if (database.file.empty() || database.file.ends_with('/'))
    return "the connection URL names no SQLite file; write sqlite:orders.db, sqlite:///absolute/orders.db or "
           "sqlite::memory:";
  return std::nullopt;
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::string DatabaseUrl::place() const {
  if (!file.empty()) return file;
  if (!socket.empty()) return socket;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::expected<DatabaseUrl, std::string> parse_database_url(std::string_view text) {
  auto url = parse_connection_url(text);
  if (!url) return std::unexpected(std::move(url).error());
  DatabaseUrl database;
  std::optional<std::string> problem;
  if (url->scheme == "postgres" || url->scheme == "postgresql") {
    database.dialect = SqlDialect::kPostgres;
    problem = read_postgres(*url, database);
  } else if (url->scheme == "mysql" || url->scheme == "mariadb") {
    database.dialect = SqlDialect::kMariaDb;
    problem = read_mariadb(*url, database);
  } else if (url->scheme == "sqlite" || url->scheme == "sqlite3") {
    database.dialect = SqlDialect::kSqlite;
    problem = read_sqlite(*url, database);
  } else {
    problem =
        fmt::format("the connection URL begins with {}:, expected postgres:, mysql:, mariadb: or sqlite:",
                    url->scheme.substr(0, 40));
  }
  if (problem) return std::unexpected(std::move(*problem));
  return database;
}

void RowCollector::begin(std::vector<std::string> columns) {
  std::unordered_set<std::string> taken;
  for (std::string& name : columns) {
    const std::string base = name;
    for (int number = 2; !taken.insert(name).second; ++number) name = fmt::format("{}_{}", base, number);
  }
  columns_ = std::move(columns);
  rows_.clear();
  bytes_ = 0;
}

RowCollector::Added RowCollector::add(std::vector<Value> values, size_t bytes, size_t max_rows) {
  if (rows_.size() >= max_rows) return Added::kEnough;
  bytes_ += bytes + 64 * (values.size() + 1);
  if (bytes_ > kMostRowBytes) return Added::kTooLarge;
  expr::Map row;
  for (size_t i = 0; i < values.size() && i < columns_.size(); ++i)
    row.set(columns_[i], std::move(values[i]));
  rows_.emplace_back(std::move(row));
  return Added::kYes;
}

DatabaseError RowCollector::too_large() const {
  return {
      {"too_large", fmt::format("the result is larger than {} MiB (at row {}); select fewer columns or rows",
                                kMostRowBytes >> 20, rows_.size() + 1)}};
}

size_t received_bytes(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

Value integer_or_text(std::string_view text) {
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size()) return number;
  return text;
}

Value float_or_text(std::string_view text) {
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size()) return number;
  return text;
}

Value exact_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (all_digits(digits)) return integer_or_text(text);
  const size_t point = digits.find('.');
  if (point != std::string_view::npos) {
    std::string significant(digits.substr(0, point));
    if (!all_digits(significant) || !all_digits(digits.substr(point + 1))) return text;
    significant += digits.substr(point + 1);
    while (significant.ends_with('0')) significant.pop_back();
    significant.erase(0, std::min(significant.find_first_not_of('0'), significant.size()));
    // Every decimal of 15 digits comes back from a double as it was.
    return significant.size() <= 15 ? float_or_text(text) : Value(text);
  }
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return float_or_text(text);
  return text;
}

std::string rfc3339_like(std::string_view text) {
  std::string out(text);
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' ||
      text[16] != ':' || !all_digits(text.substr(0, 4)))
    return out;
  if (text.ends_with(" BC")) return out;
  out[10] = 'T';
  // "+02" and "+02:30" are a zone; with seconds in it RFC 3339 has no word for it.
  const size_t sign = out.find_first_of("+-", 19);
  if (sign != std::string::npos && out.size() == sign + 3) out += ":00";
  return out;
}

Value json_or_text(std::string_view text) {
  auto parsed = expr::parse_json(text);
  return parsed ? std::move(*parsed) : Value(text);
}

std::string parameter_text(const Value& value) {
  switch (value.kind()) {
    case expr::Kind::kBool:
      return value.as_bool() ? "true" : "false";
    case expr::Kind::kFloat: {
      std::array<char, 40> digits{};
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value.as_float()).ptr;
      return {digits.data(), end};
    }
    default:
      return to_wire_text(value);
  }
}

}  // namespace testmesh::actions
