// What a span shows of itself to expressions, whatever its trace. Private to
// the module.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "expr/value.h"
#include "model/span.h"

namespace testmesh::validation {

expr::Value value_of(const model::Value&);

inline double milliseconds(uint64_t nanos) { return static_cast<double>(nanos) / 1e6; }

// A member that needs no other span; false: there is none of that name, or it
// needs others. `keep` holds the span; `zero` is the start that times count from.
bool own_member(const model::Span& span, std::string_view name, const std::shared_ptr<const void>& keep,
                base::UnixNanos zero, expr::Value& out);

// Of all spans, those that need others too.
const std::vector<std::string_view>& span_members();

}  // namespace testmesh::validation
