#include "store/embedded/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/varint.h"
#include "encoding/row_encoder.h"
#include "otlp/convert.h"

namespace testmesh::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

model::TraceId trace_id(uint64_t number) {
  model::TraceId id;
  const uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
  std::memcpy(id.bytes.data(), &mixed, 8);
  std::memcpy(id.bytes.data() + 8, &number, 8);
  id.bytes[15] = 1;
  return id;
}

model::SpanId span_id(uint64_t number) {
  model::SpanId id;
  std::memcpy(id.bytes.data(), &number, 8);
  return id;
}

// A trace of three spans: a root, its child, and the child of a span that is
// not here.
std::vector<model::Span> spans_of(uint64_t trace) {
  static const auto resource = std::make_shared<const model::Resource>(
      model::Resource{.attributes = {{"service.name", {std::string("shop")}}},
                      .dropped_attributes_count = 0,
                      .schema_url = {}});
  static const auto scope = std::make_shared<const model::Scope>();
  std::vector<model::Span> spans(3);
  for (uint64_t i = 0; i < 3; ++i) {
    model::Span& span = spans[i];
    span.trace_id = trace_id(trace);
    span.span_id = span_id(trace * 10 + i);
    span.name = i == 0 ? "GET /orders" : "SELECT";
    span.kind = i == 0 ? model::SpanKind::kServer : model::SpanKind::kClient;
    span.start = 1'790'000'000'000'000'000 + trace * 1'000 + i;
    span.end = span.start + 500 + trace % 7;
    span.attributes = {{"user.id", {"user-" + std::to_string(trace % 50)}},
                       {"count", {static_cast<int64_t>(trace)}}};
    span.resource = resource;
    span.scope = scope;
  }
  spans[1].parent_span_id = spans[0].span_id;
  spans[2].parent_span_id = span_id(9'999'999'999);
  return spans;
}

// What a row says, as one text.
std::string told(const encoding::Dictionary& dictionary, const model::TraceId& id, const encoding::Row& row) {
  std::string out;
  EXPECT_TRUE(encoding::append_traces_data(dictionary, id, row, out));
  return out;
}

class SegmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-segment-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    start({});
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  void start(SegmentState state) {
    auto opened = SegmentWriter::open(directory_.string(), 0, std::move(state));
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<SegmentWriter>(std::move(*opened));
  }

  std::vector<encoding::Row> rows_of(const std::vector<model::Span>& spans) {
    encoding::EncodedBatch batch;
    batch.reset(1);
    EXPECT_TRUE(encoder_.encode(otlp::encode_protobuf(spans), batch));
    kept_.push_back(std::make_unique<std::string>(std::move(batch.parts[0])));
    base::ByteReader reader(*kept_.back());
    std::vector<encoding::Row> rows;
    while (!reader.done()) {
      reader.bytes(16);
      const auto size = reader.fixed<uint32_t>();
      reader.fixed<uint32_t>();
      base::ByteReader group(reader.bytes(size));
      while (!group.done()) {
        encoding::Row row;
        EXPECT_TRUE(encoding::parse_row(dictionary_, group.sized(), row));
        rows.push_back(row);
      }
    }
    return rows;
  }

  static TraceLine line_of(uint64_t trace) {
    TraceLine line;
    line.id = trace_id(trace);
    line.start = 1'790'000'000'000'000'000 + trace * 1'000;
    line.duration_ns = 500 + trace % 7;
    line.spans = 3;
    line.errors = static_cast<uint32_t>(trace % 2);
    line.kind = static_cast<uint32_t>(trace % 11);
    line.flags =
        static_cast<uint8_t>(trace % 3 == 0 ? TraceLine::kError | TraceLine::kCounted : TraceLine::kCounted);
    return line;
  }
  void add(uint64_t trace) {
    const auto rows = rows_of(spans_of(trace));
    ASSERT_EQ(rows.size(), 3u);
    const auto added = writer_->add(rows, {-1, 0, -1}, line_of(trace));
    ASSERT_TRUE(added) << added.error().message;
  }
  void add(uint64_t first, uint64_t last) {
    for (uint64_t trace = first; trace <= last; ++trace) add(trace);
  }

  void expect_record(const Record& record, uint64_t trace) {
    ASSERT_EQ(record.spans.size(), 3u);
    EXPECT_EQ(record.spans[0].parent, -1);
    EXPECT_EQ(record.spans[1].parent, 0);
    EXPECT_EQ(record.spans[2].parent, -1);
    const auto wanted = rows_of(spans_of(trace));
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(told(dictionary_, trace_id(trace), record.spans[i].row),
                told(dictionary_, trace_id(trace), wanted[i]))
          << "trace " << trace << " span " << i;
  }
  void expect_growing(uint64_t trace) {
    const auto found = writer_->find(trace_id(trace));
    ASSERT_EQ(found.size(), 1u) << trace;
    const TraceLine& line = writer_->lines()[found[0]];
    const auto chunk = writer_->chunk(line.chunk);
    ASSERT_TRUE(chunk) << chunk.error().message;
    const auto record = (*chunk)->record(dictionary_, line.ordinal);
    ASSERT_TRUE(record) << record.error().message;
    expect_record(*record, trace);
  }
  void expect_sealed(const Segment& segment, uint64_t trace) {
    const auto places = segment.find(trace_id(trace));
    ASSERT_TRUE(places) << places.error().message;
    ASSERT_EQ(places->size(), 1u) << trace;
    const auto chunk = segment.chunk(places->front().chunk);
    ASSERT_TRUE(chunk) << chunk.error().message;
    const auto record = (*chunk)->record(dictionary_, places->front().ordinal);
    ASSERT_TRUE(record) << record.error().message;
    expect_record(*record, trace);
    const auto line = segment.line(places->front(), trace_id(trace));
    ASSERT_TRUE(line) << line.error().message;
    expect_line(*line, trace);
  }
  static void expect_line(const TraceLine& line, uint64_t trace) {
    const TraceLine wanted = line_of(trace);
    EXPECT_EQ(line.id, wanted.id);
    EXPECT_EQ(line.start, wanted.start);
    EXPECT_EQ(line.duration_ns, wanted.duration_ns);
    EXPECT_EQ(line.spans, wanted.spans);
    EXPECT_EQ(line.errors, wanted.errors);
    EXPECT_EQ(line.kind, wanted.kind);
    EXPECT_EQ(line.flags, wanted.flags);
  }
  std::shared_ptr<const Segment> seal() {
    auto sealed = writer_->seal();
    EXPECT_TRUE(sealed) << sealed.error().message;
    return sealed ? *sealed : nullptr;
  }
  std::filesystem::path file(const char* extension, int number = 0) const {
    return directory_ / ("s0-" + std::to_string(number) + extension);
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::filesystem::path directory_;
  encoding::Dictionary dictionary_;
  encoding::RowEncoder encoder_{dictionary_};
  std::vector<std::unique_ptr<std::string>> kept_;  // rows are views
  std::unique_ptr<SegmentWriter> writer_;
};

constexpr uint64_t kMany = 3 * kMaxTracesPerChunk / 2;  // more than a chunk takes

TEST_F(SegmentTest, RecordsReadBackWhileTheSegmentGrows) {
  add(1, kMany);
  for (uint64_t trace = 1; trace <= kMany; trace += 97) expect_growing(trace);
  expect_growing(kMany);
  EXPECT_THAT(writer_->find(trace_id(kMany + 1)), IsEmpty());
}

TEST_F(SegmentTest, RecordsAndLinesReadBackFromASealedSegment) {
  add(1, kMany);
  const auto segment = seal();
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->traces(), kMany);
  EXPECT_EQ(segment->spans(), 3 * kMany);
  EXPECT_EQ(segment->min_start(), line_of(1).start);
  EXPECT_EQ(segment->max_start(), line_of(kMany).start);
  for (uint64_t trace = 1; trace <= kMany; trace += 97) expect_sealed(*segment, trace);
  uint64_t next = 1;
  ASSERT_TRUE(segment->for_each_line([&](const TraceLine& line) { expect_line(line, next++); }));
  EXPECT_EQ(next, kMany + 1);
  std::set<model::TraceId> ids;
  ASSERT_TRUE(segment->for_each_id([&](const model::TraceId& id) { ids.insert(id); }));
  EXPECT_EQ(ids.size(), kMany);
}

TEST_F(SegmentTest, NoTraceIsFoundThatIsNotThere) {
  add(1, kMany);
  const auto segment = seal();
  ASSERT_TRUE(segment);
  for (uint64_t trace = kMany + 1; trace <= 3 * kMany; ++trace) {
    const auto places = segment->find(trace_id(trace));
    ASSERT_TRUE(places);
    ASSERT_THAT(*places, IsEmpty()) << trace;
  }
}

TEST_F(SegmentTest, ATraceInPartsIsFoundInAllOfThemOldestFirst) {
  add(7);
  add(1, 5);
  add(7);
  add(10, 4'500);
  add(7);
  EXPECT_THAT(writer_->find(trace_id(7)), ElementsAre(0, 6, 4'498));
  const auto segment = seal();
  ASSERT_TRUE(segment);
  const auto places = segment->find(trace_id(7));
  ASSERT_TRUE(places);
  ASSERT_EQ(places->size(), 3u);
  for (size_t i = 1; i < 3; ++i)
    EXPECT_TRUE(
        (*places)[i - 1].chunk < (*places)[i].chunk ||
        ((*places)[i - 1].chunk == (*places)[i].chunk && (*places)[i - 1].ordinal < (*places)[i].ordinal));
}

TEST_F(SegmentTest, IdsThatAreNotRandomAreFoundToo) {
  // All within one page of the id space, and a few far away.
  std::vector<model::TraceId> ids;
  for (uint64_t i = 0; i < 3'000; ++i) {
    model::TraceId id;
    id.bytes[14] = static_cast<uint8_t>(i >> 8);
    id.bytes[15] = static_cast<uint8_t>(i);
    if (i % 1'000 == 999) id.bytes[0] = 0xff;
    ids.push_back(id);
  }
  const auto rows = rows_of(spans_of(1));
  for (const model::TraceId& id : ids) {
    TraceLine line = line_of(1);
    line.id = id;
    ASSERT_TRUE(writer_->add(rows, {-1, 0, -1}, line));
  }
  const auto segment = seal();
  ASSERT_TRUE(segment);
  for (const model::TraceId& id : ids) {
    const auto places = segment->find(id);
    ASSERT_TRUE(places);
    ASSERT_EQ(places->size(), 1u) << id.to_hex();
  }
}

TEST_F(SegmentTest, WhatWasWrittenBehindACheckpointIsCutOff) {
  add(1, kMany);
  auto state = writer_->checkpoint();
  ASSERT_TRUE(state);
  add(kMany + 1, 3 * kMany);
  ASSERT_TRUE(writer_->checkpoint());  // written and synced, but nobody kept the state
  start(std::move(*state));
  EXPECT_EQ(writer_->lines().size(), kMany);
  expect_growing(1);
  expect_growing(kMany);
  EXPECT_THAT(writer_->find(trace_id(kMany + 1)), IsEmpty());
  add(kMany + 1, 2 * kMany);
  expect_growing(2 * kMany);
  const auto segment = seal();
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->traces(), 2 * kMany);
  for (uint64_t trace = 1; trace <= 2 * kMany; trace += 97) expect_sealed(*segment, trace);
}

TEST_F(SegmentTest, ASealThatNoCheckpointKnowsIsMadeAgain) {
  add(1, 100);
  auto state = writer_->checkpoint();
  ASSERT_TRUE(state);
  add(101, 200);
  ASSERT_TRUE(seal());
  add(201, 300);  // the next segment
  ASSERT_TRUE(writer_->checkpoint());
  start(std::move(*state));
  EXPECT_EQ(writer_->lines().size(), 100u);
  add(101, 150);
  const auto segment = seal();
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->traces(), 150u);
  for (uint64_t trace = 1; trace <= 150; ++trace) expect_sealed(*segment, trace);
  add(201);
  expect_growing(201);
  EXPECT_EQ(writer_->lines().size(), 1u);
}

TEST_F(SegmentTest, ASealedSegmentOpensAgain) {
  add(1, kMany);
  ASSERT_TRUE(seal());
  writer_->forget_sealed();
  EXPECT_FALSE(std::filesystem::exists(file(".act")));
  const auto again = Segment::open(directory_.string(), 0, 0);
  ASSERT_TRUE(again) << again.error().message;
  for (uint64_t trace = 1; trace <= kMany; trace += 97) expect_sealed(**again, trace);
}

TEST_F(SegmentTest, AChunkCutOrDamagedAtAnyByteIsRefused) {
  ChunkBuilder builder;
  for (uint64_t trace = 1; trace <= 3; ++trace) builder.add(rows_of(spans_of(trace)), {-1, 0, -1});
  const std::string whole = compress_chunk(builder);
  const auto chunk = Chunk::parse(whole);
  ASSERT_TRUE(chunk);
  for (uint32_t i = 0; i < 3; ++i) {
    const auto record = (*chunk)->record(dictionary_, i);
    ASSERT_TRUE(record);
    expect_record(*record, i + 1);
  }
  EXPECT_FALSE((*chunk)->record(dictionary_, 3));
  for (size_t at = 0; at < whole.size(); ++at) {
    EXPECT_FALSE(Chunk::parse(std::string_view(whole).substr(0, at))) << at;
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(Chunk::parse(damaged)) << at;
  }
}

TEST_F(SegmentTest, ADirectoryCutAtAnyByteIsRefused) {
  add(1, 20);
  ASSERT_TRUE(seal());
  const std::string whole = read(file(".ids"));
  for (size_t size = 0; size < whole.size(); ++size) {
    write(file(".ids"), std::string_view(whole).substr(0, size));
    EXPECT_FALSE(Segment::open(directory_.string(), 0, 0)) << size;
  }
  write(file(".ids"), whole);
  EXPECT_TRUE(Segment::open(directory_.string(), 0, 0));
}

TEST_F(SegmentTest, SummariesCutOrDamagedAtAnyByteAreRefusedOrToldWhenRead) {
  add(1, 20);
  ASSERT_TRUE(seal());
  const std::string whole = read(file(".sum"));
  const auto reads_back = [&] {
    const auto segment = Segment::open(directory_.string(), 0, 0);
    if (!segment) return false;
    uint64_t lines = 0;
    return (*segment)->for_each_line([&](const TraceLine&) { ++lines; }).has_value() && lines == 20;
  };
  for (size_t size = 0; size < whole.size(); ++size) {
    write(file(".sum"), std::string_view(whole).substr(0, size));
    EXPECT_FALSE(reads_back()) << size;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x80);
    write(file(".sum"), damaged);
    reads_back();  // content has no checksum: it must not bring the process down
  }
  write(file(".sum"), whole);
  EXPECT_TRUE(reads_back());
}

TEST_F(SegmentTest, AGrowingSegmentThatIsShorterThanItsCheckpointIsRefused) {
  add(1, kMany);
  const auto state = writer_->checkpoint();
  ASSERT_TRUE(state);
  ASSERT_GT(state->record_bytes, 0u);
  writer_.reset();
  const std::string whole = read(file(".act"));
  write(file(".act"), std::string_view(whole).substr(0, whole.size() - 1));
  EXPECT_FALSE(SegmentWriter::open(directory_.string(), 0, *state));
}

}  // namespace
}  // namespace testmesh::store
