// A parsed JSONPath. Private to the module.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flow_file/json_path.h"

namespace testmesh::flow_file::path {

struct Filter;

struct Slice {
  std::optional<int64_t> start = {}, end = {}, step = {};
};
struct Wildcard {};
using FilterPtr = std::unique_ptr<Filter>;
// A name, an index, a slice, `*`, `?…`.
using Selector = std::variant<std::string, int64_t, Slice, Wildcard, FilterPtr>;

struct Segment {
  bool descendant = false;
  std::vector<Selector> selectors = {};
};

struct Query {
  bool from_root = true;  // `$`, else `@`
  std::vector<Segment> segments = {};
  bool is_singular() const;
};

enum class Function : uint8_t { kLength, kCount, kMatch, kSearch, kValue };

struct Call;
// What is compared, or given to a function.
struct Operand {
  std::variant<expr::Value, Query, std::unique_ptr<Call>> what;
};
struct Call {
  Function function = Function::kLength;
  std::vector<Operand> arguments = {};
  // Of match and search with a constant pattern; null: not constant, or no pattern.
  std::unique_ptr<re2::RE2> pattern = {};
  bool is_constant = false;
};

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

struct Filter {
  enum class Kind : uint8_t { kOr, kAnd, kNot, kCompare, kExists, kTest };
  Kind kind = Kind::kOr;
  std::vector<Filter> inner = {};      // kOr, kAnd, kNot
  Comparison comparison = {};          // kCompare, of two operands
  std::vector<Operand> operands = {};  // kExists: a query; kTest: a call
};

// Null: the pattern is none. `whole`: match(), else search().
std::unique_ptr<re2::RE2> compile_pattern(std::string_view pattern, bool whole);

struct ParseFailure {
  size_t offset = 0;
  std::string message;
};
std::variant<Query, ParseFailure> parse_query(std::string_view text);

}  // namespace testmesh::flow_file::path

namespace testmesh::flow_file {
struct JsonPath::Impl {
  std::string source;
  path::Query query;
};
}  // namespace testmesh::flow_file
