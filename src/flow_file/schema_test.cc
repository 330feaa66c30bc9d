// What is shipped for editors and people says what the reader checks.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "flow_file/file_keys.h"
#include "flow_file/flow_file.h"

namespace testmesh::flow_file {
namespace {

using ::testing::HasSubstr;

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_update() { return std::getenv("TESTMESH_UPDATE_DOCS") != nullptr; }

TEST(Schema, IsShipped) {
  if (is_update()) std::ofstream("docs/flow.schema.json", std::ios::binary) << json_schema();
  EXPECT_EQ(read_file("docs/flow.schema.json"), json_schema())
      << "write it anew: TESTMESH_UPDATE_DOCS=1 flow_file_test";
}

TEST(Schema, IsJson) {
  const auto schema = expr::parse_json(json_schema());
  ASSERT_TRUE(schema);
  const expr::Value* defs = schema->find("$defs");
  ASSERT_TRUE(defs);
  for (const ActionSchema& action : action_schemas()) {
    std::string name = "config_" + std::string(action.name);
    std::replace(name.begin(), name.end(), '.', '_');
    const expr::Value* config = defs->find(name);
    ASSERT_TRUE(config) << action.name;
    for (const ConfigKey& key : action.config)
      EXPECT_TRUE(config->find("properties")->find(key.name)) << key.name;
  }
}

TEST(Reference, IsOfTheTable) {
  constexpr std::string_view kBegin = "<!-- tables -->\n", kEnd = "<!-- /tables -->\n";
  std::string document = read_file("docs/flow-files.md");
  const size_t begin = document.find(kBegin), end = document.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  if (is_update()) {
    document.replace(begin + kBegin.size(), end - begin - kBegin.size(), reference_tables());
    std::ofstream("docs/flow-files.md", std::ios::binary) << document;
  }
  EXPECT_THAT(read_file("docs/flow-files.md"),
              HasSubstr(std::string(kBegin) + reference_tables() + std::string(kEnd)))
      << "write it anew: TESTMESH_UPDATE_DOCS=1 flow_file_test";
}

}  // namespace
}  // namespace testmesh::flow_file
