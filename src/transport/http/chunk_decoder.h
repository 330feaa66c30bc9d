// Decodes a chunked body as its bytes arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::http {

class ChunkDecoder {
 public:
  // Bodies over `max_body` bytes end in kTooLarge.
  explicit ChunkDecoder(size_t max_body) : max_body_(max_body) {}

  enum class State { kMore, kDone, kBad, kTooLarge };

  // Appends what the bytes carry to `body` and says how many of them it took:
  // all of them while kMore, up to the end of the message at kDone. Chunk
  // extensions and trailers are checked, bounded and dropped.
  size_t feed(std::string_view bytes, std::string& body);

  State state() const { return state_; }

 private:
  enum class Part { kSizeLine, kData, kDataEnd, kTrailer };

  void take_line(std::string_view line);

  size_t max_body_;
  State state_ = State::kMore;
  Part part_ = Part::kSizeLine;
  uint64_t left_ = 0;    // bytes of the current chunk still to come
  size_t size_ = 0;      // of the body so far, announced chunks included
  size_t overhead_ = 0;  // bytes of extensions and trailers
  std::string partial_;  // of a line cut by the end of the bytes
};

}  // namespace testmesh::http
