// Writes JSON text member by member; commas are its business, nesting is the
// caller's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::otlp {

class JsonWriter {
 public:
  void open_object() { open('{'); }
  void close_object() { close('}'); }
  void open_array() { open('['); }
  void close_array() { close(']'); }
  void key(std::string_view name);  // the next call writes its value

  void text(std::string_view value);
  void boolean(bool value);
  void number(int64_t value);
  void quoted(int64_t value);  // "123": 64-bit integers, as proto3 JSON wants
  void quoted(uint64_t value);
  void real(double value);  // shortest that reads back; "NaN", "Infinity", "-Infinity"
  void base64(std::string_view bytes);

  std::string take() { return std::move(out_); }

 private:
  void open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  void string(std::string_view value);

  std::string out_;
  bool first_ = true;  // nothing needs a comma before what comes next
};

}  // namespace testmesh::otlp
