// Whatever is compiled, evaluated and printed: no crash, no hang, and what is
// printed reads back as the same tree. A line in, a line out of `eval --jsonl`.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/utf8.h"
#include "expr/ast.h"
#include "expr/json.h"
#include "expr/line_evaluator.h"
#include "expr/program.h"

namespace {

using namespace testmesh;

// Small enough that a thousand inputs a second go through.
constexpr expr::Limits kLimits = {.elements = 5000, .text_bytes = 1 << 16, .steps = 20'000};

const expr::MapEnvironment& names() {
  static const expr::MapEnvironment names(expr::Map{
      {"a", 1},
      {"s", "text"},
      {"list", expr::List{1, "two", nullptr, 3.5}},
      {"maps", expr::List{expr::Map{{"x", 1}}, expr::Map{{"x", 2}, {"y", "z"}}}},
      {"map", expr::Map{{"x", expr::Map{{"y", true}}}}},
      {"gone", expr::Value::absent_record()},
  });
  return names;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('{')) require(base::valid_utf8(expr::evaluate_line(text.substr(0, 2000))));
  const auto program = expr::Program::compile(text, kLimits);
  if (!program) {
    require(program.error().line >= 1 && program.error().column >= 1);
    (void)expr::with_caret(text, program.error());
    return 0;
  }
  const auto value = program->evaluate_with_sides(names());
  if (value) {
    require(value->value.depth() <= expr::kMaxValueDepth);
    std::string json;
    if (expr::write_json(json, value->value, expr::JsonStyle::kCompact, 1 << 20))
      require(expr::parse_json(json).has_value());
    (void)expr::describe(value->value);
  }
  const std::string printed = program->print();
  const auto again = expr::Program::compile(printed, kLimits);
  // What is printed may be too long or, in parentheses, nested too deep.
  if (!again) {
    require(printed.size() > kLimits.source_bytes ||
            again.error().message.find("nested more than") != std::string::npos);
    return 0;
  }
  require(expr::same_tree(program->root(), again->root()));
  require(again->print() == printed);
  return 0;
}
