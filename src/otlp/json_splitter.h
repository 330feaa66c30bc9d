// Finds where one JSON document ends and the next begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace testmesh::otlp {

// Fed with all bytes once, in order. Documents are objects or arrays, one
// after the other, whatever white space is between them.
class JsonSplitter {
 public:
  enum class Event {
    kNeedMore,  // all bytes taken
    kBegin,     // the document's first byte is the next one
    kEnd,       // the document's last byte was the one before
    kStray,     // the next byte is between documents and begins none
  };

  // Takes bytes from the front of `bytes` until something happens; the count
  // is in `taken`. After kBegin call it again with the rest.
  Event scan(std::string_view bytes, size_t& taken);

  bool inside() const { return depth_ > 0; }
  uint64_t line() const { return line_; }  // of the next byte, from 1

 private:
  uint64_t depth_ = 0;
  uint64_t line_ = 1;
  bool in_string_ = false;
  bool escaped_ = false;
  bool announced_ = false;  // kBegin was given for the byte that follows
};

}  // namespace testmesh::otlp
