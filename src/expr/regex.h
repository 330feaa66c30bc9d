// Regular expressions of `matches`: linear in the text, whatever the pattern.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace testmesh::expr {

class CompiledRegex {
 public:
  // The error: what is wrong with the pattern.
  static std::expected<std::unique_ptr<const CompiledRegex>, std::string> compile(std::string_view pattern);
  ~CompiledRegex();

  bool matches(std::string_view text) const;
  // What to charge for the text, in steps.
  uint64_t cost(std::string_view text) const;

 private:
  struct Impl;
  explicit CompiledRegex(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::expr
