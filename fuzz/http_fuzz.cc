// What comes from the network before anything is known about it: the head of
// a request, a chunked body, compressed bodies.
//
// The first byte chooses the reader and how the bytes are cut on their way in;
// however they are cut, the result must be the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/decompress.h"
#include "transport/http/chunk_decoder.h"
#include "transport/http/request_head.h"

namespace {

using namespace testmesh;

constexpr size_t kMaxHead = 4 << 10;
constexpr size_t kMaxBody = 64 << 10;

struct HeadResult {
  http::RequestHeadParser parser{kMaxHead};
  size_t taken = 0;
};

HeadResult read_head(std::string_view bytes, size_t step) {
  HeadResult result;
  while (result.parser.state() == http::RequestHeadParser::State::kMore && result.taken < bytes.size()) {
    result.taken += result.parser.feed(bytes.substr(result.taken, step));
  }
  return result;
}

void check_head(std::string_view bytes, size_t step) {
  using State = http::RequestHeadParser::State;
  HeadResult whole = read_head(bytes, bytes.size());
  HeadResult cut = read_head(bytes, step);
  CHECK(whole.parser.state() == cut.parser.state());
  if (whole.parser.state() == State::kBad) {
    CHECK(whole.parser.error_status() >= 400 && cut.parser.error_status() >= 400);
    CHECK(!whole.parser.error().empty());
  }
  if (whole.parser.state() != State::kDone) return;
  const http::RequestHead& a = whole.parser.head();
  const http::RequestHead& b = cut.parser.head();
  CHECK(whole.taken == cut.taken && whole.taken <= kMaxHead);
  CHECK(a.request.method == b.request.method && a.request.target == b.request.target);
  CHECK(a.request.headers == b.request.headers && a.request.query == b.request.query);
  CHECK(a.framing == b.framing && a.content_length == b.content_length && a.keep_alive == b.keep_alive);
  CHECK(!a.request.path.empty() && a.request.path.find('\0') == std::string::npos);
  for (const auto& [name, value] : a.request.headers) {
    CHECK(http::is_token(name) && http::is_field_value(value));
  }
}

void check_chunks(std::string_view bytes, size_t step) {
  const auto decode = [&](size_t piece, std::string& body, size_t& taken) {
    http::ChunkDecoder decoder(kMaxBody);
    while (decoder.state() == http::ChunkDecoder::State::kMore && taken < bytes.size()) {
      taken += decoder.feed(bytes.substr(taken, piece), body);
    }
    CHECK(body.size() <= kMaxBody);
    return decoder.state();
  };
  std::string whole_body, cut_body;
  size_t whole_taken = 0, cut_taken = 0;
  const auto whole = decode(bytes.size(), whole_body, whole_taken);
  const auto cut = decode(step, cut_body, cut_taken);
  CHECK(whole == cut);
  CHECK(whole_body == cut_body);
  if (whole == http::ChunkDecoder::State::kDone) CHECK(whole_taken == cut_taken);
}

void check_decompression(ingest::ContentCoding coding, std::string_view bytes) {
  std::string out;
  const auto result = ingest::decompress(coding, bytes, kMaxBody, out);
  if (result) {
    CHECK(out.size() <= kMaxBody);
  } else {
    CHECK(result.error().code == base::ErrorCode::kTooLarge ||
          result.error().code == base::ErrorCode::kInvalidArgument);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = 1 + data[0] / 8;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (bytes.empty()) return 0;
  switch (data[0] % 8) {
    case 0:
    case 1:
    case 2:
      check_head(bytes, step);
      break;
    case 3:
    case 4:
      check_chunks(bytes, step);
      break;
    case 5:
      check_decompression(ingest::ContentCoding::kGzip, bytes);
      break;
    case 6:
      check_decompression(ingest::ContentCoding::kZstd, bytes);
      break;
    case 7:
      check_decompression(ingest::ContentCoding::kDeflate, bytes);
      break;
  }
  return 0;
}
