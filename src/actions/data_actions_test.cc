// What needs no server: reading config, URLs, SQL and commands; SQLite; a Kafka
// cluster that is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>

#include "actions/action_fixture.h"
#include "actions/config_reader.h"
#include "actions/connection_url.h"
#include "actions/database.h"
#include "actions/redis_command.h"
#include "actions/registry.h"
#include "actions/sql_text.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

TEST(ConfigReader, Durations) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("1m30s"), 90s);
  for (const char* wrong : {"", "5", "s", "5x", "-1s", "1..5s", "5s ", "1e3s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  EXPECT_TRUE(parse_duration("99999999999999h").has_value());
}

TEST(ConnectionUrl, PartsAreDecoded) {
  const auto url =
      parse_connection_url("POSTGRES://us%40er:p%2Fa%3Ass@db.test:6432/orders%20db?sslmode=require&x=%26");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(url->scheme, "postgres");
  EXPECT_EQ(url->user, "us@er");
  EXPECT_EQ(url->password, "p/a:ss");
  EXPECT_EQ(url->host, "db.test");
  EXPECT_EQ(url->port, 6432);
  EXPECT_EQ(url->path, "/orders db");
  EXPECT_EQ(*url->param("sslmode"), "require");
  EXPECT_EQ(*url->param("x"), "&");
}

TEST(ConnectionUrl, HostsOfAllKinds) {
  EXPECT_EQ(parse_connection_url("redis://[::1]:7")->host, "::1");
  EXPECT_EQ(parse_connection_url("redis://[::1]:7")->port, 7);
  EXPECT_EQ(parse_connection_url("redis://")->host, "");
  EXPECT_EQ(parse_connection_url("postgres://user@/db?host=/run")->host, "");
  for (const char* wrong :
       {"", "db", "://x", "redis://a:b:c", "redis://::1/", "redis://h:0", "redis://h:70000", "redis://%4",
        "postgres://a,b/db", "redis://%00/", "redis://[::1", "redis://[::1]x"})
    EXPECT_FALSE(parse_connection_url(wrong).has_value()) << wrong;
}

TEST(ConnectionUrl, NoErrorAndNoMaskShowsThePassword) {
  for (const char* text : {"postgres://user:s3cret@host/db", "postgres://user:s3cret@host:99999/db",
                           "postgres://user:s3cret%zz@host/db", "postgres://user:s3c/s3cret@host/db",
                           "postgres://user:s3c@s3cret@host/db", "postgres://user:s3c?s3cret@host/db",
                           "postgres://host/db?user=a&password=s3cret", "redis://:s3cret@h",
                           "nonsense://u:s3cret@h", "mysql://u:s3cret@h?password=s3cret&socket=/x"}) {
    EXPECT_THAT(mask_url(text), Not(HasSubstr("s3cret"))) << text;
    EXPECT_THAT(mask_url(text), HasSubstr("***")) << text;
    const auto parsed = parse_database_url(text);
    EXPECT_THAT(parsed ? "" : parsed.error(), Not(HasSubstr("s3cret"))) << text;
  }
  EXPECT_EQ(mask_url("postgres://user:pw@host/db"), "postgres://user:***@host/db");
  EXPECT_EQ(mask_url("postgres://user@host:5432/db"), "postgres://user@host:5432/db");
  EXPECT_EQ(mask_url("sqlite:a@b:c.db"), "sqlite:a@b:c.db");
}

TEST(DatabaseUrl, Servers) {
  EXPECT_EQ(parse_database_url("postgres://u@h/d")->place(), "h:5432");
  EXPECT_EQ(parse_database_url("postgresql://u@[::1]:1/d")->place(), "[::1]:1");
  EXPECT_EQ(parse_database_url("mariadb://u@h/d")->place(), "h:3306");
  EXPECT_EQ(parse_database_url("mysql://u@h/d?socket=/run/my.sock")->place(), "/run/my.sock");
  EXPECT_EQ(parse_database_url("postgres://u@/d?host=/run/pg")->place(), "/run/pg");
  EXPECT_EQ(parse_database_url("postgres:///d")->host, "localhost");
  EXPECT_THAT(parse_database_url("oracle://h/d").error(),
              HasSubstr("expected postgres:, mysql:, mariadb: or sqlite:"));
  EXPECT_THAT(parse_database_url("postgres://h/d?sslmod=require").error(), HasSubstr("\"sslmod\""));
  EXPECT_THAT(parse_database_url("postgres://h/d?sslmode=maybe").error(), HasSubstr("verify-full"));
  EXPECT_THAT(parse_database_url("postgres:h/d").error(), HasSubstr("wants //"));
}

TEST(DatabaseUrl, SqliteFiles) {
  EXPECT_EQ(parse_database_url("sqlite:rel.db")->file, "rel.db");
  EXPECT_EQ(parse_database_url("sqlite:///abs/path.db")->file, "/abs/path.db");
  EXPECT_EQ(parse_database_url("sqlite:/abs/path.db")->file, "/abs/path.db");
  EXPECT_EQ(parse_database_url("sqlite://rel.db")->file, "rel.db");
  EXPECT_EQ(parse_database_url("sqlite::memory:")->file, ":memory:");
  EXPECT_EQ(parse_database_url("sqlite://:memory:")->file, ":memory:");
  EXPECT_EQ(parse_database_url("sqlite:///:memory:")->file, ":memory:");
  EXPECT_EQ(parse_database_url("sqlite:a%20b.db")->file, "a b.db");
  EXPECT_FALSE(parse_database_url("sqlite:").has_value());
  EXPECT_FALSE(parse_database_url("sqlite:///").has_value());
  EXPECT_FALSE(parse_database_url("sqlite:x.db?mode=memory").has_value());
}

expr::Map abc() { return {{"a", 1}, {"b", "x"}, {"c", Value()}}; }

std::string bound(SqlDialect dialect, std::string_view sql) {
  const auto result = bind_named(dialect, sql, abc());
  if (!result) return "error: " + result.error();
  return result->text + " " + expr::to_json(Value(result->params));
}

TEST(SqlText, NamedParameters) {
  EXPECT_EQ(bound(SqlDialect::kPostgres, "select :b, :a, :b"), "select $1, $2, $1 [\"x\",1]");
  EXPECT_EQ(bound(SqlDialect::kMariaDb, "select :b, :a, :b"), "select ?, ?, ? [\"x\",1,\"x\"]");
  EXPECT_EQ(bound(SqlDialect::kSqlite, "select :b, :a, :b"), "select ?1, ?2, ?1 [\"x\",1]");
  EXPECT_EQ(bound(SqlDialect::kPostgres, "(:a,:c)"), "($1,$2) [1,null]");
  EXPECT_THAT(bound(SqlDialect::kPostgres, "select :nope"),
              HasSubstr(":nope, which `params` does not have (it has a, b, c)"));
}

TEST(SqlText, LiteralsAndCommentsStayAsTheyAre) {
  for (const char* sql :
       {"select ':a'", "select 'it''s :a'", "select \":a\"", "-- :a", "/* :a */ 1", "select '12:30':::x",
        "select a::b", "select r[1:a]", "select E'\\':a'", "select $$ :a $$", "select $t$ :a $$ $t$",
        "/* /* :a */ :a */ 1", "select ':a", "/* :a", "select $t$ :a", "a := 1"}) {
    EXPECT_EQ(bound(SqlDialect::kPostgres, sql), std::string(sql) + " []") << sql;
  }
  for (const char* sql : {"select '\\':a'", "# :a", "select `:a`", "select \"\\\":a\""})
    EXPECT_EQ(bound(SqlDialect::kMariaDb, sql), std::string(sql) + " []") << sql;
  for (const char* sql : {"select [:a]", "select `:a`", "select '\\'"})
    EXPECT_EQ(bound(SqlDialect::kSqlite, sql), std::string(sql) + " []") << sql;
  // A backslash ends no text of standard SQL.
  EXPECT_EQ(bound(SqlDialect::kPostgres, "select '\\', :a"), "select '\\', $1 [1]");
  EXPECT_EQ(bound(SqlDialect::kPostgres, "select :a::int"), "select $1::int [1]");
  EXPECT_EQ(bound(SqlDialect::kMariaDb, "select 5--:a\n+ :a"), "select 5--?\n+ ? [1,1]");
}

TEST(SqlText, Summaries) {
  const auto summary = [](std::string_view sql) {
    const SqlSummary found = summarize(SqlDialect::kPostgres, sql);
    return found.operation + " " + found.table;
  };
  EXPECT_EQ(summary("select * from orders where id = 1"), "SELECT orders");
  EXPECT_EQ(summary("-- hello\n SELECT 1"), "SELECT ");
  EXPECT_EQ(summary("INSERT INTO shop.\"Orders\" VALUES (1)"), "INSERT shop.Orders");
  EXPECT_EQ(summary("update only orders set x = 1"), "UPDATE orders");
  EXPECT_EQ(summary("delete from orders"), "DELETE orders");
  EXPECT_EQ(summary("create table if not exists t (a int)"), "CREATE t");
  EXPECT_EQ(summary("with x as (select 1) insert into y select 1"), "INSERT y");
  EXPECT_EQ(summary("select * from (select 1) q"), "SELECT ");
  EXPECT_EQ(summary(""), " ");
  EXPECT_EQ(summary("(("), " ");
}

TEST(SqlText, SeveralStatements) {
  EXPECT_FALSE(has_several_statements(SqlDialect::kPostgres, "select 1; -- done"));
  EXPECT_FALSE(has_several_statements(SqlDialect::kPostgres, "select ';';;"));
  EXPECT_TRUE(has_several_statements(SqlDialect::kPostgres, "select 1; select 2"));
}

// Any text ends, and what is no placeholder comes out as it went in.
TEST(SqlText, RandomTextsKeepTheirBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> parts = {"'", "\"", "`",  "$",        "$t$", "/*", "*/", "--", "\n",
                                          "#", ":a", ":b", "::",       "[",   "]",  "\\", "E'", " ",
                                          "x", "1",  ";",  "\xc3\xa4", ":",   "$$", "="};
  for (int round = 0; round < 20000; ++round) {
    std::string sql;
    for (int i = static_cast<int>(random() % 14); i > 0; --i) sql += parts[random() % parts.size()];
    for (const SqlDialect dialect : {SqlDialect::kPostgres, SqlDialect::kMariaDb, SqlDialect::kSqlite}) {
      const auto result = bind_named(dialect, sql, abc());
      if (!result) continue;  // a name that goes on
      std::string again;
      size_t at = 0, copied = 0;
      SqlToken token;
      size_t placeholders = 0;
      while (next_token(dialect, sql, at, token)) {
        if (token.kind != SqlToken::Kind::kPlaceholder) continue;
        ++placeholders;
        again += sql.substr(copied, at - token.text.size() - copied);
        copied = at;
      }
      again += sql.substr(copied);
      if (placeholders == 0) {
        ASSERT_EQ(result->text, sql);
        ASSERT_THAT(result->params, IsEmpty());
      }
      ASSERT_LE(result->params.size(), placeholders);
    }
  }
}

TEST(RedisCommand, SplitsAsRedisCliDoes) {
  EXPECT_THAT(*split_command("SET key value"), ElementsAre("SET", "key", "value"));
  EXPECT_THAT(*split_command("  SET 'a b' \"c\\n\\x41\\\"\"  "), ElementsAre("SET", "a b", "c\nA\""));
  EXPECT_THAT(*split_command("SET k ''"), ElementsAre("SET", "k", ""));
  EXPECT_THAT(*split_command("SET k 'it\\'s'"), ElementsAre("SET", "k", "it's"));
  EXPECT_THAT(split_command("SET k 'x").error(), HasSubstr("never closed"));
  EXPECT_THAT(split_command("SET k 'x'y").error(), HasSubstr("space"));
  EXPECT_FALSE(split_command("  ").has_value());
}

TEST(DatabaseValues, NumbersAreExactOrText) {
  EXPECT_EQ(exact_number("12"), Value(12));
  EXPECT_EQ(exact_number("12").kind(), expr::Kind::kInt);
  EXPECT_EQ(exact_number("9223372036854775807"), Value(INT64_MAX));
  EXPECT_EQ(exact_number("9223372036854775808"), Value("9223372036854775808"));
  EXPECT_EQ(exact_number("-12.50"), Value(-12.5));
  EXPECT_EQ(exact_number("0.1"), Value(0.1));
  EXPECT_EQ(exact_number("123456789012345.5"), Value("123456789012345.5"));
  EXPECT_EQ(exact_number("12345678901234.5"), Value(12345678901234.5));
  EXPECT_EQ(exact_number(""), Value(""));
  EXPECT_EQ(rfc3339_like("2026-11-27 10:00:00.5+02"), "2026-11-27T10:00:00.5+02:00");
  EXPECT_EQ(rfc3339_like("2026-11-27 10:00:00"), "2026-11-27T10:00:00");
  EXPECT_EQ(rfc3339_like("infinity"), "infinity");
}

TEST(Base64, AllLengths) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(text_or_base64("\xff"), "/w==");
  EXPECT_EQ(text_or_base64("ä"), "ä");
}

class Sqlite : public testing::Test, public ActionFixture {
 protected:
  ActionOutcome query(std::string_view sql, Value params = {}, expr::Map more = {}) {
    expr::Map config{{"connection", connection}, {"query", sql}};
    if (!params.is_nil()) config.set("params", std::move(params));
    for (const auto& [key, value] : more) config.set(key, value);
    return run(database_query_action(), std::move(config));
  }
  std::string answer(std::string_view sql, Value params = {}) {
    const ActionOutcome outcome = query(sql, std::move(params));
    return outcome.error ? error_of(outcome) : result_of(outcome);
  }
  std::string connection = "sqlite::memory:";
};

TEST_F(Sqlite, ValuesOfAllTypes) {
  EXPECT_EQ(
      answer("select 1 a, 2.5 b, 'x' c, null d, x'00ff' e, 9223372036854775807 f"),
      R"({"row_count":1,"first_row":{"a":1,"b":2.5,"c":"x","d":null,"e":"AP8=","f":9223372036854775807},)"
      R"("rows":[{"a":1,"b":2.5,"c":"x","d":null,"e":"AP8=","f":9223372036854775807}],)"
      R"("rows_affected":0,"truncated":false})");
  query("create table t (ok boolean, doc json, name text)");
  EXPECT_THAT(answer("insert into t values (?, ?, ?), (0, '[1', null)", json(R"([true, {"a": [1]}, "ä"])")),
              HasSubstr("\"rows_affected\":2"));
  EXPECT_THAT(
      answer("select * from t"),
      HasSubstr(R"("rows":[{"ok":true,"doc":{"a":[1]},"name":"ä"},{"ok":false,"doc":"[1","name":null}])"));
}

TEST_F(Sqlite, NoRowsNoFirstRow) {
  query("create table t (a int)");
  EXPECT_EQ(answer("select * from t"),
            R"({"row_count":0,"first_row":null,"rows":[],"rows_affected":0,"truncated":false})");
}

TEST_F(Sqlite, ColumnsOfTheSameNameAreAllThere) {
  EXPECT_THAT(answer("select 1 a, 2 a, 3 a"), HasSubstr(R"({"a":1,"a_2":2,"a_3":3})"));
}

TEST_F(Sqlite, ParametersAreBoundNeverPasted) {
  query("create table t (a text)");
  query("insert into t values (:name)", json(R"({"name": "x'); drop table t; --"})"));
  EXPECT_THAT(answer("select a from t"), HasSubstr("x'); drop table t; --"));
  EXPECT_THAT(answer("select * from t where a = :nme", json(R"({"name": 1})")),
              HasSubstr("invalid_config: the query uses :nme"));
  EXPECT_THAT(answer("select ?, ?", json("[1]")),
              HasSubstr("query: the query has 2 placeholders, `params` has 1 value"));
}

TEST_F(Sqlite, SeveralStatementsWithoutParameters) {
  EXPECT_EQ(
      answer("create table t (a int); insert into t values (1), (2); select * from t; update t set a = 3"),
      R"({"row_count":2,"first_row":{"a":1},"rows":[{"a":1},{"a":2}],"rows_affected":4,"truncated":false})");
  EXPECT_THAT(answer("select ?; select 2", json("[1]")),
              HasSubstr("invalid_config: a query with `params` is one statement"));
}

TEST_F(Sqlite, ErrorsSayWhatAndWhere) {
  const ActionOutcome outcome = query("select nope from t");
  EXPECT_THAT(error_of(outcome), AllOf(StartsWith("query: SQLite says: no such table: t")));
  EXPECT_EQ(span_attribute(outcome, "db.response.status_code"), "1");
  EXPECT_EQ(span_attribute(outcome, "error.type"), "query");
  EXPECT_TRUE(outcome.span_failed);
  EXPECT_THAT(answer("selec 1"), AllOf(HasSubstr("near \"selec\": syntax error"), HasSubstr("at byte 1")));
  query("create table u (a int primary key)");
  query("insert into u values (1)");
  EXPECT_THAT(answer("insert into u values (1)"), HasSubstr("UNIQUE constraint failed: u.a"));
  EXPECT_THAT(answer("", {}), HasSubstr("invalid_config: `query` is missing"));
}

TEST_F(Sqlite, SpanAndRequest) {
  const ActionOutcome outcome = query("select 1 from sqlite_master", json("[]"));
  EXPECT_EQ(outcome.span_name, "SELECT sqlite_master");
  EXPECT_EQ(outcome.span_kind, model::SpanKind::kClient);
  EXPECT_EQ(span_attribute(outcome, "db.system.name"), "sqlite");
  EXPECT_EQ(span_attribute(outcome, "db.operation.name"), "SELECT");
  EXPECT_EQ(span_attribute(outcome, "db.query.text"), "select 1 from sqlite_master");
  EXPECT_EQ(expr::to_json(outcome.request),
            R"({"connection":"sqlite::memory:","query":"select 1 from sqlite_master","params":[]})");
}

TEST_F(Sqlite, MaxRowsTruncates) {
  const ActionOutcome outcome =
      query("with recursive n(x) as (select 1 union all select x + 1 from n) select x from n", {},
            {{"max_rows", 3}});
  EXPECT_EQ(
      result_of(outcome),
      R"({"row_count":3,"first_row":{"x":1},"rows":[{"x":1},{"x":2},{"x":3}],"rows_affected":0,"truncated":true})");
}

TEST_F(Sqlite, EndlessQueriesEnd) {
  const char* endless =
      "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n";
  EXPECT_THAT(error_of(query(endless, {}, {{"timeout", "50ms"}})), StartsWith("timeout: the time was up"));
  std::jthread canceller([this] {
    std::this_thread::yield();
    cancelled = true;
  });
  EXPECT_THAT(error_of(query(endless)), StartsWith("cancelled: the run was cancelled"));
}

TEST_F(Sqlite, HugeResultsAreRefused) {
  EXPECT_THAT(
      answer(
          "with recursive n(x) as (select 1 union all select x + 1 from n) select zeroblob(1000000) from n"),
      StartsWith("too_large: the result is larger than 64 MiB"));
  EXPECT_THAT(answer("select zeroblob(100000000)"), StartsWith("too_large: "));
}

class SqliteFile : public Sqlite {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("testmesh-sqlite-" + std::to_string(std::random_device{}()));
    std::filesystem::create_directory(folder);
    connection = "sqlite://" + (folder / "a b.db").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(SqliteFile, IsMadeAndKept) {
  query("create table t (a int); insert into t values (5)");
  ActionFixture another;
  EXPECT_THAT(result_of(another.run(database_query_action(),
                                    {{"connection_string", connection}, {"query", "select a from t"}})),
              HasSubstr("\"first_row\":{\"a\":5}"));
}

TEST_F(SqliteFile, ALockIsWaitedFor) {
  query("create table t (a int); begin immediate");
  ActionFixture another;
  EXPECT_THAT(error_of(another.run(
                  database_query_action(),
                  {{"connection", connection}, {"query", "insert into t values (1)"}, {"timeout", "30ms"}})),
              HasSubstr("another connection has locked"));
}

TEST_F(SqliteFile, OnlyPlainFiles) {
  connection = "sqlite://" + folder.string();
  EXPECT_THAT(answer("select 1"), AllOf(StartsWith("connection: "), HasSubstr("it is no plain file")));
  connection = "sqlite:///dev/null";
  EXPECT_THAT(answer("select 1"), HasSubstr("it is no plain file"));
  connection = "sqlite://" + (folder / "none/x.db").string();
  EXPECT_THAT(answer("select 1"), AllOf(HasSubstr("unable to open"), HasSubstr("No such file")));
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST_F(SqliteFile, AListOfHostsKeepsFilesOut) {
  hosts = HostPolicy({"db.test"});
  EXPECT_THAT(answer("select 1"), StartsWith("address_refused: the file"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  connection = "sqlite::memory:";
  EXPECT_THAT(answer("select 1 a"), HasSubstr("\"a\":1"));
  const std::string file = (folder / "b.db").string();
  EXPECT_THAT(answer("attach '" + file + "' as b"), HasSubstr("not authorized"));
  EXPECT_THAT(answer("vacuum into '" + file + "'"), HasSubstr("authorization denied"));
  EXPECT_THAT(answer("pragma temp_store_directory = '/'"), HasSubstr("not authorized"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  connection = "postgres://u@/d?host=/run/postgresql";
  EXPECT_THAT(answer("select 1"), StartsWith("address_refused: the unix socket"));
  connection = "mysql://u@localhost/d?socket=/run/my.sock";
  EXPECT_THAT(answer("select 1"), StartsWith("address_refused: the unix socket"));
  EXPECT_THAT(error_of(run(redis_action(), {{"connection", "unix:///run/r.sock"}, {"command", "PING"}})),
              StartsWith("address_refused: the unix socket"));
}

TEST_F(Sqlite, ExtensionsAreNeverLoaded) {
  EXPECT_THAT(answer("select load_extension('x')"), StartsWith("query: "));
}

class Unreachable : public testing::Test, public ActionFixture {};

// Nothing listens on port 1 of this machine.
TEST_F(Unreachable, EachSaysWhatItTried) {
  EXPECT_THAT(error_of(run(database_query_action(),
                           {{"connection", "postgres://u:pw@127.0.0.1:1/d"}, {"query", "select 1"}})),
              AllOf(StartsWith("connection: could not connect to PostgreSQL at 127.0.0.1:1: "),
                    HasSubstr("refused"), Not(HasSubstr("pw"))));
  EXPECT_THAT(
      error_of(run(database_query_action(),
                   {{"connection", "mysql://u:pw@127.0.0.1:1/d"}, {"query", "select 1"}})),
      AllOf(StartsWith("connection: could not connect to MariaDB at 127.0.0.1:1: "), Not(HasSubstr("pw"))));
  EXPECT_THAT(
      error_of(run(redis_action(), {{"connection", "redis://:pw@127.0.0.1:1"}, {"command", "PING"}})),
      AllOf(StartsWith("connection: could not connect to Redis at 127.0.0.1:1: "), HasSubstr("refused")));
}

TEST_F(Unreachable, MetadataAddressesAreRefusedHoweverTheyAreSpelled) {
  for (const std::string host : {"169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe"}) {
    for (const std::string scheme : {"postgres", "mysql"})
      EXPECT_THAT(error_of(run(database_query_action(),
                               {{"connection", scheme + "://u@" + host + "/d"}, {"query", "select 1"}})),
                  StartsWith("address_refused: "))
          << scheme << host;
    EXPECT_THAT(error_of(run(redis_action(), {{"connection", "redis://" + host}, {"command", "PING"}})),
                StartsWith("address_refused: "))
        << host;
  }
  EXPECT_THAT(
      error_of(run(database_query_action(),
                   {{"connection", "postgres://u@ok.test/d?host=169.254.169.254"}, {"query", "select 1"}})),
      StartsWith("address_refused: "));
}

// librdkafka starts its threads by C's own call, which the thread sanitizer does
// not see: our code that they call back into has no state there, and crashes.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TESTMESH_THREADS_UNSEEN 1
#endif
#endif

class Kafka : public testing::Test, public ActionFixture {
 protected:
  std::string produce(expr::Map config) { return error_of(run(kafka_producer_action(), std::move(config))); }
  std::string consume(expr::Map config) { return error_of(run(kafka_consumer_action(), std::move(config))); }
};

TEST_F(Kafka, ConfigIsChecked) {
  EXPECT_THAT(produce({{"topic", "t"}}), HasSubstr("invalid_config: `brokers` is missing"));
  EXPECT_THAT(produce({{"brokers", "a:b:c"}, {"topic", "t"}}), HasSubstr("no host:port"));
  EXPECT_THAT(produce({{"brokers", "h:1"}}), HasSubstr("`topic` is missing"));
  EXPECT_THAT(produce({{"brokers", "h:1"}, {"topic", "t"}, {"compression", "rar"}}), HasSubstr("\"rar\""));
  EXPECT_THAT(produce({{"brokers", "h:1"},
                       {"topic", "t"},
                       {"sasl", json(R"({"mechanism": "GSSAPI", "username": "u"})")}}),
              HasSubstr("`sasl.mechanism` is \"GSSAPI\""));
  EXPECT_THAT(produce({{"brokers", "h:1"}, {"topic", "t"}, {"tls", json(R"({"ca": "/none/ca.pem"})")}}),
              AllOf(StartsWith("invalid_config: "), HasSubstr("ca.pem")));
  EXPECT_THAT(consume({{"brokers", "h:1"}, {"topic", "t"}, {"match", "json.id =="}}),
              HasSubstr("`match` is no expression"));
  EXPECT_THAT(consume({{"brokers", "h:1"}, {"topic", "t"}, {"count", 0}}),
              HasSubstr("`count` must be an integer from 1"));
}

TEST_F(Kafka, AClusterThatIsNotThere) {
#ifdef TESTMESH_THREADS_UNSEEN
  GTEST_SKIP() << "not under the thread sanitizer";
#endif
  EXPECT_THAT(produce({{"brokers", "127.0.0.1:1"}, {"topic", "t"}, {"payload", "x"}, {"timeout", "500ms"}}),
              AllOf(StartsWith("connection: no broker of Kafka at 127.0.0.1:1 can be reached: "),
                    HasSubstr("refused")));
  EXPECT_THAT(consume({{"brokers", "127.0.0.1:1"}, {"topic", "t"}, {"timeout", "500ms"}}),
              AllOf(StartsWith("connection: no broker of Kafka at 127.0.0.1:1 can be reached: "),
                    HasSubstr("refused")));
}

TEST_F(Kafka, MetadataAddressesAreRefused) {
#ifdef TESTMESH_THREADS_UNSEEN
  GTEST_SKIP() << "not under the thread sanitizer";
#endif
  for (const char* broker : {"169.254.169.254:80", "2852039166:80", "[::ffff:a9fe:a9fe]:80"})
    EXPECT_THAT(produce({{"brokers", broker}, {"topic", "t"}, {"timeout", "5s"}}),
                StartsWith("address_refused: "))
        << broker;
}

}  // namespace
}  // namespace testmesh::actions
