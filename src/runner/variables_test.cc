// What references give, and which of several wins.
#include <regex>

#include "runner/names.h"
#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;
using testing::HasSubstr;
using testing::MatchesRegex;

class Variables : public FlowRun, public testing::Test {
 protected:
  // What a text becomes in a step.
  Value expanded(const std::string& text, const std::string& before = "") {
    on("http_request", [](const Value&, ActionContext&, int) {
      return answers({{"status", 200},
                      {"headers", Map{{"content-type", "text/x"}}},
                      {"body", Map{{"id", 7}, {"list", List{Map{{"n", 1}}, Map{{"n", 2}}}}}}});
    });
    run(before +
        "  steps:\n    - {id: first, action: http_request, config: {url: u}, output: {made: $.body.id}}\n"
        "    - {id: a, action: http_request, config: {url: u, body: \"" +
        text + "\"}}\n");
    const auto configs = sent();
    if (configs.size() < 2) return Value("no value: " + message("a"));
    return *configs[1].find("body");
  }
  std::string text(const std::string& reference) { return expr::to_text(expanded(reference)); }
};

TEST_F(Variables, BuiltIns) {
  EXPECT_TRUE(std::regex_match(
      text("{{UUID}}"), std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
  EXPECT_TRUE(std::regex_match(text("{{RANDOM_ID}}"), std::regex("[a-z0-9]{12}")));
  EXPECT_EQ(expanded("{{RANDOM_INT}}").kind(), Kind::kInt);
  EXPECT_EQ(expanded("{{TIMESTAMP}}"), Value(int64_t{1'795'741'323}));
  EXPECT_EQ(text("{{ISO_TIMESTAMP}}"), "2026-11-27T01:02:03.004Z");
  EXPECT_EQ(text("{{DATE}}"), "2026-11-27");
  EXPECT_EQ(text("{{EXECUTION_ID}}"), "01020304-0506-4708-890a-0b0c0d0e0f10");
  EXPECT_EQ(text("${FLOW_NAME}"), "test flow");
  EXPECT_NE(text("{{UUID}}"), text("{{UUID}}"));
}

TEST_F(Variables, RandomOnesAreNewAtEachReferenceButNotInEnv) {
  const Value twice = expanded("{{UUID}} {{UUID}} {{fixed}} {{fixed}}", "  env: {fixed: \"{{UUID}}\"}\n");
  const std::string all(twice.as_string());
  EXPECT_NE(all.substr(0, 36), all.substr(37, 36));
  EXPECT_EQ(all.substr(74, 36), all.substr(111, 36));
}

TEST_F(Variables, ABuiltInWinsOverEverything) {
  variables = {{"DATE", "mine"}};
  EXPECT_EQ(text("{{DATE}}"), "2026-11-27");
}

TEST_F(Variables, StepsKeysByPath) {
  EXPECT_EQ(expanded("{{first.body.id}}"), Value(7));
  EXPECT_EQ(expanded("{{first.made}}"), Value(7));
  EXPECT_EQ(expanded("{{made}}"), Value(7));
  EXPECT_EQ(expanded("${first.status}"), Value(200));
  EXPECT_EQ(expanded("{{first.body.list[1].n}}"), Value(2));
  EXPECT_EQ(expanded("{{first.body.list.0.n}}"), Value(1));
  EXPECT_EQ(expanded("{{steps.first.body.id}}"), Value(7));
  EXPECT_EQ(text("{{first.headers.content-type}}"), "text/x");
  EXPECT_EQ(text("id {{first.body.id}}!"), "id 7!");
  EXPECT_EQ(expanded("{{first.body.list}}").kind(), Kind::kList) << "a single reference keeps its type";
  EXPECT_EQ(expanded("{{first}}").kind(), Kind::kMap);
}

TEST_F(Variables, UnknownOnesAreNamed) {
  for (const char* name : {"nowhere", "first.nothing", "first.body.list[9]", "later.body", "first.body.id.x"})
    EXPECT_THAT(text(std::string("{{") + name + "}}"), HasSubstr(std::string("`") + name + "`"));
  EXPECT_EQ(text("${nowhere:else}"), "else");
}

TEST_F(Variables, LaterSourcesWin) {
  EXPECT_EQ(expanded("{{x}}", "  env: {x: 1}\n"), Value(1));
  variables = {{"x", 2}};
  EXPECT_EQ(expanded("{{x}}", "  env: {x: 1}\n"), Value(2)) << "the request's over the file's";
  variables = {{"made", 3}};
  EXPECT_EQ(expanded("{{made}}"), Value(7)) << "a step's output over both";
}

TEST_F(Variables, AStepsKeyWinsOverAVariablesMember) {
  variables = {{"first", Map{{"made", "variable"}, {"other", "variable"}}}, {"dotted.name", "exact"}};
  EXPECT_EQ(expanded("{{first.made}}"), Value(7));
  EXPECT_EQ(text("{{first.other}}"), "variable");
  EXPECT_EQ(text("{{dotted.name}}"), "exact");
}

TEST_F(Variables, EnvIsExpandedOnceFromWhatIsAboveIt) {
  variables = {{"host", "h"}};
  EXPECT_EQ(text("{{nothing}}").substr(0, 8), "no value");
  EXPECT_EQ(expr::to_text(expanded(
                "{{url}}", "  env: {host: ignored, base: 'http://{{host}}', url: '{{base}}/{{DATE}}'}\n")),
            "http://h/2026-11-27");
}

TEST_F(Variables, AnEnvThatCannotBeMadeIsARunThatCouldNotRun) {
  run("  env: {url: '{{base}}/x', base: b}\n  setup: [{id: s, action: log, config: {message: x}}]\n"
      "  steps: [{id: a, action: log, config: {message: x}}]\n  teardown: [{id: t, action: log, config: "
      "{message: x}}]\n");
  EXPECT_EQ(result.status, RunStatus::kError);
  EXPECT_EQ(result.error->code, "unknown_reference");
  EXPECT_THAT(result.error->message, HasSubstr("`url`"));
  EXPECT_THAT(result.error->message, HasSubstr("`base`"));
  EXPECT_EQ(summary(), "s:skipped a:skipped t:skipped");
}

TEST_F(Variables, WhatAVariableHoldsIsNotLookedAtAgain) {
  variables = {{"x", "{{y}}"}, {"y", "no"}};
  EXPECT_EQ(text("{{x}} and more"), "{{y}} and more");
}

TEST_F(Variables, PathsOfValues) {
  Value out;
  const Value value = Map{{"a", List{1, Map{{"b.c", 2}, {"d", nullptr}}}}};
  EXPECT_TRUE(navigate(value, "a[0]", out) && out == Value(1));
  EXPECT_TRUE(navigate(value, "a[1].d", out) && out.is_nil());
  EXPECT_TRUE(navigate(value, "", out) && out.kind() == Kind::kMap);
  for (const char* path : {"a[", "a[x]", "a[-1]", "a[2]", "a.d", "b", "a[1].d.e", "[0]"})
    EXPECT_FALSE(navigate(value, path, out)) << path;
}

}  // namespace
}  // namespace testmesh::runner
