// Reads members of a map that this module wrote. What is absent or of another
// type reads as empty or zero; `ok` is false when the value was no map or a word
// is none of those expected. Private to this module.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/time.h"
#include "expr/value.h"

namespace testmesh::executions {

class MapReader {
 public:
  explicit MapReader(expr::Value map) : map_(std::move(map)), ok_(map_.kind() == expr::Kind::kMap) {}

  bool ok() const { return ok_; }
  bool has(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && !found->is_nil();
  }
  expr::Value value(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found ? *found : expr::Value();
  }
  std::string text(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && found->kind() == expr::Kind::kString ? std::string(found->as_string()) : std::string();
  }
  int64_t integer(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && found->kind() == expr::Kind::kInt ? found->as_int() : 0;
  }
  double number(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && found->is_number() ? found->as_number() : 0;
  }
  bool truth(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && found->kind() == expr::Kind::kBool && found->as_bool();
  }
  base::UnixNanos time(std::string_view name) const { return base::from_rfc3339(text(name)).value_or(0); }
  expr::List list(std::string_view name) const {
    const expr::Value* found = map_.find(name);
    return found && found->kind() == expr::Kind::kList ? found->as_list() : expr::List();
  }
  // The one whose to_string() it is.
  template <typename Enum>
  Enum one_of(std::string_view name, std::initializer_list<Enum> values) const {
    const std::string word = text(name);
    for (const Enum candidate : values)
      if (to_string(candidate) == word) return candidate;
    ok_ = false;
    return *values.begin();
  }

 private:
  expr::Value map_;
  mutable bool ok_;
};

}  // namespace testmesh::executions
