#include <fmt/format.h>

#include <map>
#include <mutex>

#include "actions/database.h"
#include "actions/registry.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using namespace std::chrono_literals;

// Connections that nobody uses, by URL. The one that was given back last is
// taken first, so that steps one after another share a session: temporary
// tables and open transactions go on.
class DatabasePool {
 public:
  std::unique_ptr<DatabaseConnection> take(const std::string& url) {
    const std::lock_guard lock(mutex_);
    const auto found = idle_.find(url);
    if (found == idle_.end() || found->second.empty()) return nullptr;
    auto connection = std::move(found->second.back());
    found->second.pop_back();
    --count_;
    return connection;
  }

  void give_back(const std::string& url, std::unique_ptr<DatabaseConnection> connection) {
    const std::lock_guard lock(mutex_);
    if (count_ >= kMostIdle) return;  // closed
    ++count_;
    idle_[url].push_back(std::move(connection));
  }

  // SQLite in memory is there only once a URL: its users take turns.
  std::shared_ptr<std::timed_mutex> turn(const std::string& url) {
    const std::lock_guard lock(mutex_);
    auto& turn = turns_[url];
    if (turn == nullptr) turn = std::make_shared<std::timed_mutex>();
    return turn;
  }

 private:
  static constexpr size_t kMostIdle = 32;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<DatabaseConnection>>> idle_;
  std::map<std::string, std::shared_ptr<std::timed_mutex>> turns_;
  size_t count_ = 0;
};

std::string_view system_name(const DatabaseUrl& url, std::string_view text) {
  switch (url.dialect) {
    case SqlDialect::kPostgres:
      return "postgresql";
    case SqlDialect::kSqlite:
      return "sqlite";
    case SqlDialect::kMariaDb:
      return text.substr(0, 1) == "m" && text.substr(0, 2) == "ma" ? "mariadb" : "mysql";
  }
  return "other_sql";
}

DatabaseExpected<std::unique_ptr<DatabaseConnection>> connect(const DatabaseUrl& url,
                                                              const ActionContext& context,
                                                              const Waiting& waiting) {
  const bool restricted = context.hosts.restricted();
  if (restricted && !url.socket.empty())
    return database_error("address_refused",
                          fmt::format("the unix socket {} may not be used: this server lets flows "
                                      "reach listed hosts only",
                                      url.socket));
  if (restricted && url.dialect == SqlDialect::kSqlite && url.file != ":memory:")
    return database_error("address_refused",
                          fmt::format("the file {} may not be opened: this server lets flows reach "
                                      "listed hosts only",
                                      url.file));
  if (restricted && !(url.ssl_ca.empty() && url.ssl_cert.empty() && url.ssl_key.empty()))
    return database_error("address_refused",
                          "certificate files may not be read: this server lets flows reach listed "
                          "hosts only");
  switch (url.dialect) {
    case SqlDialect::kPostgres:
      return connect_postgres(url, context.hosts, waiting);
    case SqlDialect::kMariaDb:
      return connect_mariadb(url, context.hosts, waiting);
    case SqlDialect::kSqlite:
      return open_sqlite(url, restricted, waiting);
  }
  return database_error("invalid_config", "no such database");
}

DatabaseExpected<DatabaseResult> run_query(const std::string& text, const DatabaseUrl& url,
                                           const DatabaseQuery& query, ActionContext& context,
                                           const Waiting& waiting) {
  auto& pool = context.connections.get<DatabasePool>();
  std::unique_lock<std::timed_mutex> turn;
  std::shared_ptr<std::timed_mutex> turns;
  if (url.dialect == SqlDialect::kSqlite) {
    turns = pool.turn(text);
    turn = std::unique_lock(*turns, std::defer_lock);
    while (!turn.try_lock_for(waiting.slice())) {
      if (waiting.over()) return database_error(waiting.error("another step used the database"));
    }
  }
  std::unique_ptr<DatabaseConnection> connection = pool.take(text);
  // One that the server closed meanwhile shows it before anything is sent.
  while (connection != nullptr && !connection->usable()) connection = pool.take(text);
  if (connection == nullptr) {
    auto opened = connect(url, context, waiting);
    if (!opened) return std::unexpected(std::move(opened).error());
    connection = std::move(*opened);
  }
  auto result = connection->query(query, waiting);
  if (connection->usable()) pool.give_back(text, std::move(connection));
  return result;
}

class DatabaseQueryAction final : public Action {
 public:
  std::string_view name() const override { return "database_query"; }
  ActionOutcome run(const Value& config, ActionContext& context) const override;
};

void describe_span(ActionOutcome& outcome, const DatabaseUrl& url, std::string_view text,
                   const DatabaseQuery& query, std::string_view written_query) {
  auto& attributes = outcome.span_attributes;
  const std::string database =
      url.dialect == SqlDialect::kSqlite ? url.file.substr(url.file.rfind('/') + 1) : url.database;
  attributes.push_back(attribute("db.system.name", system_name(url, text)));
  if (!database.empty()) attributes.push_back(attribute("db.namespace", database));
  attributes.push_back(attribute("db.query.text", base::utf8_prefix(written_query, 4096)));
  if (!query.summary.operation.empty())
    attributes.push_back(attribute("db.operation.name", query.summary.operation));
  if (!query.summary.table.empty())
    attributes.push_back(attribute("db.collection.name", query.summary.table));
  if (!url.host.empty()) {
    attributes.push_back(attribute("server.address", url.host));
    attributes.push_back(attribute("server.port", int64_t{url.port}));
  } else if (!url.socket.empty()) {
    attributes.push_back(attribute("server.address", url.socket));
  }
  const std::string& target = query.summary.table.empty() ? database : query.summary.table;
  outcome.span_name =
      query.summary.operation.empty() ? std::string(system_name(url, text)) : query.summary.operation;
  if (!target.empty()) outcome.span_name += fmt::format(" {}", target);
}

ActionOutcome DatabaseQueryAction::run(const Value& config, ActionContext& context) const {
  const auto start = std::chrono::steady_clock::now();
  ActionOutcome outcome;
  outcome.span_name = "database_query";
  ConfigReader reader(config);
  const std::string text = reader.text("connection", reader.text("connection_string"));
  if (text.empty()) reader.fail("`connection` is missing or empty");
  const std::string written = reader.required_text("query");
  const Waiting waiting(context, reader.duration("timeout", 30s));
  DatabaseQuery query;
  query.max_rows = static_cast<size_t>(reader.integer("max_rows", 1000, 0, 1'000'000));
  const Value* params = reader.value("params");
  if (params != nullptr && params->kind() != expr::Kind::kList && params->kind() != expr::Kind::kMap)
    reader.fail(fmt::format("`params` must be a list or a map, but it is {}", expr::describe(*params, 60)));
  if (written.find('\0') != std::string::npos) reader.fail("the query has a zero byte");
  if (written.size() > (16u << 20)) reader.fail("the query is longer than 16 MiB");

  expr::Map request;
  request.set("connection", mask_url(text));
  request.set("query", written);
  if (params != nullptr) request.set("params", *params);
  outcome.request = std::move(request);

  auto fail = [&](ActionError error) {
    outcome.span_failed = true;
    outcome.span_attributes.push_back(attribute("error.type", error.code));
    outcome.result = expr::Map{{"duration_ms", milliseconds_since(start)}};
    outcome.error = std::move(error);
    return std::move(outcome);
  };
  if (reader.error()) return fail(*reader.error());
  auto url = parse_database_url(text);
  if (!url) return fail({"invalid_config", std::move(url).error()});
  query.summary = summarize(url->dialect, written);
  query.text = written;
  describe_span(outcome, *url, text, query, written);
  if (params != nullptr && params->kind() == expr::Kind::kList) query.params = params->as_list();
  if (params != nullptr && params->kind() == expr::Kind::kMap) {
    auto bound = bind_named(url->dialect, written, params->as_map());
    if (!bound) return fail({"invalid_config", std::move(bound).error()});
    query.text = std::move(bound->text);
    query.params = std::move(bound->params);
  }
  if (!query.params.empty() && has_several_statements(url->dialect, query.text))
    return fail({"invalid_config", "a query with `params` is one statement; this one has several"});

  auto result = run_query(text, *url, query, context, waiting);
  if (!result) {
    if (!result.error().status_code.empty())
      outcome.span_attributes.push_back(attribute("db.response.status_code", result.error().status_code));
    return fail(std::move(result).error().error);
  }
  outcome.span_attributes.push_back(
      attribute("db.response.returned_rows", static_cast<int64_t>(result->rows.size())));
  expr::Map answer;
  answer.set("row_count", static_cast<int64_t>(result->rows.size()));
  answer.set("first_row", result->rows.empty() ? Value() : result->rows.front());
  answer.set("rows", std::move(result->rows));
  answer.set("rows_affected", result->rows_affected);
  answer.set("truncated", result->truncated);
  answer.set("duration_ms", milliseconds_since(start));
  outcome.result = std::move(answer);
  return outcome;
}

}  // namespace

const Action& database_query_action() {
  static const DatabaseQueryAction action;
  return action;
}

}  // namespace testmesh::actions
