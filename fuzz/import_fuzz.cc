// Any file: the importer must end with requests that decode or with an error
// that names the file, and never hand over one beyond its size.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/convert.h"
#include "otlp/import_formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh;
  // One byte can blow up a thousandfold; a few MiB tell as much as more.
  constexpr size_t kEnough = 8 << 20;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t handed_over = 0;
  const auto done =
      otlp::import_bytes(bytes, "file",
                         {.request = [&](std::string_view request) -> base::Result<void> {
                            handed_over += request.size();
                            if (handed_over > kEnough)
                              return base::fail(base::ErrorCode::kTooLarge, "enough");
                            TRY_ASSIGN(const otlp::DecodedSpans decoded, otlp::decode_protobuf(request));
                            (void)otlp::encode_protobuf(decoded.spans);
                            return {};
                          },
                          .progress = [](uint64_t consumed, uint64_t all) { CHECK(consumed <= all); }});
  CHECK(done || done.error().message.starts_with("file"));
  return 0;
}
