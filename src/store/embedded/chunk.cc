#include "store/embedded/chunk.h"

#include <cstring>

#include "base/varint.h"
#include "store/embedded/zstd_block.h"

namespace testmesh::store {
namespace {

using encoding::Row;

constexpr uint32_t kChunkMagic = 0x31434d54;  // "TMC1"
constexpr int kRecordLevel = 1;

// header: magic 4 · traces 4 · ids bytes 4 · table bytes 4 · body raw 4 · body packed 4 · base 8 · XXH3 8
// then ids, table, packed body.
// A span in the body: varint shape · varint resource+1 · parent · zigzag start
// (from the parent's, else from base) · varint duration · tail (generic: sized);
// parent: 0 none · 1 an id that is not in this record, 8 bytes · 2+n position n.

}  // namespace

void ChunkBuilder::add(const std::vector<Row>& rows, const std::vector<int32_t>& parents) {
  if (traces == 0) base = rows.front().start;
  const size_t before = body.size();
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    char head[64];
    char* at = base::put_varint(head, row.shape);
    at = base::put_varint(at, static_cast<uint32_t>(row.resource + 1));
    uint64_t from = base;
    if (parents[i] >= 0) {
      at = base::put_varint(at, static_cast<uint64_t>(parents[i]) + 2);
      from = rows[static_cast<size_t>(parents[i])].start;
    } else if (row.parent.is_zero()) {
      *at++ = 0;
    } else {
      *at++ = 1;
      std::memcpy(at, row.parent.bytes.data(), 8);
      at += 8;
    }
    at = base::put_varint(at, base::zigzag(static_cast<int64_t>(row.start - from)));
    at = base::put_varint(at, row.end - row.start);
    body.append(head, static_cast<size_t>(at - head));
    if (row.shape == encoding::kGenericShape) base::append_varint(body, row.tail.size());
    body += row.tail;
    ids.append(reinterpret_cast<const char*>(row.id.bytes.data()), 8);
  }
  base::append_varint(table, body.size() - before);
  base::append_varint(table, rows.size());
  ++traces;
}

void ChunkBuilder::clear() {
  ids.clear();
  table.clear();
  body.clear();
  traces = 0;
}

std::string compress_chunk(const ChunkBuilder& chunk) {
  const std::string packed = compress(chunk.body, kRecordLevel);
  std::string out;
  out.reserve(kChunkHeader + chunk.ids.size() + chunk.table.size() + packed.size());
  base::append_fixed(out, kChunkMagic);
  base::append_fixed(out, chunk.traces);
  base::append_fixed(out, static_cast<uint32_t>(chunk.ids.size()));
  base::append_fixed(out, static_cast<uint32_t>(chunk.table.size()));
  base::append_fixed(out, static_cast<uint32_t>(chunk.body.size()));
  base::append_fixed(out, static_cast<uint32_t>(packed.size()));
  base::append_fixed(out, chunk.base);
  base::append_fixed(out, uint64_t{0});
  out += chunk.ids;
  out += chunk.table;
  out += packed;
  const uint64_t sum =
      checksum(std::string_view(out).substr(kChunkHeader)) ^ checksum(std::string_view(out).substr(0, 32));
  std::memcpy(out.data() + 32, &sum, 8);
  return out;
}

base::Result<std::shared_ptr<const Chunk>> Chunk::parse(std::string_view bytes) {
  const auto corrupt = [] {
    return base::fail(base::ErrorCode::kCorrupt, "a chunk of the span store does not read back");
  };
  if (bytes.size() < kChunkHeader || base::load_fixed<uint32_t>(bytes.data()) != kChunkMagic)
    return corrupt();
  const auto ids = base::load_fixed<uint32_t>(bytes.data() + 8);
  const auto table = base::load_fixed<uint32_t>(bytes.data() + 12);
  const auto raw = base::load_fixed<uint32_t>(bytes.data() + 16);
  const auto packed = base::load_fixed<uint32_t>(bytes.data() + 20);
  if (uint64_t{kChunkHeader} + ids + table + packed != bytes.size()) return corrupt();
  const uint64_t sum = checksum(bytes.substr(kChunkHeader)) ^ checksum(bytes.substr(0, 32));
  if (sum != base::load_fixed<uint64_t>(bytes.data() + 32)) return corrupt();
  TRY_ASSIGN(std::string body, decompress(bytes.substr(kChunkHeader + ids + table), raw));
  return of_parts(std::string(bytes.substr(kChunkHeader, ids)), bytes.substr(kChunkHeader + ids, table),
                  std::move(body), base::load_fixed<uint64_t>(bytes.data() + 24));
}

std::shared_ptr<const Chunk> Chunk::from(const ChunkBuilder& builder) {
  auto chunk = of_parts(builder.ids, builder.table, builder.body, builder.base);
  CHECK(chunk);
  return std::move(*chunk);
}

base::Result<std::shared_ptr<const Chunk>> Chunk::of_parts(std::string ids, std::string_view table,
                                                           std::string body, base::UnixNanos base) {
  auto chunk = std::make_shared<Chunk>();
  chunk->ids_ = std::move(ids);
  chunk->base_ = base;
  chunk->body_ = std::make_shared<const std::string>(std::move(body));
  TRY(chunk->index(table));
  return chunk;
}

base::Result<void> Chunk::index(std::string_view table) {
  base::ByteReader reader(table);
  uint64_t body = 0, first_id = 0;
  while (!reader.done()) {
    const uint64_t size = reader.varint();
    const uint64_t spans = reader.varint();
    if (reader.failed() || size > body_->size() - body || spans > ids_.size() / 8 - first_id)
      return base::fail(base::ErrorCode::kCorrupt, "a chunk's table does not fit its content");
    places_.push_back({static_cast<uint32_t>(body), static_cast<uint32_t>(size),
                       static_cast<uint32_t>(first_id), static_cast<uint32_t>(spans)});
    body += size;
    first_id += spans;
  }
  return {};
}

base::Result<Record> Chunk::record(const encoding::Dictionary& dictionary, uint32_t ordinal) const {
  const auto corrupt = [] {
    return base::fail(base::ErrorCode::kCorrupt, "a record of the span store does not read back");
  };
  if (ordinal >= places_.size()) return corrupt();
  const Place place = places_[ordinal];
  Record record;
  record.bytes = body_;
  record.spans.reserve(place.spans);
  base::ByteReader reader(std::string_view(*body_).substr(place.body, place.body_size));
  for (uint32_t i = 0; i < place.spans; ++i) {
    RecordSpan span;
    Row& row = span.row;
    row.shape = static_cast<uint32_t>(reader.varint());
    row.resource = static_cast<uint32_t>(reader.varint()) - 1;
    if (reader.failed() || row.shape >= dictionary.shape_count() ||
        (row.resource != encoding::kNone && row.resource >= dictionary.resource_count()))
      return corrupt();
    std::memcpy(row.id.bytes.data(), ids_.data() + (place.first_id + i) * 8, 8);
    const uint64_t parent = reader.varint();
    uint64_t from = base_;
    if (parent == 1) {
      row.parent.bytes = reader.fixed<std::array<uint8_t, 8>>();
    } else if (parent >= 2) {
      if (parent - 2 >= i) return corrupt();
      const Row& above = record.spans[parent - 2].row;
      row.parent = above.id;
      span.parent = static_cast<int32_t>(parent - 2);
      from = above.start;
    }
    row.start = from + static_cast<uint64_t>(base::unzigzag(reader.varint()));
    row.end = row.start + reader.varint();
    const size_t size = row.shape == encoding::kGenericShape
                            ? reader.varint()
                            : encoding::tail_size(dictionary, row.shape, reader.rest());
    row.tail = reader.bytes(size);
    if (reader.failed()) return corrupt();
    record.spans.push_back(span);
  }
  return record;
}

base::Result<uint64_t> chunk_size(std::string_view head) {
  if (head.size() < kChunkHeader || base::load_fixed<uint32_t>(head.data()) != kChunkMagic)
    return base::fail(base::ErrorCode::kCorrupt, "no chunk begins here");
  return uint64_t{kChunkHeader} + base::load_fixed<uint32_t>(head.data() + 8) +
         base::load_fixed<uint32_t>(head.data() + 12) + base::load_fixed<uint32_t>(head.data() + 20);
}

}  // namespace testmesh::store
