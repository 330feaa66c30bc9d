#include "discovery/db_operation.h"

#include <gtest/gtest.h>

#include <string>

#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {
namespace {

TEST(DbOperation, KnowsWhatWrites) {
  for (const char* text : {"INSERT",
                           "insert into orders values (1)",
                           "UPDATE t SET x=1",
                           "Delete From t",
                           "MERGE INTO t",
                           "REPLACE t",
                           "UPSERT",
                           "CREATE TABLE t",
                           "ALTER TABLE t",
                           "DROP TABLE t",
                           "TRUNCATE t",
                           "SET k v",
                           "HSET",
                           "DEL k",
                           "LPUSH l",
                           "insertMany",
                           "findAndModify",
                           "find_one_and_update",
                           "bulkWrite",
                           "PutItem",
                           "BATCH INSERT",
                           "batch  update",
                           "INSERT;",
                           "  \n insert",
                           "(INSERT INTO t)",
                           "/* shop:checkout */ INSERT INTO t",
                           "-- by shop\nUPDATE t",
                           "delete_by_query",
                           "JSON_SET"})
    EXPECT_TRUE(is_writing_operation(text)) << text;
}

TEST(DbOperation, EverythingElseReads) {
  for (const char* text : {"",
                           " ",
                           "SELECT 1",
                           "select * from inserts",
                           "GET k",
                           "find",
                           "BATCH",
                           "BATCH SELECT",
                           "BATCH BATCH",
                           "WITH x AS (SELECT 1) SELECT",
                           "inserted",
                           "insert2",
                           "insert_all_of_it",
                           "/* INSERT",
                           "--INSERT",
                           "/*",
                           "-",
                           "*/",
                           "EXEC insert",
                           "\xc3\xa9INSERT",
                           "INSERT\x03"})
    EXPECT_FALSE(is_writing_operation(text)) << text;
  EXPECT_FALSE(is_writing_operation(std::string(1 << 20, 'x')));
  EXPECT_FALSE(is_writing_operation("/*" + std::string(1 << 20, ' ') + "*/INSERT"));
}

// Of operation, statement and span name the first that is there counts.
TEST(DbOperation, IsToldByTheOperationThenTheStatementThenTheName) {
  const auto writes = [](auto&&... attributes) {
    Trace trace;
    TestSpan& span = trace.query("shop", "orders").name("INSERT orders");
    (span.with(attributes.first, attributes.second), ...);
    const TraceAnalysis& analysis = trace.analyze();
    EXPECT_EQ(analysis.order.size(), 1u);
    return trace.workspace.analyzer.role(0).writes;
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_TRUE(writes());
  EXPECT_FALSE(writes(Pair("db.statement", "SELECT 1")));
  EXPECT_TRUE(writes(Pair("db.statement", "SELECT 1"), Pair("db.query.text", "DELETE FROM t")));
  EXPECT_FALSE(writes(Pair("db.query.text", "DELETE FROM t"), Pair("db.operation", "SELECT")));
  EXPECT_TRUE(writes(Pair("db.operation", "SELECT"), Pair("db.operation.name", "SET")));
  EXPECT_TRUE(
      writes(Pair("db.operation.name", ""), Pair("db.operation", ""), Pair("db.statement", "DROP x")));
}

TEST(DbOperation, ManyStatementsAreOneSpan) {
  Workspace workspace;
  const auto facts = [&](const std::string& statement) {
    SpanDescription description;
    description.kind = kClient;
    description.service = "shop";
    description.values[static_cast<size_t>(Slot::kDbSystem)] = "mysql";
    description.values[static_cast<size_t>(Slot::kDbStatement)] = statement;
    return workspace.analyzer.facts(description);
  };
  EXPECT_EQ(facts("SELECT 1"), facts("SELECT 2"));
  EXPECT_EQ(facts("INSERT 1"), facts("UPDATE 2"));
  EXPECT_NE(facts("SELECT 1"), facts("INSERT 1"));
}

}  // namespace
}  // namespace testmesh::discovery
