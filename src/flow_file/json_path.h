// JSONPath (RFC 9535) over values.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expr/value.h"

namespace testmesh::flow_file {

// Immutable; copies share; thread-safe.
class JsonPath {
 public:
  // The whole of RFC 9535, filters and its functions too. Also `body.id` and
  // `response.body.id` for `$.body.id`. kInvalidArgument with the offset.
  static base::Result<JsonPath> parse(std::string_view text);

  // The nodelist's values, in document order. Bounded work: kTooLarge past it.
  base::Result<expr::List> select(const expr::Value& root) const;

  const std::string& source() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace testmesh::flow_file
