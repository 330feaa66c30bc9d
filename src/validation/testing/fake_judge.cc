#include <map>
#include <memory>

#include "validation/verdict.h"

namespace testmesh::expr {
struct Program::Impl {
  std::string source;
};
std::expected<Program, Error> Program::compile(std::string_view source, const Limits&, const Environment*) {
  Program p;
  p.impl_ = std::make_shared<Impl>(Impl{std::string(source)});
  return p;
}
const std::string& Program::source() const { return impl_->source; }
}  // namespace testmesh::expr
namespace testmesh::validation {
AssertionOutcome judge(const expr::Program& p, const expr::Environment& env, bool complete) {
  AssertionOutcome out;
  expr::Value trace, v;
  env.find("trace", trace);
  trace.as_record()->member("span_count", v);
  out.passed = p.source() == "trace.span_count < 100" ? v.as_int() < 100 : v.as_int() >= 3;
  out.actual = v;
  out.expected = expr::Value(int64_t{100});
  out.settled =
      complete ? (out.passed ? Truth::kTrue : Truth::kFalse)
               : (p.source() == "trace.span_count < 100" ? (out.passed ? Truth::kUnknown : Truth::kFalse)
                                                         : (out.passed ? Truth::kTrue : Truth::kUnknown));
  return out;
}
}  // namespace testmesh::validation
