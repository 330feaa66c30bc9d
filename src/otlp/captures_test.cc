// Recorded requests of real clients, each as JSON and as protobuf.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "otlp/convert.h"
#include "otlp/import_formats.h"
#include "otlp/testing/oracle.h"

namespace testmesh::otlp {
namespace {

namespace fs = std::filesystem;

fs::path captures() {
  const char* shared = std::getenv("TESTMESH_SHARED");
  return fs::path(shared ? shared : TESTMESH_SHARED) / "data/otlp/captures";
}

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// As `import` reads the file.
std::vector<model::Span> imported(const fs::path& file) {
  std::vector<model::Span> spans;
  const auto done = import_file(file, {.request = [&](std::string_view request) -> base::Result<void> {
                                         TRY_ASSIGN(DecodedSpans decoded, decode_protobuf(request));
                                         std::ranges::move(decoded.spans, std::back_inserter(spans));
                                         return {};
                                       },
                                       .progress = {}});
  EXPECT_TRUE(done) << done.error().message;
  return spans;
}

// A document, or one document a line; whichever it is, one protobuf.
base::Result<std::string> to_protobuf(const std::string& json) {
  auto whole = json_to_protobuf(json);
  if (whole) return whole;
  std::string all;
  std::istringstream lines(json);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    TRY_ASSIGN(const std::string part, json_to_protobuf(line));
    all += part;  // concatenated messages are merged ones
  }
  return all;
}

TEST(Captures, JsonAndProtobufGiveTheSameSpans) {
  if (!fs::exists(captures())) GTEST_SKIP() << "no recorded traffic at " << captures();
  size_t compared = 0;
  size_t spans = 0;
  for (const auto& entry : fs::directory_iterator(captures())) {
    const std::string name = entry.path().filename().string();
    const std::string suffix = ".otlp.json";
    if (!name.ends_with(suffix)) continue;
    SCOPED_TRACE(name);
    const std::string stem = name.substr(0, name.size() - suffix.size());
    const std::string twin = contents(captures() / (stem + ".twin.pb"));
    const auto theirs = testing::Oracle::decode(twin);
    ASSERT_TRUE(theirs);
    const auto from_twin = decode_protobuf(twin);
    ASSERT_TRUE(from_twin) << from_twin.error().message;
    EXPECT_TRUE(testing::same(*from_twin, *theirs));

    const auto bytes = to_protobuf(contents(entry.path()));
    ASSERT_TRUE(bytes) << bytes.error().message;
    const auto from_json = decode_protobuf(*bytes);
    ASSERT_TRUE(from_json) << from_json.error().message;
    // Ids that are base64 are not OTLP/JSON: those spans are rejected.
    const bool base64_ids = name.starts_with("otlp2parquet__");
    if (base64_ids) {
      EXPECT_EQ(from_json->rejected + from_json->spans.size(), from_twin->spans.size() + from_twin->rejected);
    } else {
      EXPECT_TRUE(testing::same_spans(from_json->spans, from_twin->spans));
      EXPECT_EQ(from_json->rejected, from_twin->rejected);
    }
    EXPECT_TRUE(testing::same_spans(imported(entry.path()), from_json->spans));
    EXPECT_TRUE(testing::same_spans(imported(captures() / (stem + ".twin.pb")), from_twin->spans));
    ++compared;
    spans += from_json->spans.size();
  }
  EXPECT_GE(compared, 70u);
  EXPECT_GE(spans, 300u);
}

}  // namespace
}  // namespace testmesh::otlp
