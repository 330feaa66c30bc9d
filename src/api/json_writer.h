// Appends JSON text to a string. No tree is built: an answer with ten thousand
// spans costs little more than its bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::api {

// The caller keeps begins, ends and keys in their order; commas are put here.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  // Bytes that are no UTF-8 are written as U+FFFD.
  void string(std::string_view text);
  void boolean(bool value);
  void integer(int64_t value);
  void unsigned_integer(uint64_t value);
  // The shortest text that reads back as the same double; NaN and infinities
  // as "NaN", "Infinity", "-Infinity".
  void number(double value);
  void null();
  void base64(std::string_view bytes);
  void raw(std::string_view json);  // a value that is JSON already

  template <typename T>
  JsonWriter& field(std::string_view name, const T& value) {
    key(name);
    if constexpr (std::same_as<T, bool>)
      boolean(value);
    else if constexpr (std::floating_point<T>)
      number(value);
    else if constexpr (std::unsigned_integral<T>)
      unsigned_integer(value);
    else if constexpr (std::signed_integral<T>)
      integer(value);
    else
      string(value);
    return *this;
  }

 private:
  void separate() {
    if (comma_) out_ += ',';
    comma_ = true;
  }

  std::string& out_;
  bool comma_ = false;
};

}  // namespace testmesh::api
