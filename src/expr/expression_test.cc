// Expressions as data (testdata/expressions.tsv), and what data does not say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "expr/ast.h"
#include "expr/builtins.h"
#include "expr/json.h"
#include "expr/line_evaluator.h"
#include "expr/program.h"

namespace testmesh::expr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const MapEnvironment kNoNames{Map{}};

std::string tagged(const Value& value) {
  std::string out;
  write_json(out, value, JsonStyle::kTagged, SIZE_MAX);
  return out;
}

std::string where(const Error& error) {
  return std::to_string(error.line) + ":" + std::to_string(error.column) + " " + error.message;
}

// "value", "parse", "check" or "runtime", and what the data says of it.
std::pair<std::string, std::string> outcome_of(const std::string& source) {
  const auto program = Program::compile(source);
  if (!program) return {std::string(to_string(program.error().stage)), where(program.error())};
  const auto value = program->evaluate(kNoNames);
  if (!value) return {std::string(to_string(value.error().stage)), where(value.error())};
  return {"value", tagged(*value)};
}

struct Row {
  std::string stage, source, expected;
};

std::vector<Row> rows() {
  std::ifstream in("src/expr/testdata/expressions.tsv");
  std::vector<Row> out;
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    Row row;
    std::getline(fields, row.stage, '\t');
    std::getline(fields, row.source, '\t');
    std::getline(fields, row.expected);
    out.push_back(std::move(row));
  }
  return out;
}

Value value_of(const std::string& source, Map names = {}) {
  const auto program = Program::compile(source);
  EXPECT_TRUE(program) << source << ": " << (program ? "" : program.error().message);
  if (!program) return {};
  const auto value = program->evaluate(MapEnvironment(std::move(names)));
  EXPECT_TRUE(value) << source << ": " << (value ? "" : value.error().message);
  return value ? *value : Value();
}

Error error_of(const std::string& source, Map names = {}) {
  const auto program = Program::compile(source);
  if (!program) return program.error();
  const auto value = program->evaluate(MapEnvironment(std::move(names)));
  EXPECT_FALSE(value) << source << " gives " << (value ? tagged(*value) : "");
  return value ? Error{} : value.error();
}

TEST(Expression, GivesWhatTheDataSays) {
  const std::vector<Row> all = rows();
  ASSERT_GT(all.size(), 400u);
  for (const Row& row : all) {
    const auto [stage, what] = outcome_of(row.source);
    EXPECT_EQ(stage, row.stage) << row.source << ": " << what;
    EXPECT_EQ(what, row.expected) << row.source;
  }
}

TEST(Expression, PrintsAsATextThatReadsBack) {
  for (const Row& row : rows()) {
    const auto program = Program::compile(row.source);
    if (!program) continue;
    const std::string printed = program->print();
    const auto again = Program::compile(printed);
    ASSERT_TRUE(again) << row.source << " is printed as " << printed << ": " << again.error().message;
    EXPECT_TRUE(same_tree(program->root(), again->root())) << row.source << " is printed as " << printed;
    EXPECT_EQ(again->print(), printed);
  }
}

TEST(Expression, BarePipesAreCalls) {
  const auto bare = Program::compile("spans | filter(.status == 'error') | len == 0");
  const auto called = Program::compile("len(filter(spans, .status == 'error')) == 0");
  ASSERT_TRUE(bare && called);
  EXPECT_TRUE(same_tree(bare->root(), called->root()));
}

TEST(Expression, ExistsIsFalseWhereSomethingIsMissing) {
  const Map names{{"a", Map{{"b", List{1, nullptr}}}}};
  EXPECT_EQ(value_of("a.b exists", names), Value(true));
  EXPECT_EQ(value_of("a.b[1] exists", names), Value(false));
  EXPECT_EQ(value_of("a.b[7] exists", names), Value(false));
  EXPECT_EQ(value_of("a.c exists", names), Value(false));
  EXPECT_EQ(value_of("a.c.d.e exists", names), Value(false));
  EXPECT_EQ(value_of("z.y exists or a exists", names), Value(true));
  EXPECT_EQ(value_of("a.b exists == true", names), Value(true));
  // What is wrong is not missing.
  EXPECT_EQ(error_of("(1 % 0) exists").message, "integer division by zero");
}

class Thing final : public Record {
 public:
  std::string_view type_name() const override { return "thing"; }
  bool member(std::string_view name, Value& out) const override {
    if (name == "size") {
      out = 3;
    } else if (name == "next") {
      out = Value::absent_record();
    } else {
      return false;
    }
    return true;
  }
  std::vector<std::string_view> members() const override { return {"size", "next"}; }
  std::vector<std::string_view> methods() const override { return {"twice"}; }
  bool call(std::string_view name, const List& args, base::Result<Value>& out) const override {
    if (name != "twice") return false;
    if (args.size() != 1 || args[0].kind() != Kind::kInt) {
      out = base::fail(base::ErrorCode::kInvalidArgument, "twice takes an int");
    } else {
      out = Value(args[0].as_int() * 2);
    }
    return true;
  }
};

TEST(Expression, RecordsHaveMembersAndMethods) {
  const Map names{{"thing", Value(std::make_shared<Thing>())}};
  EXPECT_EQ(value_of("thing.size == 3 and thing['size'] == 3", names), Value(true));
  EXPECT_EQ(value_of("thing.twice(4)", names), Value(8));
  EXPECT_EQ(value_of("type(thing)", names), Value("thing"));
  EXPECT_EQ(value_of("thing == thing", names), Value(true));
  EXPECT_EQ(value_of("[thing] | map(.size) | sum", names), Value(3));
  EXPECT_THAT(error_of("thing.twice('a')", names).message, "twice takes an int");
  EXPECT_THAT(error_of("thing.sice", names).message, HasSubstr("did you mean size?"));
  EXPECT_THAT(error_of("thing.twise(1)", names).message, HasSubstr("did you mean twice?"));
  EXPECT_EQ(value_of("thing.sice exists", names), Value(false));
}

TEST(Expression, MembersOfAnAbsentRecordAreNil) {
  const Map names{{"thing", Value(std::make_shared<Thing>())}};
  EXPECT_EQ(value_of("thing.next.next.attributes['k'] == nil", names), Value(true));
  EXPECT_EQ(value_of("thing.next.deep.deeper exists", names), Value(false));
  EXPECT_EQ(value_of("thing.next.twice(1) == nil", names), Value(true));
  EXPECT_THAT(error_of("thing.next.size < 5", names).message, HasSubstr("cannot compare nil < int"));
  EXPECT_THAT(error_of("nothing.size == nil", names).message, HasSubstr("cannot fetch"));
}

TEST(Expression, NotesTheSidesOfItsComparison) {
  const auto sides = [](const std::string& source) {
    const auto evaluation = Program::compile(source)->evaluate_with_sides(kNoNames);
    return tagged(*evaluation->actual) + (evaluation->expected ? " / " + tagged(*evaluation->expected) : "");
  };
  EXPECT_EQ(sides("1 + 1 == 3"), "2 / 3");
  EXPECT_EQ(sides("let x = 4; x in [1, 2]"), "4 / [1,2]");
  EXPECT_EQ(sides("[1, 2] | len < 2"), "2 / 2");
  EXPECT_EQ(sides("not ('a' contains 'b')"), "\"a\" / \"b\"");
  EXPECT_EQ(sides("1 < 2 < 2"), "2 / 2");
  EXPECT_EQ(sides("1 == 1 and 2 == 3"), "false");
  EXPECT_EQ(sides("len([1])"), "1");
}

TEST(Expression, KnowsTheNamesItUses) {
  EXPECT_THAT(Program::compile("let x = a; x + b.c + a + len(d)")->names(), ElementsAre("a", "b", "d"));
}

TEST(Expression, KnownNamesAreChecked) {
  const MapEnvironment known(Map{{"status", 200}});
  EXPECT_TRUE(Program::compile("status == 200", {}, &known));
  EXPECT_TRUE(Program::compile("other exists", {}, &known));
  const auto wrong = Program::compile("statis == 200", {}, &known);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().stage, Stage::kCheck);
  EXPECT_EQ(wrong.error().message, "unknown name 'statis'; did you mean status?");
}

TEST(Expression, PointsAtWhatIsWrong) {
  const std::string source = "größe == 1 and\n  größe @ 2";
  const auto program = Program::compile(source);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().line, 2u);
  EXPECT_EQ(program.error().column, 9u);
  EXPECT_EQ(with_caret(source, program.error()),
            "unexpected character U+0040 '@' (2:9)\n |   größe @ 2\n |         ^");
  const std::string wide = std::string(500, ' ') + "1 +* 2" + std::string(500, ' ');
  EXPECT_LT(with_caret(wide, Program::compile(wide).error()).size(), 400u);
}

TEST(Expression, LimitsAreTheCallers) {
  EXPECT_THAT(Program::compile(std::string(70'000, ' ') + "1").error().message, HasSubstr("longer than"));
  const auto few = Program::compile("map(1..100, #)", {.elements = 150});
  EXPECT_THAT(few->evaluate(kNoNames).error().message, HasSubstr("too costly"));
  const auto short_text = Program::compile("repeat('a', 100)", {.text_bytes = 50});
  EXPECT_THAT(short_text->evaluate(kNoNames).error().message, HasSubstr("too costly"));
  const auto few_steps = Program::compile("all(1..100, # > 0)", {.steps = 50});
  EXPECT_THAT(few_steps->evaluate(kNoNames).error().message, HasSubstr("too costly"));
}

void* call_it(void* what) {
  (*static_cast<std::function<void()>*>(what))();
  return nullptr;
}

// As a thread of a small system has it; a sanitizer's frames are several times as large.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kSmallStack = 4 << 20;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr size_t kSmallStack = 4 << 20;
#else
constexpr size_t kSmallStack = 256 << 10;
#endif
#else
constexpr size_t kSmallStack = 256 << 10;
#endif

void on_a_small_stack(std::function<void()> what) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, call_it, &what), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Expression, NestsAsDeepAsTheStackAllows) {
  std::vector<std::string> sources;
  for (const size_t depth : {100, 240, 260, 5000}) {
    for (const auto& [open, inner, close] :
         std::vector<std::array<std::string, 3>>{{"(", "1", ")"},
                                                 {"[", "1", "]"},
                                                 {"{a:", "1", "}"},
                                                 {"-", "1", ""},
                                                 {"not ", "true", ""},
                                                 {"len([", "1", "])"},
                                                 {"map([1], ", "#", ")"},
                                                 {"map([1], {", "#", "})"},
                                                 {"1 + (", "1", ")"},
                                                 {"a[", "1", "]"},
                                                 {"1 ?? ", "1", ""},
                                                 {"true ? 1 : ", "1", ""},
                                                 {"let a", "1", ""},
                                                 {"2 ** ", "1", ""},
                                                 {"if true {", "1", "} else { 2 }"},
                                                 {"a.b(", "1", ")"},
                                                 {"reduce([1, 2], ", "#acc", ", 1)"},
                                                 {"[1] | map(", "#", ")"},
                                                 {"{(", "'a'", "): 1}"},
                                                 {"1 < (2 < (", "3", "))"},
                                                 {"a?.[", "1", "]"}})
      sources.push_back(repeated(open, depth) + inner + repeated(close, depth));
    for (const std::string part : {".a", "[0]", "?.a", " + 1", " == 1", " < 1", " exists", " | len", "[0:]",
                                   " ?? 1", " and b", "()", " ? 1 : 2"})
      sources.push_back("a" + repeated(part, depth));
    std::string lets;
    for (size_t i = 0; i < depth; ++i) lets += "let v" + std::to_string(i) + " = 1; ";
    sources.push_back(lets + "1");
  }
  on_a_small_stack([&] {
    for (const std::string& source : sources) {
      const auto program = Program::compile(source);
      if (!program) continue;
      (void)program->evaluate(kNoNames);
      const auto again = Program::compile(program->print());
      if (!again) continue;
      EXPECT_TRUE(same_tree(program->root(), again->root())) << source.substr(0, 60);
    }
  });
  EXPECT_TRUE(Program::compile(repeated("(", 240) + "1" + repeated(")", 240)));
  EXPECT_TRUE(Program::compile("1" + repeated(" + 1", 10'000)));
  EXPECT_EQ(value_of("1" + repeated(" + 1", 10'000)), Value(10'001));
}

TEST(Expression, DeepValuesAreRefused) {
  EXPECT_THAT(error_of("reduce(1..1000, [#acc], 1)").message, HasSubstr("nested more than 512 deep"));
  EXPECT_THAT(error_of("reduce(1..40, [#acc, #acc], 1)").message, HasSubstr("too large"));
}

TEST(Builtins, EveryExampleGivesItsResult) {
  for (const Builtin& builtin : builtins()) {
    const Value value = value_of(std::string(builtin.example));
    std::string shown;
    write_json(shown, value, JsonStyle::kCompact, SIZE_MAX);
    EXPECT_EQ(value.is_nil() ? "nil" : shown, builtin.result) << builtin.example;
    EXPECT_FALSE(builtin.summary.empty()) << builtin.name;
    EXPECT_TRUE(builtin.run || builtin.predicate != Predicate::kNone) << builtin.name;
  }
}

TEST(Builtins, ThePageIsWhatTheTableSays) {
  std::ifstream in("docs/expressions.md", std::ios::binary);
  std::stringstream page;
  page << in.rdbuf();
  EXPECT_THAT(page.str(), HasSubstr(reference_page()))
      << "docs/expressions.md ends with what `testmesh eval --reference` prints";
}

TEST(LineEvaluator, AnswersEveryLine) {
  EXPECT_EQ(evaluate_line(R"json({"expr": "a + 1", "env": {"a": 1}})json"), R"json({"value":2})json");
  EXPECT_EQ(evaluate_line(R"json({"expr": "1.0"})json"), R"json({"value":1.0})json");
  EXPECT_EQ(evaluate_line(R"json({"expr": "groupBy([1], #)", "env": {}})json"),
            R"json({"value":{"$map":[[1,[1]]]}})json");
  EXPECT_EQ(evaluate_line(R"json({"expr": "[1 / 0, duration('1s')]", "env": {}})json"),
            R"json({"value":[{"$float":"+Inf"},{"$duration_ns":1000000000}]})json");
  EXPECT_EQ(
      evaluate_line(R"json({"expr": "1 +", "env": {}})json"),
      R"json({"error":{"stage":"parse","message":"the expression ends too early (expected a value)","line":1,"column":4}})json");
  for (const std::string& line : std::vector<std::string>{
           "", "nonsense", "[]", "{}", R"json({"expr": 1})json", R"json({"expr": "1", "env": []})json",
           "\xff\xfe", std::string(1000, '['), std::string("\0\0", 2), "{\"expr\": \"1\"} x"})
    EXPECT_THAT(evaluate_line(line), HasSubstr(R"json({"error":{"stage":"input")json")) << line;
  EXPECT_EQ(evaluate_line(std::string(kMaxEvalLine + 1, ' ')), refuse_long_line());
  EXPECT_THAT(evaluate_line(R"json({"expr": "map(1..900, repeat('a', 17000))", "env": {}})json"),
              HasSubstr("value"));
  EXPECT_THAT(
      evaluate_line(
          R"json({"expr": "let s = repeat('\u0001', 9000000 / 9 | int); map(1..60, s)", "env": {}})json"),
      HasSubstr("too large"));
}

}  // namespace
}  // namespace testmesh::expr
