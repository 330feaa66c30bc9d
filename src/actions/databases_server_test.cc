// PostgreSQL, MariaDB and Redis as they are.
#include <thread>

#include "actions/registry.h"
#include "actions/server_test.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

// The URL with another part after the last `/`, without what follows a `?`.
std::string with_password(std::string url, std::string_view password) {
  const size_t colon = url.find(':', url.find("//"));
  url.replace(colon + 1, url.find('@') - colon - 1, password);
  return url;
}

class Databases : public testing::Test, public ActionFixture {
 protected:
  ActionOutcome query(std::string_view sql, Value params = {}, expr::Map more = {}) {
    expr::Map config{{"connection", url}, {"query", sql}};
    if (!params.is_nil()) config.set("params", std::move(params));
    for (const auto& [key, value] : more) config.set(key, value);
    return run(database_query_action(), std::move(config));
  }
  std::string answer(std::string_view sql, Value params = {}) {
    const ActionOutcome outcome = query(sql, std::move(params));
    return outcome.error ? told(outcome) : result_of(outcome);
  }
  Value value(std::string_view sql, Value params = {}) {
    const ActionOutcome outcome = query(sql, std::move(params));
    EXPECT_EQ(told(outcome), "") << sql;
    const Value* row = outcome.result.find("first_row");
    if (row == nullptr || row->kind() != expr::Kind::kMap || row->as_map().empty()) return "no row";
    return row->as_map().begin()->second;
  }
  // From another thread, after the query has begun there.
  template <typename Then>
  std::string while_running(std::string_view sql, std::string_view probe, Then&& then) {
    ActionOutcome outcome;
    std::jthread runner([&] { outcome = query(sql); });
    ActionFixture other;
    for (int tries = 0; tries < 2000; ++tries) {
      const ActionOutcome seen = other.run(database_query_action(), {{"connection", url}, {"query", probe}});
      const Value* row = seen.result.find("first_row");
      if (row != nullptr && row->kind() == expr::Kind::kMap) {
        then(*row, other);
        runner.join();
        return told(outcome);
      }
      std::this_thread::yield();
    }
    cancelled = true;
    return "the query never began";
  }
  std::string url;
};

class PostgreSql : public Databases {
 protected:
  void SetUp() override { url = address("TESTMESH_POSTGRES_URL"); }
};

TEST_F(PostgreSql, ValuesOfAllTypes) {
  EXPECT_EQ(
      answer(
          "select 1::int2 a, 2::int4 b, 9223372036854775807 c, 1.5::float8 d, 0.1::float4 e, true f, null g, "
          "'ä'::text h, '{\"k\": [1, 2.5]}'::jsonb i, '[null]'::json j, 12.50::numeric k, 7::numeric l, "
          "12345678901234567890.123::numeric m, '\\x00ff'::bytea n, '{1,2}'::int[] o, 'NaN'::float8 p"),
      R"({"row_count":1,"first_row":{"a":1,"b":2,"c":9223372036854775807,"d":1.5,"e":0.1,"f":true,"g":null,)"
      R"("h":"ä","i":{"k":[1,2.5]},"j":[null],"k":12.5,"l":7,"m":"12345678901234567890.123","n":"AP8=","o":"{1,2}",)"
      R"("p":"NaN"},"rows":[{"a":1,"b":2,"c":9223372036854775807,"d":1.5,"e":0.1,"f":true,"g":null,)"
      R"("h":"ä","i":{"k":[1,2.5]},"j":[null],"k":12.5,"l":7,"m":"12345678901234567890.123","n":"AP8=","o":"{1,2}",)"
      R"("p":"NaN"}],"rows_affected":0,"truncated":false})");
  EXPECT_EQ(value("select timestamptz '2026-11-27 10:00:00.5+00' at time zone 'UTC'"),
            Value("2026-11-27T10:00:00.5"));
  EXPECT_EQ(value("set timezone = 'UTC'; select timestamptz '2026-11-27 10:00:00+02'"),
            Value("2026-11-27T08:00:00+00:00"));
  EXPECT_EQ(value("select date '2026-11-27'"), Value("2026-11-27"));
}

TEST_F(PostgreSql, ParametersAreBound) {
  query("create temp table t (id int, name text, doc jsonb, tags text[], at timestamptz)");
  const char* insert = "insert into t values (:id, :name, :doc, :tags, :at)";
  const Value row = json(
      R"({"id": 1, "name": "x'); drop table t; --", "doc": {"a": [1, "b"]}, "tags": ["p q", "\"r\"", null],
                             "at": "2026-11-27T10:00:00Z"})");
  EXPECT_THAT(answer(insert, row), HasSubstr("\"rows_affected\":1"));
  EXPECT_EQ(value("select name from t where id = $1", json("[1]")), Value("x'); drop table t; --"));
  EXPECT_EQ(value("select doc from t where id = any($1)", json("[[1, 2]]")), json(R"({"a":[1,"b"]})"));
  EXPECT_EQ(value("select tags from t where id = $1", json("[\"1\"]")), Value(R"({"p q","\"r\"",NULL})"));
  EXPECT_EQ(value("select count(*) from t where id = :id and :id::int = id", json(R"({"id": 1})")), Value(1));
  EXPECT_EQ(value("select $1::jsonb", json(R"([[1, {"a": null}]])")), json(R"([1,{"a":null}])"));
  EXPECT_EQ(value("select $1::text is null", json("[null]")), Value(true));
}

TEST_F(PostgreSql, ErrorsSayWhatAndWhere) {
  query("create temp table t (id int primary key, n int not null check (n > 0))");
  const ActionOutcome missing = query("select nope from t");
  EXPECT_THAT(told(missing),
              AllOf(StartsWith("query: PostgreSQL says: column \"nope\" does not exist (SQLSTATE 42703)"),
                    HasSubstr("at character 8 of the query (`nope from t`)")));
  EXPECT_EQ(span_attribute(missing, "db.response.status_code"), "42703");
  EXPECT_THAT(answer("select * from t where id = $1", json("[\"abc\"]")),
              HasSubstr("invalid input syntax for type integer: \"abc\" (SQLSTATE 22P02)"));
  query("insert into t values (1, 1)");
  EXPECT_THAT(answer("insert into t values (1, 1)"),
              AllOf(HasSubstr("duplicate key"), HasSubstr("Key (id)=(1) already exists")));
  EXPECT_THAT(answer("insert into t values (2, -1)"), HasSubstr("violates check constraint"));
  EXPECT_THAT(answer("selec 1"), HasSubstr("syntax error at or near \"selec\""));
  EXPECT_THAT(answer("select $1::int, $2::int", json("[1]")),
              AllOf(StartsWith("query: "), HasSubstr("requires 2")));
  EXPECT_THAT(answer("select $1::int[], $2::int", json("[[1]]")),
              HasSubstr("the query has 2 placeholders, `params` has 1 value"));
  EXPECT_THAT(answer("select $1; select 2", json("[1]")), StartsWith("invalid_config: "));
  EXPECT_THAT(answer("copy t to stdout"), HasSubstr("COPY to or from the client"));
  EXPECT_EQ(value("select 1"), Value(1));
}

TEST_F(PostgreSql, StepsShareASession) {
  query("create temp table t (a int)");
  query("begin; insert into t values (1)");
  EXPECT_EQ(value("select count(*) from t"), Value(1));
  query("rollback");
  EXPECT_EQ(value("select count(*) from t"), Value(0));
  EXPECT_EQ(
      answer("insert into t values (1), (2); update t set a = 3; select a from t; delete from t"),
      R"({"row_count":2,"first_row":{"a":3},"rows":[{"a":3},{"a":3}],"rows_affected":6,"truncated":false})");
  EXPECT_THAT(answer("insert into t values (7) returning a"),
              AllOf(HasSubstr("\"first_row\":{\"a\":7}"), HasSubstr("\"rows_affected\":1")));
}

TEST_F(PostgreSql, MaxRowsTruncatesAndTheConnectionLives) {
  const Value pid = value("select pg_backend_pid()");
  const ActionOutcome outcome =
      query("select generate_series(1, 100000000) g", {}, {{"max_rows", 2}, {"timeout", "5s"}});
  EXPECT_EQ(
      result_of(outcome),
      R"({"row_count":2,"first_row":{"g":1},"rows":[{"g":1},{"g":2}],"rows_affected":0,"truncated":true})");
  EXPECT_EQ(value("select pg_backend_pid()"), pid);
  query("create temp table t (a int); begin");
  EXPECT_THAT(
      result_of(query("insert into t select generate_series(1, 1000) returning a", {}, {{"max_rows", 1}})),
      AllOf(HasSubstr("\"rows_affected\":1000"), HasSubstr("\"truncated\":true")));
  EXPECT_THAT(result_of(query("select a from t", {}, {{"max_rows", 1}})), HasSubstr("\"truncated\":true"));
  query("commit");
  EXPECT_EQ(value("select count(*) from t"), Value(1000));
}

TEST_F(PostgreSql, ATimeoutEndsTheQueryInTheServer) {
  const Value pid = value("select pg_backend_pid()");
  EXPECT_EQ(told(query("select pg_sleep(60)", {}, {{"timeout", "200ms"}})),
            "timeout: the time was up while the query was running");
  EXPECT_EQ(value("select pg_backend_pid()"), pid);
  EXPECT_EQ(value("select count(*) from pg_stat_activity where query like 'select pg_sleep(60)%' and state = "
                  "'active'"),
            Value(0));
}

TEST_F(PostgreSql, ARunThatIsCancelledWaitsForNothing) {
  const std::string active =
      "select pid from pg_stat_activity where query like 'select pg_sleep(61)%' and state = 'active'";
  EXPECT_EQ(
      while_running("select pg_sleep(61)", active, [&](const Value&, ActionFixture&) { cancelled = true; }),
      "cancelled: the run was cancelled while the query was running");
}

TEST_F(PostgreSql, AConnectionThatIsKilledMidQuery) {
  const std::string active =
      "select pid from pg_stat_activity where query like 'select pg_sleep(62)%' and state = 'active'";
  EXPECT_THAT(while_running("select pg_sleep(62)", active,
                            [&](const Value& row, ActionFixture& other) {
                              other.run(database_query_action(),
                                        {{"connection", url},
                                         {"query", "select pg_terminate_backend($1)"},
                                         {"params", expr::List{*row.find("pid")}}});
                            }),
              StartsWith("connection: PostgreSQL says: terminating connection due to administrator command"));
  EXPECT_EQ(value("select 1"), Value(1));
}

TEST_F(PostgreSql, APooledConnectionThatDiedIsReplaced) {
  const Value pid = value("select pg_backend_pid()");
  ActionFixture other;
  other.run(database_query_action(),
            {{"connection", url}, {"query", "select pg_terminate_backend($1)"}, {"params", expr::List{pid}}});
  // The server has ended it when it is no longer in the list.
  for (int i = 0; i < 2000; ++i) {
    const auto left =
        other.run(database_query_action(), {{"connection", url},
                                            {"query", "select 1 from pg_stat_activity where pid = $1"},
                                            {"params", expr::List{pid}}});
    if (*left.result.find("row_count") == Value(0)) break;
  }
  EXPECT_NE(value("select pg_backend_pid()"), pid);
}

TEST_F(PostgreSql, HugeResultsAreRefused) {
  EXPECT_THAT(answer("select repeat('x', 1000000) from generate_series(1, 100000)"),
              StartsWith("too_large: the result is larger than 64 MiB"));
  EXPECT_THAT(answer("select repeat('x', 70000000)"), StartsWith("too_large: "));
  url = address("TESTMESH_POSTGRES_SOCKET_URL");
  EXPECT_THAT(answer("select repeat('x', 70000000)"), StartsWith("too_large: "));
  EXPECT_EQ(value("select 1"), Value(1));
}

TEST_F(PostgreSql, WhoIsNotLetIn) {
  const std::string good = url;
  url = with_password(good, "wrong");
  EXPECT_THAT(answer("select 1"),
              AllOf(StartsWith("connection: could not connect to PostgreSQL at 127.0.0.1:"),
                    HasSubstr("password authentication failed for user \"app\""), Not(HasSubstr("wrong"))));
  // The password of this process's environment is not lent.
  setenv("PGPASSWORD", "s3cret+pass", 1);
  url = with_password(good, "");
  EXPECT_THAT(answer("select 1"), HasSubstr("no password supplied"));
  unsetenv("PGPASSWORD");
  url = good.substr(0, good.rfind('/')) + "/nope";
  EXPECT_THAT(answer("select 1"), HasSubstr("database \"nope\" does not exist"));
}

TEST_F(PostgreSql, SocketsAndTls) {
  const std::string tcp = url;
  EXPECT_EQ(value("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), Value(true));
  url = tcp + "?sslmode=disable";
  EXPECT_EQ(value("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), Value(false));
  url = tcp + "?sslmode=verify-full&sslrootcert=" + address("TESTMESH_POSTGRES_CERTIFICATE");
  EXPECT_EQ(value("select 1"), Value(1));
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  EXPECT_EQ(value("select 1"), Value(1));
  url.replace(url.find("localhost"), 9, "127.0.0.2");
  EXPECT_THAT(answer("select 1"), StartsWith("connection: "));
  url = tcp + "?sslmode=verify-full&sslrootcert=/none";
  EXPECT_THAT(answer("select 1"), AllOf(StartsWith("connection: "), HasSubstr("/none")));
  url = address("TESTMESH_POSTGRES_SOCKET_URL");
  EXPECT_EQ(value("select current_user::text"), Value("postgres"));
}

TEST_F(PostgreSql, ManyStepsAtOnce) {
  std::vector<std::jthread> steps;
  std::atomic<int> good = 0;
  for (int i = 0; i < 16; ++i) {
    steps.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k) {
        const auto outcome = query("select $1::int + $2::int s", Value(expr::List{i, k}));
        if (const Value* row = outcome.result.find("first_row");
            row != nullptr && *row->find("s") == Value(i + k))
          ++good;
      }
    });
  }
  steps.clear();
  EXPECT_EQ(good, 320);
}

class MariaDb : public Databases {
 protected:
  void SetUp() override {
    url = address("TESTMESH_MARIADB_URL");
    query("set session sql_mode = default");
  }
};

// Both protocols, the one of texts and the one of prepared statements, must
// tell the same.
TEST_F(MariaDb, ValuesOfAllTypesInBothProtocols) {
  query(
      "create or replace table types (a tinyint, b bigint unsigned, c float, d double, e decimal(20,2), f "
      "decimal(30,10), "
      "g varchar(20), h varbinary(20), i json, j datetime(3), k date, l time, m bit(10), n year, o text, p "
      "blob, q boolean, r timestamp null)");
  query(
      "insert into types values (-5, 18446744073709551615, 1.1, 0.1, 12.50, 12345678901234567890.1234567890, "
      "'ä', x'00ff', "
      "'{\"k\": [1]}', '2026-11-27 10:00:00.250', '2026-11-27', '10:00:01', b'1000000001', 2026, 'text', "
      "'bytes', true, "
      "'2026-11-27 10:00:00'), (null, 3, null, null, 7, null, '', '', null, null, null, null, null, null, "
      "null, null, null, null)");
  const char* expected =
      R"({"row_count":2,"first_row":{"a":-5,"b":"18446744073709551615","c":1.1,"d":0.1,"e":12.5,)"
      R"("f":"12345678901234567890.1234567890","g":"ä","h":"AP8=","i":{"k":[1]},"j":"2026-11-27T10:00:00.250",)"
      R"("k":"2026-11-27","l":"10:00:01","m":513,"n":2026,"o":"text","p":"Ynl0ZXM=","q":1,"r":"2026-11-27T10:00:00"},)"
      R"("rows":[{"a":-5,"b":"18446744073709551615","c":1.1,"d":0.1,"e":12.5,)"
      R"("f":"12345678901234567890.1234567890","g":"ä","h":"AP8=","i":{"k":[1]},"j":"2026-11-27T10:00:00.250",)"
      R"("k":"2026-11-27","l":"10:00:01","m":513,"n":2026,"o":"text","p":"Ynl0ZXM=","q":1,"r":"2026-11-27T10:00:00"},)"
      R"({"a":null,"b":3,"c":null,"d":null,"e":7,"f":null,"g":"","h":"","i":null,"j":null,"k":null,"l":null,"m":null,)"
      R"("n":null,"o":null,"p":null,"q":null,"r":null}],"rows_affected":0,"truncated":false})";
  std::string text = answer("select * from types"),
              prepared = answer("select * from types where 1 = ?", json("[1]"));
  for (std::string* one : {&text, &prepared}) {
    // 7.00 is the float 7, which JSON writes as 7.0 or 7.
    const size_t at = one->find("\"e\":7.0,");
    if (at != std::string::npos) one->replace(at, 8, "\"e\":7,");
    EXPECT_EQ(*one, expected);
  }
}

TEST_F(MariaDb, ParametersAreBound) {
  query("create or replace table t (id int, name varchar(100), doc json, x double)");
  EXPECT_THAT(answer("insert into t values (:id, :name, :doc, :x), (:id + 1, null, null, :x)",
                     json(R"({"id": 1, "name": "x'); drop table t; --", "doc": {"a": [1]}, "x": 0.1})")),
              HasSubstr("\"rows_affected\":2"));
  EXPECT_EQ(value("select name from t where id = ?", json("[1]")), Value("x'); drop table t; --"));
  EXPECT_EQ(value("select doc from t where x = ? and id = ?", json("[0.1, 1]")), json(R"({"a":[1]})"));
  EXPECT_EQ(value("select count(*) from t where name is null and ? is null", json("[null]")), Value(1));
  EXPECT_THAT(answer("select ?, ?", json("[1]")),
              HasSubstr("the query has 2 placeholders (?), `params` has 1 value"));
}

TEST_F(MariaDb, ErrorsSayWhatAndWhere) {
  query("create or replace table t (id int primary key)");
  query("insert into t values (1)");
  const ActionOutcome missing = query("select nope from t");
  EXPECT_THAT(told(missing), StartsWith("query: MariaDB says: Unknown column 'nope' in "));
  EXPECT_EQ(span_attribute(missing, "db.response.status_code"), "42S22");
  EXPECT_THAT(answer("insert into t values (?)", json("[1]")),
              HasSubstr("Duplicate entry '1' for key 'PRIMARY'"));
  EXPECT_THAT(answer("insert into t values (?)", json("[\"abc\"]")),
              HasSubstr("Incorrect integer value: 'abc'"));
  EXPECT_THAT(answer("selec 1"), HasSubstr("near 'selec 1' at line 1"));
  EXPECT_THAT(answer("select 1; selec 2"), HasSubstr("near 'selec 2'"));
  EXPECT_EQ(value("select 1"), Value(1));
  EXPECT_THAT(answer("load data local infile '/etc/hostname' into table t"), StartsWith("query: "));
}

TEST_F(MariaDb, SeveralStatementsAndTransactions) {
  EXPECT_EQ(
      answer("create or replace table t (a int); insert into t values (1), (2); update t set a = 3; select a "
             "from t; delete from t"),
      R"({"row_count":2,"first_row":{"a":3},"rows":[{"a":3},{"a":3}],"rows_affected":6,"truncated":false})");
  query("start transaction");
  query("insert into t values (1)");
  EXPECT_EQ(value("select count(*) from t"), Value(1));
  query("rollback");
  EXPECT_EQ(value("select count(*) from t"), Value(0));
}

TEST_F(MariaDb, MaxRowsTruncates) {
  for (const Value& params : {Value(), json("[1]")}) {
    const ActionOutcome outcome = query(params.is_nil() ? "select seq from seq_1_to_100000000"
                                                        : "select seq from seq_1_to_100000000 where 1 = ?",
                                        params, {{"max_rows", 2}, {"timeout", "5s"}});
    EXPECT_EQ(
        outcome.error ? told(outcome) : result_of(outcome),
        R"({"row_count":2,"first_row":{"seq":1},"rows":[{"seq":1},{"seq":2}],"rows_affected":0,"truncated":true})");
  }
  query("create or replace table t (a int); start transaction");
  query("insert into t select seq from seq_1_to_1000");
  EXPECT_THAT(result_of(query("select a from t", {}, {{"max_rows", 1}})), HasSubstr("\"truncated\":true"));
  query("commit");
  EXPECT_EQ(value("select count(*) from t"), Value(1000));
}

TEST_F(MariaDb, ATimeoutEndsTheQueryInTheServer) {
  EXPECT_EQ(told(query("select sleep(60)", {}, {{"timeout", "200ms"}})),
            "timeout: the time was up while the query was running");
  EXPECT_EQ(told(query("select sleep(?)", json("[60]"), {{"timeout", "200ms"}})),
            "timeout: the time was up while the query was running");
  EXPECT_EQ(
      told(query("select seq, sleep(0.01) from seq_1_to_100000", {}, {{"timeout", "200ms"}})).substr(0, 8),
      "timeout:");
  // It ends when it next looks, which is soon.
  for (int i = 0; i < 2000; ++i) {
    if (value("select count(*) from information_schema.processlist where info like 'select%sleep(%' and info "
              "not like '%processlist%'") == Value(0))
      break;
  }
  EXPECT_EQ(value("select count(*) from information_schema.processlist where info like 'select%sleep(%' and "
                  "info not like '%processlist%'"),
            Value(0));
}

TEST_F(MariaDb, CancelledAndKilled) {
  const std::string active =
      "select id from information_schema.processlist where info like 'select sleep(61)%'";
  EXPECT_EQ(
      while_running("select sleep(61)", active, [&](const Value&, ActionFixture&) { cancelled = true; }),
      "cancelled: the run was cancelled while the query was running");
  cancelled = false;
  const std::string doomed =
      "select id from information_schema.processlist where info like 'select sleep(62)%'";
  EXPECT_THAT(while_running("select sleep(62)", doomed,
                            [&](const Value& row, ActionFixture& other) {
                              other.run(
                                  database_query_action(),
                                  {{"connection", url}, {"query", "kill " + expr::to_text(*row.find("id"))}});
                            }),
              StartsWith("connection: the connection to MariaDB at 127.0.0.1:"));
  EXPECT_EQ(value("select 1"), Value(1));
}

TEST_F(MariaDb, APooledConnectionThatDiedIsReplaced) {
  const Value id = value("select connection_id()");
  ActionFixture other;
  other.run(database_query_action(), {{"connection", url}, {"query", "kill " + expr::to_text(id)}});
  for (int i = 0; i < 2000; ++i) {
    const auto left = other.run(database_query_action(),
                                {{"connection", url},
                                 {"query", "select 1 from information_schema.processlist where id = ?"},
                                 {"params", expr::List{id}}});
    if (*left.result.find("row_count") == Value(0)) break;
  }
  EXPECT_NE(value("select connection_id()"), id);
}

TEST_F(MariaDb, HugeResultsAreRefused) {
  EXPECT_THAT(answer("select repeat('x', 1000000) from seq_1_to_100000"), StartsWith("too_large: "));
  EXPECT_THAT(answer("select repeat('x', 1000000) from seq_1_to_100000 where 1 = ?", json("[1]")),
              StartsWith("too_large: "));
  EXPECT_THAT(answer("select repeat('x', 100000000)"), StartsWith("too_large: "));
  EXPECT_THAT(answer("select repeat('x', ?)", json("[100000000]")), StartsWith("too_large: "));
  EXPECT_EQ(value("select 1"), Value(1));
}

TEST_F(MariaDb, WhoIsNotLetIn) {
  const std::string good = url;
  url = with_password(good, "wrong");
  EXPECT_THAT(answer("select 1"), AllOf(StartsWith("connection: could not connect to MariaDB at 127.0.0.1:"),
                                        HasSubstr("Access denied for user 'app'"), Not(HasSubstr("wrong"))));
  url = good.substr(0, good.rfind('/')) + "/nope";
  EXPECT_THAT(answer("select 1"), HasSubstr("Unknown database 'nope'"));
}

TEST_F(MariaDb, SocketsAndTls) {
  const std::string tcp = url;
  EXPECT_EQ(
      value(
          "select variable_value from information_schema.session_status where variable_name = 'ssl_version'"),
      Value(""));
  url = tcp + "?sslmode=require";
  EXPECT_THAT(expr::to_text(value("select variable_value from information_schema.session_status where "
                                  "variable_name = 'ssl_version'")),
              StartsWith("TLS"));
  EXPECT_THAT(told(query("select sleep(60)", {}, {{"timeout", "200ms"}})), StartsWith("timeout: "));
  url = tcp + "?sslmode=verify-full&sslrootcert=" + address("TESTMESH_MARIADB_CERTIFICATE");
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  EXPECT_EQ(value("select 1"), Value(1));
  url = tcp + "?sslmode=verify-full";
  EXPECT_THAT(answer("select 1"), AllOf(StartsWith("tls: "), HasSubstr("certificate")));
  url = address("TESTMESH_MARIADB_SOCKET_URL");
  EXPECT_EQ(value("select substring_index(current_user(), '@', 1)"), Value("root"));
}

TEST_F(MariaDb, AServerThatSaysNothing) {
  value("select 1");
  const Halted halted("TESTMESH_MARIADB_PID");
  EXPECT_THAT(told(query("select 1", {}, {{"timeout", "200ms"}})),
              StartsWith("timeout: the time was up while the query was running"));
  ActionFixture fresh;
  EXPECT_THAT(told(fresh.run(database_query_action(),
                             {{"connection", url}, {"query", "select 1"}, {"timeout", "200ms"}})),
              StartsWith("timeout: the time was up while connecting to MariaDB at 127.0.0.1:"));
}

class RedisServer : public testing::Test, public ActionFixture {
 protected:
  void SetUp() override { url = address("TESTMESH_REDIS_URL"); }
  ActionOutcome call(Value command, const char* within = "30s") {
    return run(redis_action(), {{"connection", url}, {"command", std::move(command)}, {"timeout", within}});
  }
  std::string answer(Value command) {
    const ActionOutcome outcome = call(std::move(command));
    return outcome.error ? told(outcome) : result_of(outcome);
  }
  std::string url;
};

TEST_F(RedisServer, RepliesOfAllTypes) {
  EXPECT_EQ(answer("DEL k n l b"), R"({"value":0,"type":"integer"})");
  EXPECT_EQ(answer("SET k 'a value'"), R"({"value":"OK","type":"status"})");
  EXPECT_EQ(answer("GET k"), R"({"value":"a value","type":"string"})");
  EXPECT_EQ(answer("GET none"), R"({"value":null,"type":"nil"})");
  EXPECT_EQ(answer(json(R"(["RPUSH", "l", 1, 2.5, true, {"a": 1}])")), R"({"value":4,"type":"integer"})");
  EXPECT_EQ(answer("LRANGE l 0 -1"), R"({"value":["1","2.5","true","{\"a\":1}"],"type":"list"})");
  EXPECT_EQ(answer("SET b \"\\xff\\x00\""), R"({"value":"OK","type":"status"})");
  EXPECT_EQ(answer("GET b"), R"({"value":"/wA=","type":"bytes"})");
  EXPECT_EQ(answer("EVAL 'return {1,{2,{3}}}' 0"), R"({"value":[1,[2,[3]]],"type":"list"})");
}

TEST_F(RedisServer, Errors) {
  call("SET k x");
  const ActionOutcome outcome = call("INCR k");
  EXPECT_EQ(told(outcome), "query: Redis says: ERR value is not an integer or out of range");
  EXPECT_EQ(span_attribute(outcome, "db.response.status_code"), "ERR");
  EXPECT_EQ(outcome.span_name, "INCR");
  EXPECT_THAT(answer("NOPE"), HasSubstr("unknown command"));
  EXPECT_THAT(answer("SUBSCRIBE c"), StartsWith("invalid_config: SUBSCRIBE has no single answer"));
  EXPECT_THAT(answer("LPUSH k v"), HasSubstr("WRONGTYPE"));
}

TEST_F(RedisServer, TheConnectionOfOneStepIsTheNextOnes) {
  EXPECT_EQ(answer("CLIENT SETNAME step"), R"({"value":"OK","type":"status"})");
  EXPECT_EQ(answer("CLIENT GETNAME"), R"({"value":"step","type":"string"})");
  // Killed by someone else, it is replaced.
  ActionFixture other;
  const std::string id = expr::to_text(*call("CLIENT ID").result.find("value"));
  other.run(redis_action(), {{"connection", url}, {"command", "CLIENT KILL ID " + id}});
  EXPECT_EQ(answer("CLIENT GETNAME"), R"({"value":null,"type":"nil"})");
}

TEST_F(RedisServer, WaitingEnds) {
  call("DEL queue");
  EXPECT_THAT(told(call("BLPOP queue 0", "100ms")),
              StartsWith("timeout: the time was up while waiting for the answer of Redis at 127.0.0.1:"));
  EXPECT_EQ(answer("PING"), R"({"value":"PONG","type":"status"})");
  std::jthread canceller([this] {
    ActionFixture other;
    while (expr::to_text(*other.run(redis_action(), {{"connection", url}, {"command", "CLIENT LIST"}})
                              .result.find("value"))
               .find("cmd=blpop") == std::string::npos)
      std::this_thread::yield();
    cancelled = true;
  });
  EXPECT_THAT(told(call("BLPOP queue 0")), StartsWith("cancelled: "));
}

TEST_F(RedisServer, HugeAnswersAreRefused) {
  call("DEL huge");
  EXPECT_EQ(answer("SETRANGE huge 100000000 x"), R"({"value":100000001,"type":"integer"})");
  EXPECT_EQ(answer("GET huge"), "too_large: the answer of Redis is larger than 64 MiB");
  EXPECT_EQ(answer("DEL huge"), R"({"value":1,"type":"integer"})");
}

TEST_F(RedisServer, WhoIsNotLetIn) {
  const std::string good = url;
  url = with_password(good, "wrong");
  EXPECT_THAT(answer("PING"), AllOf(StartsWith("connection: Redis at 127.0.0.1:"),
                                    HasSubstr("refused AUTH: WRONGPASS"), Not(HasSubstr("wrong pass"))));
  url = good.substr(0, 8) + good.substr(good.find('@') + 1);
  EXPECT_THAT(answer("PING"), StartsWith("query: Redis says: NOAUTH"));
  url = good.substr(0, good.rfind('/')) + "/99";
  EXPECT_THAT(answer("PING"), HasSubstr("refused SELECT: ERR DB index is out of range"));
  url = address("TESTMESH_REDIS_SOCKET_URL");
  EXPECT_EQ(answer("PING"), R"({"value":"PONG","type":"status"})");
}

TEST_F(RedisServer, AServerThatSaysNothing) {
  const Halted halted("TESTMESH_REDIS_PID");
  EXPECT_THAT(told(call("PING", "200ms")),
              StartsWith("timeout: the time was up while waiting for the answer of Redis"));
}

}  // namespace
}  // namespace testmesh::actions
