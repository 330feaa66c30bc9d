#include "store/embedded/segment.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>

#include "base/varint.h"
#include "store/embedded/zstd_block.h"

namespace testmesh::store {
namespace {

using encoding::Row;

constexpr uint32_t kIdsMagic = 0x31494d54;    // "TMI1"
constexpr uint32_t kLinesMagic = 0x314c4d54;  // "TML1"
constexpr int kLineLevel = 3;
constexpr size_t kLinesPerBlock = 4096;
constexpr size_t kActiveLine = 64;  // bytes a line in .act
constexpr size_t kDirectoryLine = 20;
constexpr uint32_t kOrdinalBits = 12;
constexpr size_t kFilterBitsPerTrace = 12;
constexpr size_t kFilterBlock = 64;  // bytes: one cache line
constexpr size_t kIdsHead = 48;      // bytes before the filter in .ids
constexpr size_t kMaxFilterMemory = 64u << 20;

std::atomic<size_t> filter_memory{0};  // bytes of filters held by open segments

size_t filter_place(size_t filter_bytes, uint64_t hash) {
  return ((hash >> 32) * (filter_bytes / kFilterBlock) >> 32) * kFilterBlock;
}

void put_filter(std::string& filter, uint64_t hash) {
  char* block = filter.data() + filter_place(filter.size(), hash);
  for (int probe = 0; probe < 6; ++probe) {
    const uint32_t bit = hash >> (9 * probe) & 511;
    block[bit / 8] = static_cast<char>(block[bit / 8] | 1 << (bit % 8));
  }
}

bool may_contain(const char* block, uint64_t hash) {
  for (int probe = 0; probe < 6; ++probe) {
    const uint32_t bit = hash >> (9 * probe) & 511;
    if (!(block[bit / 8] >> (bit % 8) & 1)) return false;
  }
  return true;
}

uint64_t filter_hash(const model::TraceId& id) { return XXH3_64bits(id.bytes.data(), 16); }

std::string segment_path(const std::string& directory, uint32_t shard, uint32_t number,
                         std::string_view extension) {
  return directory + "/s" + std::to_string(shard) + "-" + std::to_string(number) + std::string(extension);
}

void append_active_line(std::string& out, const TraceLine& line) {
  const size_t start = out.size();
  out.append(reinterpret_cast<const char*>(line.id.bytes.data()), 16);
  base::append_fixed(out, line.chunk);
  base::append_fixed(out, line.ordinal);
  base::append_fixed(out, line.start);
  base::append_fixed(out, line.duration_ns);
  base::append_fixed(out, line.spans);
  base::append_fixed(out, line.errors);
  base::append_fixed(out, line.kind);
  out += static_cast<char>(line.flags);
  out.resize(start + kActiveLine, '\0');
}

TraceLine parse_active_line(std::string_view bytes) {
  base::ByteReader reader(bytes);
  TraceLine line;
  line.id.bytes = reader.fixed<std::array<uint8_t, 16>>();
  line.chunk = reader.fixed<uint32_t>();
  line.ordinal = reader.fixed<uint32_t>();
  line.start = reader.fixed<uint64_t>();
  line.duration_ns = reader.fixed<uint64_t>();
  line.spans = reader.fixed<uint32_t>();
  line.errors = reader.fixed<uint32_t>();
  line.kind = reader.fixed<uint32_t>();
  line.flags = reader.fixed<uint8_t>();
  return line;
}

}  // namespace

// ---- writer ------------------------------------------------------------------

struct SegmentWriter::Index {
  boost::unordered_flat_map<model::TraceId, uint32_t, std::hash<model::TraceId>> newest;
  std::vector<int32_t> older;  // per line: the line before it with the same id, or -1
};

std::string SegmentWriter::path(std::string_view extension, uint32_t number) const {
  return segment_path(directory_, shard_, number, extension);
}

base::Result<SegmentWriter> SegmentWriter::open(std::string directory, uint32_t shard, SegmentState state) {
  SegmentWriter writer;
  writer.directory_ = std::move(directory);
  writer.shard_ = shard;
  writer.number_ = state.number;
  writer.record_bytes_ = state.record_bytes;
  writer.tail_ = std::move(state.tail);
  writer.index_ = std::make_shared<Index>();
  if (state.record_bytes == 0 && state.lines == 0 && writer.tail_.traces == 0) {
    remove_file(writer.path(".rec", state.number));
    remove_file(writer.path(".act", state.number));
  } else {
    TRY_ASSIGN(writer.records_, File::open(writer.path(".rec", state.number), File::Mode::kReadWrite));
    TRY(writer.records_.truncate(state.record_bytes));
    TRY_ASSIGN(writer.active_, File::open(writer.path(".act", state.number), File::Mode::kReadWrite));
    TRY_ASSIGN(const std::string lines, writer.active_.read_at(0, state.lines * kActiveLine));
    TRY(writer.active_.truncate(state.lines * kActiveLine));
    for (uint64_t i = 0; i < state.lines; ++i) {
      writer.lines_.push_back(
          parse_active_line(std::string_view(lines).substr(i * kActiveLine, kActiveLine)));
      writer.index_line(static_cast<uint32_t>(i));
    }
    writer.saved_lines_ = state.lines;
    // Chunk offsets are in the chunks' own headers.
    uint64_t offset = 0;
    while (offset < state.record_bytes) {
      char head[kChunkHeader];
      TRY(writer.records_.read_into(offset, head));
      const auto size = chunk_size({head, kChunkHeader});
      if (!size)
        return base::fail(base::ErrorCode::kCorrupt,
                          writer.records_.path() + " is damaged at byte " + std::to_string(offset));
      offset += *size;
      writer.chunk_offsets_.push_back(offset);
    }
    if (offset != state.record_bytes)
      return base::fail(base::ErrorCode::kCorrupt,
                        writer.records_.path() + " does not end where its last chunk does");
  }
  return writer;
}

void SegmentWriter::index_line(uint32_t line) {
  const auto [found, added] = index_->newest.try_emplace(lines_[line].id, line);
  index_->older.push_back(added ? -1 : static_cast<int32_t>(found->second));
  found->second = line;
}

base::Result<void> SegmentWriter::add(const std::vector<Row>& rows, const std::vector<int32_t>& parents,
                                      TraceLine line) {
  if (tail_.traces >= kMaxTracesPerChunk || tail_.raw_bytes() >= kChunkBytes) {
    if (auto flushed = flush_chunk(); !flushed) {
      if (tail_.traces >= kMaxTracesPerChunk) return flushed;
      failure_ = flushed.error();
    }
  }
  line.chunk = static_cast<uint32_t>(chunk_offsets_.size() - 1);
  line.ordinal = tail_.traces;
  tail_.add(rows, parents);
  lines_.push_back(line);
  index_line(static_cast<uint32_t>(lines_.size() - 1));
  dirty_ = true;
  return {};
}

base::Result<void> SegmentWriter::open_records() {
  if (records_.is_open()) return {};
  TRY_ASSIGN(records_, File::open(path(".rec", number_), File::Mode::kCreate));
  new_files_ = true;
  return {};
}

base::Result<void> SegmentWriter::flush_chunk() {
  if (tail_.traces == 0) return {};
  TRY(open_records());
  const std::string bytes = compress_chunk(tail_);
  TRY(records_.write_at(record_bytes_, bytes));
  record_bytes_ += bytes.size();
  chunk_offsets_.push_back(record_bytes_);
  tail_.clear();
  return {};
}

base::Result<SegmentState> SegmentWriter::checkpoint() {
  if (dirty_) {
    TRY(open_records());
    if (!active_.is_open()) {
      TRY_ASSIGN(active_, File::open(path(".act", number_), File::Mode::kCreate));
      new_files_ = true;
    }
    std::string lines;
    for (size_t i = saved_lines_; i < lines_.size(); ++i) append_active_line(lines, lines_[i]);
    TRY(active_.write_at(saved_lines_ * kActiveLine, lines));
    TRY(active_.sync());
    TRY(records_.sync());
    saved_lines_ = lines_.size();
    dirty_ = false;
  }
  if (new_files_) {  // their names must be as durable as what is in them
    TRY(sync_directory(directory_));
    new_files_ = false;
  }
  return SegmentState{number_, record_bytes_, saved_lines_, tail_};
}

// .ids: magic 4 · traces 4 · spans 8 · min start 8 · max start 8 · chunks+1 4 · filter bytes 4 · XXH3 of what
// precedes the directory 8 | filter · chunk offsets 8 each · first line of each chunk 4 each · directory: (id
// 16 · chunk<<12|ordinal 4) sorted. .sum: magic 4 · blocks 4 · (offset of each block and the end) 8 each |
// blocks: raw size 4 · zstd.
base::Result<std::shared_ptr<const Segment>> SegmentWriter::seal() {
  TRY(flush_chunk());
  std::string filter((lines_.size() * kFilterBitsPerTrace / 8 / kFilterBlock + 1) * kFilterBlock, '\0');
  std::vector<std::pair<model::TraceId, uint32_t>> directory;
  directory.reserve(lines_.size());
  uint64_t spans = 0;
  base::UnixNanos min_start = UINT64_MAX, max_start = 0;
  std::string blocks, block;
  std::vector<uint64_t> block_offsets{0};
  std::vector<uint32_t> first_lines(chunk_offsets_.size(), static_cast<uint32_t>(lines_.size()));
  base::UnixNanos last_start = 0;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const TraceLine& line = lines_[i];
    if (line.ordinal == 0) first_lines[line.chunk] = static_cast<uint32_t>(i);
    if (i % kLinesPerBlock == 0) last_start = 0;
    put_filter(filter, filter_hash(line.id));
    directory.emplace_back(line.id, line.chunk << kOrdinalBits | line.ordinal);
    spans += line.spans;
    min_start = std::min(min_start, line.start);
    max_start = std::max(max_start, line.start);
    block += static_cast<char>(line.flags);
    base::append_varint(block, base::zigzag(static_cast<int64_t>(line.start - last_start)));
    last_start = line.start;
    base::append_varint(block, line.duration_ns);
    base::append_varint(block, line.spans);
    base::append_varint(block, line.errors);
    base::append_varint(block, line.kind);
    if ((i + 1) % kLinesPerBlock == 0 || i + 1 == lines_.size()) {
      base::append_fixed(blocks, static_cast<uint32_t>(block.size()));
      blocks += compress(block, kLineLevel);
      block_offsets.push_back(blocks.size());
      block.clear();
    }
  }
  std::ranges::sort(directory);
  std::string sums;
  base::append_fixed(sums, kLinesMagic);
  base::append_fixed(sums, static_cast<uint32_t>(block_offsets.size() - 1));
  const uint64_t blocks_at = sums.size() + block_offsets.size() * 8;
  for (const uint64_t offset : block_offsets) base::append_fixed(sums, blocks_at + offset);
  sums += blocks;

  std::string ids;
  base::append_fixed(ids, kIdsMagic);
  base::append_fixed(ids, static_cast<uint32_t>(lines_.size()));
  base::append_fixed(ids, spans);
  base::append_fixed(ids, min_start);
  base::append_fixed(ids, max_start);
  base::append_fixed(ids, static_cast<uint32_t>(chunk_offsets_.size()));
  base::append_fixed(ids, static_cast<uint32_t>(filter.size()));
  base::append_fixed(ids, uint64_t{0});
  const size_t head = ids.size();
  ids += filter;
  for (const uint64_t offset : chunk_offsets_) base::append_fixed(ids, offset);
  for (const uint32_t first : first_lines) base::append_fixed(ids, first);
  const uint64_t sum =
      checksum(std::string_view(ids).substr(head)) ^ checksum(std::string_view(ids).substr(0, head - 8));
  std::memcpy(ids.data() + head - 8, &sum, 8);
  for (const auto& [id, place] : directory) {
    ids.append(reinterpret_cast<const char*>(id.bytes.data()), 16);
    base::append_fixed(ids, place);
  }
  TRY(write_whole_file(path(".sum", number_), sums));
  TRY(write_whole_file(path(".ids", number_), ids));
  TRY(records_.sync());
  TRY_ASSIGN(auto segment, Segment::open(directory_, shard_, number_));
  sealed_active_files_.push_back(path(".act", number_));
  new_files_ = true;
  ++number_;
  records_ = {};
  active_ = {};
  record_bytes_ = saved_lines_ = 0;
  dirty_ = false;
  chunk_offsets_ = {0};
  lines_.clear();
  index_ = std::make_shared<Index>();
  return segment;
}

void SegmentWriter::forget_sealed() {
  for (const std::string& file : sealed_active_files_) remove_file(file);
  sealed_active_files_.clear();
}

std::vector<uint32_t> SegmentWriter::find(const model::TraceId& id) const {
  std::vector<uint32_t> found;
  const auto newest = index_->newest.find(id);
  if (newest == index_->newest.end()) return found;
  for (auto line = static_cast<int32_t>(newest->second); line >= 0;
       line = index_->older[static_cast<size_t>(line)])
    found.push_back(static_cast<uint32_t>(line));
  std::ranges::reverse(found);
  return found;
}

base::Result<std::shared_ptr<const Chunk>> SegmentWriter::chunk(uint32_t number) const {
  if (number + 1 == chunk_offsets_.size()) return Chunk::from(tail_);
  TRY_ASSIGN(const std::string bytes,
             records_.read_at(chunk_offsets_[number], chunk_offsets_[number + 1] - chunk_offsets_[number]));
  return Chunk::parse(bytes);
}

size_t SegmentWriter::memory_bytes() const {
  return tail_.raw_bytes() + lines_.capacity() * sizeof(TraceLine) + index_->older.capacity() * 4 +
         index_->newest.bucket_count() * 24;
}

// ---- sealed ------------------------------------------------------------------

base::Result<std::shared_ptr<const Segment>> Segment::open(const std::string& directory, uint32_t shard,
                                                           uint32_t number) {
  auto segment = std::make_shared<Segment>();
  TRY_ASSIGN(segment->records_,
             File::open(segment_path(directory, shard, number, ".rec"), File::Mode::kRead));
  TRY_ASSIGN(segment->ids_, File::open(segment_path(directory, shard, number, ".ids"), File::Mode::kRead));
  TRY_ASSIGN(segment->lines_, File::open(segment_path(directory, shard, number, ".sum"), File::Mode::kRead));
  char head_bytes[kIdsHead];
  TRY(segment->ids_.read_into(0, head_bytes));
  const std::string_view head(head_bytes, kIdsHead);
  base::ByteReader reader(head);
  const bool known = reader.fixed<uint32_t>() == kIdsMagic;
  segment->traces_ = reader.fixed<uint32_t>();
  segment->spans_ = reader.fixed<uint64_t>();
  segment->min_start_ = reader.fixed<uint64_t>();
  segment->max_start_ = reader.fixed<uint64_t>();
  const auto offsets = reader.fixed<uint32_t>();
  const auto filter = reader.fixed<uint32_t>();
  const auto sum = reader.fixed<uint64_t>();
  TRY_ASSIGN(const uint64_t file_size, segment->ids_.size());
  segment->directory_offset_ = uint64_t{kIdsHead} + filter + uint64_t{offsets} * 12;
  const auto corrupt = [&] {
    return base::fail(base::ErrorCode::kCorrupt, segment->ids_.path() + " does not read back");
  };
  if (!known || segment->directory_offset_ + uint64_t{segment->traces_} * kDirectoryLine != file_size)
    return corrupt();
  TRY_ASSIGN(const std::string index, segment->ids_.read_at(kIdsHead, filter + size_t{offsets} * 12));
  if ((checksum(index) ^ checksum(head.substr(0, kIdsHead - 8))) != sum) return corrupt();
  segment->filter_bytes_ = filter;
  if (filter_memory.fetch_add(filter) + filter <= kMaxFilterMemory)
    segment->filter_ = index.substr(0, filter);
  else
    filter_memory.fetch_sub(filter);
  for (uint32_t i = 0; i < offsets; ++i)
    segment->chunk_offsets_.push_back(base::load_fixed<uint64_t>(index.data() + filter + size_t{i} * 8));
  for (uint32_t i = 0; i < offsets; ++i)
    segment->first_lines_.push_back(
        base::load_fixed<uint32_t>(index.data() + filter + size_t{offsets} * 8 + size_t{i} * 4));

  TRY_ASSIGN(const std::string lines_head, segment->lines_.read_at(0, 8));
  base::ByteReader lines_reader(lines_head);
  if (lines_reader.fixed<uint32_t>() != kLinesMagic) return corrupt();
  const auto blocks = lines_reader.fixed<uint32_t>();
  TRY_ASSIGN(const uint64_t lines_size, segment->lines_.size());
  if (blocks > lines_size / 8) return corrupt();
  TRY_ASSIGN(const std::string block_offsets, segment->lines_.read_at(8, (size_t{blocks} + 1) * 8));
  for (size_t i = 0; i <= blocks; ++i)
    segment->block_offsets_.push_back(base::load_fixed<uint64_t>(block_offsets.data() + i * 8));
  if (!std::ranges::is_sorted(segment->block_offsets_) || segment->block_offsets_.back() > lines_size)
    return corrupt();
  return segment;
}

Segment::~Segment() { filter_memory.fetch_sub(filter_.size()); }

base::Result<bool> Segment::may_hold(const model::TraceId& id) const {
  if (filter_bytes_ == 0) return false;
  const uint64_t hash = filter_hash(id);
  const size_t place = filter_place(filter_bytes_, hash);
  if (!filter_.empty()) return may_contain(filter_.data() + place, hash);
  char block[kFilterBlock];
  TRY(ids_.read_into(kIdsHead + place, block));
  return may_contain(block, hash);
}

base::Result<std::vector<Segment::Place>> Segment::find(const model::TraceId& id) const {
  std::vector<Place> places;
  TRY_ASSIGN(const bool may, may_hold(id));
  if (!may) return places;
  // Ids are random: where one would stand is known to within a page or two.
  constexpr uint32_t kWindow = 128;
  uint64_t head;
  std::memcpy(&head, id.bytes.data(), 8);
  head = __builtin_bswap64(head);
  uint32_t low = 0, high = traces_;  // the first line not before id is in [low, high]
  std::string window;
  uint32_t window_start = 0;
  const auto load = [&](uint32_t first) -> base::Result<void> {
    window_start = first;
    const uint32_t count = std::min(kWindow, traces_ - first);
    TRY_ASSIGN(window,
               ids_.read_at(directory_offset_ + uint64_t{first} * kDirectoryLine, count * kDirectoryLine));
    return {};
  };
  const auto line_id = [&](uint32_t in_window) {
    return std::string_view(window).substr(in_window * kDirectoryLine, 16);
  };
  const std::string_view wanted(reinterpret_cast<const char*>(id.bytes.data()), 16);
  uint32_t guess = static_cast<uint32_t>((head >> 32) * traces_ >> 32);
  for (int step = 0; low < high; ++step) {
    // Interpolate twice, then halve: ids need not be random everywhere.
    const uint32_t middle = step < 2 ? std::clamp(guess, low, high - 1) : low + (high - low) / 2;
    const uint32_t first = middle > kWindow / 2 ? middle - kWindow / 2 : 0;
    TRY(load(first));
    const auto count = static_cast<uint32_t>(window.size() / kDirectoryLine);
    if (line_id(0) >= wanted && first > low) {
      high = first;
      guess = first > kWindow ? first - kWindow : 0;
    } else if (line_id(count - 1) < wanted) {
      low = first + count;
      guess = low + kWindow / 2;
    } else {
      uint32_t at = 0;
      while (at < count && line_id(at) < wanted) ++at;
      low = high = window_start + at;
    }
  }
  for (uint32_t line = low; line < traces_; ++line) {
    if (window.empty() || line < window_start || line >= window_start + window.size() / kDirectoryLine)
      TRY(load(line));
    if (line_id(line - window_start) != wanted) break;
    const auto place =
        base::load_fixed<uint32_t>(window.data() + (line - window_start) * kDirectoryLine + 16);
    places.push_back({place >> kOrdinalBits, place & ((1u << kOrdinalBits) - 1)});
  }
  std::ranges::sort(places, {}, [](const Place& p) { return uint64_t{p.chunk} << 32 | p.ordinal; });
  return places;
}

base::Result<std::shared_ptr<const Chunk>> Segment::chunk(uint32_t number) const {
  if (number + 1 >= chunk_offsets_.size())
    return base::fail(base::ErrorCode::kCorrupt, records_.path() + " has no such chunk");
  TRY_ASSIGN(const std::string bytes,
             records_.read_at(chunk_offsets_[number], chunk_offsets_[number + 1] - chunk_offsets_[number]));
  return Chunk::parse(bytes);
}

base::Result<void> Segment::for_each_id(const std::function<void(const model::TraceId&)>& visit) const {
  constexpr uint32_t kBatch = 16'384;
  for (uint32_t first = 0; first < traces_; first += kBatch) {
    const uint32_t count = std::min(kBatch, traces_ - first);
    TRY_ASSIGN(const std::string lines,
               ids_.read_at(directory_offset_ + uint64_t{first} * kDirectoryLine, count * kDirectoryLine));
    for (uint32_t i = 0; i < count; ++i) {
      model::TraceId id;
      std::memcpy(id.bytes.data(), lines.data() + size_t{i} * kDirectoryLine, 16);
      visit(id);
    }
  }
  return {};
}

namespace {

// One line of .sum; the place is the caller's to fill in.
bool read_line(base::ByteReader& reader, TraceLine& line) {
  line.flags = reader.fixed<uint8_t>();
  line.start += static_cast<uint64_t>(base::unzigzag(reader.varint()));
  line.duration_ns = reader.varint();
  line.spans = static_cast<uint32_t>(reader.varint());
  line.errors = static_cast<uint32_t>(reader.varint());
  line.kind = static_cast<uint32_t>(reader.varint());
  return !reader.failed();
}

}  // namespace

base::Result<std::string> Segment::line_block(size_t block) const {
  TRY_ASSIGN(const std::string bytes,
             lines_.read_at(block_offsets_[block], block_offsets_[block + 1] - block_offsets_[block]));
  constexpr size_t kMaxLine = 64;
  if (bytes.size() < 4 || base::load_fixed<uint32_t>(bytes.data()) > kLinesPerBlock * kMaxLine)
    return base::fail(base::ErrorCode::kCorrupt, lines_.path() + " does not read back");
  return decompress(std::string_view(bytes).substr(4), base::load_fixed<uint32_t>(bytes.data()));
}

base::Result<TraceLine> Segment::line(Place place, const model::TraceId& id) const {
  const auto corrupt = [&] {
    return base::fail(base::ErrorCode::kCorrupt, lines_.path() + " does not read back");
  };
  if (place.chunk + 1 >= first_lines_.size()) return corrupt();
  const size_t number = size_t{first_lines_[place.chunk]} + place.ordinal;
  if (number / kLinesPerBlock + 1 >= block_offsets_.size()) return corrupt();
  TRY_ASSIGN(const std::string block, line_block(number / kLinesPerBlock));
  base::ByteReader reader(block);
  TraceLine line;
  for (size_t i = 0; i <= number % kLinesPerBlock; ++i)
    if (!read_line(reader, line)) return corrupt();
  line.id = id;
  line.chunk = place.chunk;
  line.ordinal = place.ordinal;
  return line;
}

base::Result<void> Segment::for_each_line(const std::function<void(const TraceLine&)>& visit) const {
  const auto corrupt = [&] {
    return base::fail(base::ErrorCode::kCorrupt, lines_.path() + " does not read back");
  };
  // Ids stand in the directory, by place.
  std::vector<model::TraceId> ids(traces_);
  TRY_ASSIGN(const std::string directory, ids_.read_at(directory_offset_, size_t{traces_} * kDirectoryLine));
  for (uint32_t i = 0; i < traces_; ++i) {
    const char* entry = directory.data() + size_t{i} * kDirectoryLine;
    const auto place = base::load_fixed<uint32_t>(entry + 16);
    const uint32_t chunk = place >> kOrdinalBits, ordinal = place & ((1u << kOrdinalBits) - 1);
    if (chunk + 1 >= first_lines_.size() || uint64_t{first_lines_[chunk]} + ordinal >= traces_)
      return corrupt();
    std::memcpy(ids[first_lines_[chunk] + ordinal].bytes.data(), entry, 16);
  }
  uint32_t number = 0;
  TraceLine line;
  for (size_t block = 0; block + 1 < block_offsets_.size(); ++block) {
    TRY_ASSIGN(const std::string raw, line_block(block));
    base::ByteReader reader(raw);
    line.start = 0;
    while (!reader.done()) {
      if (!read_line(reader, line) || number >= traces_) return corrupt();
      while (line.chunk + 2 < first_lines_.size() && first_lines_[line.chunk + 1] <= number) ++line.chunk;
      line.ordinal = number - first_lines_[line.chunk];
      line.id = ids[number++];
      visit(line);
    }
  }
  return {};
}

}  // namespace testmesh::store
