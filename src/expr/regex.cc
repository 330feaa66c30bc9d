#include "expr/regex.h"

#include <re2/re2.h>

#include <algorithm>

namespace testmesh::expr {
namespace {

constexpr size_t kMaxPattern = 4096;
constexpr int64_t kMemory = 1 << 20;

RE2::Options options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMemory);
  return options;
}

}  // namespace

struct CompiledRegex::Impl {
  explicit Impl(std::string_view pattern)
      : regex(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
  RE2 regex;
};

CompiledRegex::CompiledRegex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledRegex::~CompiledRegex() = default;

std::expected<std::unique_ptr<const CompiledRegex>, std::string> CompiledRegex::compile(
    std::string_view pattern) {
  if (pattern.size() > kMaxPattern)
    return std::unexpected("the regular expression is longer than " + std::to_string(kMaxPattern) + " bytes");
  auto impl = std::make_unique<Impl>(pattern);
  if (!impl->regex.ok()) return std::unexpected("invalid regular expression: " + impl->regex.error());
  return std::unique_ptr<const CompiledRegex>(new CompiledRegex(std::move(impl)));
}

bool CompiledRegex::matches(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), impl_->regex);
}

// A pattern whose automaton outgrows its memory is run state by state.
uint64_t CompiledRegex::cost(std::string_view text) const {
  const auto states = static_cast<uint64_t>(std::max(1, impl_->regex.ProgramSize()));
  return 8 + text.size() / 16 * (1 + states / 4);
}

}  // namespace testmesh::expr
