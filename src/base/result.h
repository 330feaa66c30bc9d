// One error model: functions whose failure comes from input or from the
// environment (disk, network) return Result<T>; a broken invariant is a bug
// and stops the process through CHECK.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <utility>

namespace testmesh::base {

enum class ErrorCode {
  kInvalidArgument,   // the caller's input is wrong: 400
  kUnauthenticated,   // 401
  kPermissionDenied,  // 403
  kNotFound,          // 404
  kAlreadyExists,     // 409
  kTooLarge,          // 413
  kUnsupported,       // 415
  kUnprocessable,     // well-formed but not acceptable: 422
  kOverloaded,        // a queue or budget is full, retry soon: 429
  kUnavailable,       // disk trouble, shutting down, retry soon: 503
  kCorrupt,           // a file of ours does not read back
  kInternal,
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // a sentence: where, what was found, what was expected
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace testmesh::base

#define CHECK(condition) \
  ((condition) ? void(0) : ::testmesh::base::check_failed(#condition, __FILE__, __LINE__))

#define TRY_CONCAT_INNER(a, b) a##b
#define TRY_CONCAT(a, b) TRY_CONCAT_INNER(a, b)

// TRY(f()); returns f's error from the enclosing function.
#define TRY(...)                                                                                             \
  do {                                                                                                       \
    if (auto try_result = (__VA_ARGS__); !try_result) return std::unexpected(std::move(try_result).error()); \
  } while (false)

// TRY_ASSIGN(auto value, f());
#define TRY_ASSIGN(declaration, expression)                                       \
  auto TRY_CONCAT(try_result_, __LINE__) = (expression);                          \
  if (!TRY_CONCAT(try_result_, __LINE__))                                         \
    return std::unexpected(std::move(TRY_CONCAT(try_result_, __LINE__)).error()); \
  declaration = std::move(*TRY_CONCAT(try_result_, __LINE__))
