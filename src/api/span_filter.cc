#include "api/span_filter.h"

#include <chrono>
#include <memory>

#include "expr/ast.h"
#include "expr/program.h"
#include "validation/attribute_names.h"
#include "validation/trace_value.h"

namespace testmesh::api {
namespace {

using expr::Kind;
using expr::Node;
using expr::NodeKind;
using expr::Op;
using store::SpanAnswer;
using Steady = std::chrono::steady_clock;

// Of one span; an ordinary expression takes some dozens of steps.
constexpr expr::Limits kLimits{
    .source_bytes = 8 << 10, .depth = 100, .elements = 10'000, .text_bytes = 1 << 20, .steps = 20'000};
constexpr std::chrono::seconds kMostTime{3};

// The members of one span as names.
class SpanNames final : public expr::Environment {
 public:
  explicit SpanNames(expr::Value span) : span_(std::move(span)) {}
  bool find(std::string_view name, expr::Value& out) const override {
    return span_.as_record()->member(name, out);
  }
  std::vector<std::string> names() const override {
    const auto members = span_.as_record()->members();
    return {members.begin(), members.end()};
  }

 private:
  const expr::Value span_;
};

SpanNames names_of(const model::Span& span) {
  // Lives as long as the caller's span does.
  return SpanNames(validation::lone_span({std::shared_ptr<void>(), &span}));
}

std::optional<model::Value> plain(const expr::Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return model::Value{value.as_bool()};
    case Kind::kInt:
      return model::Value{value.as_int()};
    case Kind::kFloat:
      return model::Value{value.as_float()};
    case Kind::kString:
      return model::Value{std::string(value.as_string())};
    default:
      return std::nullopt;
  }
}

// `attributes['key'] == 'text'`, where no other name stands for the same thing.
std::optional<store::AttributeEquals> equality(const Node& node) {
  if (node.kind != NodeKind::kBinary || node.op != Op::kEqual) return std::nullopt;
  const Node* member = node.children[0];
  const Node* constant = node.children[1];
  if (member->kind == NodeKind::kConstant) std::swap(member, constant);
  if (member->kind != NodeKind::kMember || constant->kind != NodeKind::kConstant) return std::nullopt;
  const Node& object = *member->children[0];
  const Node& key = *member->children[1];
  if (object.kind != NodeKind::kIdentifier || (object.name != "attributes" && object.name != "resource") ||
      key.kind != NodeKind::kConstant || key.value.kind() != Kind::kString)
    return std::nullopt;
  auto value = plain(constant->value);
  std::string name(key.value.as_string());
  if (!value || validation::has_other_names(name)) return std::nullopt;
  return store::AttributeEquals{std::move(name), *std::move(value), object.name == "resource"};
}

// One that must hold for the whole to be true.
std::optional<store::AttributeEquals> necessary_equality(const Node& root) {
  const Node* node = &root;
  while (node->kind == NodeKind::kBinary && node->op == Op::kAnd) {
    if (auto found = equality(*node->children[1])) return found;
    node = node->children[0];
  }
  return equality(*node);
}

}  // namespace

std::expected<SpanFilter, Failure> span_filter_of(const Call& call) {
  SpanFilter filter;
  const auto text = text_of(call, "q");
  if (!text) return filter;
  static const model::Span* const kAnySpan = [] {
    auto* span = new model::Span;
    span->resource = std::make_shared<model::Resource>();
    span->scope = std::make_shared<model::Scope>();
    return span;
  }();
  const SpanNames known = names_of(*kAnySpan);
  const auto program = expr::Program::compile(*text, kLimits, &known);
  if (!program) {
    const expr::Error& error = program.error();
    Failure failure =
        bad_parameter("q", "`q` is no expression over a span: " + expr::with_caret(*text, error));
    failure.details.clear();
    JsonWriter(failure.details)
        .begin_object()
        .field("parameter", "q")
        .field("line", error.line)
        .field("column", error.column)
        .end_object();
    return std::unexpected(std::move(failure));
  }
  filter.attribute = necessary_equality(program->root());
  if (filter.attribute && equality(program->root())) return filter;
  filter.matches = [program = *program,
                    end = std::optional<Steady::time_point>()](const model::Span& span) mutable {
    const auto now = Steady::now();
    if (!end) end = now + kMostTime;
    if (now > *end) return SpanAnswer::kStop;
    const auto value = program.evaluate(names_of(span));
    return value && value->kind() == Kind::kBool && value->as_bool() ? SpanAnswer::kYes : SpanAnswer::kNo;
  };
  return filter;
}

}  // namespace testmesh::api
