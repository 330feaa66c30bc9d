// JSON as the language, its tools and the commands write it, within bounds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "expr/value.h"

namespace testmesh::expr {

enum class JsonStyle : uint8_t {
  kCompact,   // append_json: whatever it is, valid JSON
  kTagged,    // of `testmesh eval --jsonl`: {"$map": …}, {"$time": …}, {"$duration_ns": …}, {"$float": …}
  kLanguage,  // toJSON(): as the reference has it, indented, keys sorted, 1.0 as 1
};

// Appends the value; false: more than `max_bytes` would be appended, or (of
// kLanguage) it cannot be written: `problem` says which.
struct JsonProblem {
  bool too_large = false;
  std::string message;
};
bool write_json(std::string& out, const Value&, JsonStyle, size_t max_bytes, JsonProblem* problem = nullptr);

// A JSON text in quotes; what is no UTF-8 as U+FFFD.
void append_json_text(std::string& out, std::string_view text);
// The shortest text that reads back as the same number, with an exponent or
// without.
void append_shortest(std::string& out, double value, bool plain);
// The same, always with a dot or an
// exponent, or "NaN", "Infinity", "-Infinity".
void append_float(std::string& out, double value);

// As parse_json, every number a float, as the reference's fromJSON has it.
base::Result<Value> parse_json_floats(std::string_view text);

}  // namespace testmesh::expr
