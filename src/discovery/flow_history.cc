// The series of a flow: minutes and hours (flow_stats.h).
#include <algorithm>

#include "base/result.h"
#include "discovery/flow_stats.h"

namespace testmesh::discovery {
namespace {

constexpr uint8_t kMinuteForm = 0;
constexpr uint8_t kFoldedForm = 1;
// One hour more than is ever shown, so that giving back the newest trace does
// not ask for minutes that were just folded.
constexpr uint32_t kHoursOfMinutes = 25;

uint32_t hour_of(base::UnixNanos time) { return static_cast<uint32_t>(time / kHourNanos); }
uint8_t minute_of(base::UnixNanos time) { return static_cast<uint8_t>(time / kMinuteNanos % 60); }

}  // namespace

void SeriesBucket::add(uint64_t duration, bool error) {
  ++count;
  errors += error ? 1 : 0;
  sum_low += duration;
  sum_high += sum_low < duration ? 1 : 0;
  slowest.add(duration);
}

bool SeriesBucket::remove(uint64_t duration, bool error) {
  if (count == 0 || sum() < duration || (error && errors == 0)) return false;
  --count;
  errors -= error ? 1 : 0;
  set_sum(sum() - duration);
  slowest.remove(duration);
  return true;
}

void SeriesBucket::merge(const SeriesBucket& other) {
  count += other.count;
  errors += other.errors;
  set_sum(sum() + other.sum());
  slowest.merge(other.slowest);
}

void SeriesBucket::encode(std::string& out) const {
  put_varint(out, count);
  put_varint(out, errors);
  put_uint128(out, sum());
  slowest.encode(out);
}

void SeriesBucket::decode(ByteReaderView& in) {
  count = in.varint();
  errors = in.varint();
  set_sum(in.uint128());
  slowest.decode(in);
  if (count == 0 || count > 1ULL << 62 || errors > count || slowest.best() == nullptr ||
      slowest.items().size() > count) {
    in.fail();
  }
}

SeriesBucket& HourSeries::bucket(uint8_t minute) {
  if (folded) return total;
  auto place = minutes.end();  // nearly always the last one
  while (place != minutes.begin() && std::prev(place)->minute >= minute) --place;
  if (place == minutes.end() || place->minute != minute) place = minutes.insert(place, Minute{minute, {}});
  return place->bucket;
}

SeriesBucket HourSeries::sum() const {
  if (folded) return total;
  SeriesBucket sum;
  for (const Minute& minute : minutes) sum.merge(minute.bucket);
  return sum;
}

void HourSeries::drop_empty_minutes() {
  std::erase_if(minutes, [](const Minute& minute) { return minute.bucket.count == 0; });
}

void HourSeries::fold() {
  if (folded) return;
  total = sum();
  folded = true;
  minutes = {};
}

void HourSeries::merge(HourSeries other) {
  if (folded || other.folded) {
    fold();
    other.fold();
    total.merge(other.total);
    return;
  }
  for (const Minute& minute : other.minutes) bucket(minute.minute).merge(minute.bucket);
}

void HourSeries::encode(std::string& out) const {
  if (empty()) return;
  if (folded) {
    out += static_cast<char>(kFoldedForm);
    total.encode(out);
    return;
  }
  out += static_cast<char>(kMinuteForm);
  put_varint(out, minutes.size());
  for (const Minute& minute : minutes) {
    out += static_cast<char>(minute.minute);
    minute.bucket.encode(out);
  }
}

void HourSeries::decode(ByteReaderView& in) {
  folded = false;
  total = {};
  minutes.clear();
  switch (in.byte()) {
    case kFoldedForm:
      folded = true;
      total.decode(in);
      return;
    case kMinuteForm:
      break;
    default:
      return in.fail();
  }
  const uint64_t count = in.varint();
  if (count == 0 || count > 60) return in.fail();
  minutes.reserve(count);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const uint8_t minute = in.byte();
    if (minute > 59 || (i > 0 && minute <= minutes.back().minute)) return in.fail();
    minutes.push_back({minute, {}});
    minutes.back().bucket.decode(in);
  }
}

void FlowHistory::add(base::UnixNanos start, uint64_t duration, bool error) {
  Open& hour = open(hour_of(start));
  hour.series.bucket(minute_of(start)).add(duration, error);
  hour.change = Change::kTraces;
}

bool FlowHistory::remove(base::UnixNanos start, uint64_t duration, bool error) {
  Open& hour = open(hour_of(start));
  const bool held = hour.series.bucket(minute_of(start)).remove(duration, error);
  hour.series.drop_empty_minutes();
  hour.change = Change::kTraces;
  return held;
}

void FlowHistory::merge(const FlowHistory& other) {
  other.for_each([&](uint32_t hour, const HourSeries& series) {
    if (series.empty()) return;
    Open& mine = open(hour);
    mine.series.merge(series);
    mine.change = Change::kTraces;
  });
}

FlowHistory::Open& FlowHistory::open(uint32_t hour) {
  if (!open_.empty() && open_.front().hour == hour) return open_.front();
  auto found = std::find_if(open_.begin(), open_.end(), [&](const Open& open) { return open.hour == hour; });
  if (found == open_.end()) {
    if (open_.size() == kMaxOpen) {
      pack(open_.back());
      open_.pop_back();
    }
    Open opened{.hour = hour, .series = {}};
    const auto packed = std::ranges::lower_bound(packed_, hour, {}, &Packed::hour);
    if (packed != packed_.end() && packed->hour == hour) {
      const auto index = static_cast<size_t>(packed - packed_.begin());
      unpack(index, opened.series);
      opened.touched = packed->touched;
      opened.change = packed->change;
      set_bytes(index, {});
      packed_.erase(packed);
    }
    open_.push_back(std::move(opened));
    found = std::prev(open_.end());
  }
  std::rotate(open_.begin(), found, std::next(found));
  return open_.front();
}

void FlowHistory::pack(Open& open) {
  std::string bytes;
  open.series.encode(bytes);
  const auto place = std::ranges::lower_bound(packed_, open.hour, {}, &Packed::hour);
  const auto index = static_cast<size_t>(place - packed_.begin());
  const auto offset = place == packed_.end() ? static_cast<uint32_t>(bytes_.size()) : place->offset;
  packed_.insert(place, Packed{open.hour, open.touched, offset, open.change});
  set_bytes(index, bytes);
}

void FlowHistory::pack_all() {
  for (Open& open : open_) pack(open);
  open_.clear();
}

void FlowHistory::unpack(size_t index, HourSeries& series) const {
  const std::string_view bytes = bytes_of(packed_[index]);
  if (bytes.empty()) {
    series = {};
    return;
  }
  ByteReaderView in(bytes);
  series.decode(in);
  CHECK(in.ok());  // our own bytes, or checked by load()
}

std::string_view FlowHistory::bytes_of(const Packed& packed) const {
  const Packed* const next = &packed + 1;
  const size_t end = next == packed_.data() + packed_.size() ? bytes_.size() : next->offset;
  return std::string_view(bytes_).substr(packed.offset, end - packed.offset);
}

void FlowHistory::set_bytes(size_t index, std::string_view bytes) {
  const size_t old_size = bytes_of(packed_[index]).size();
  bytes_.replace(packed_[index].offset, old_size, bytes);
  CHECK(bytes_.size() <= UINT32_MAX);
  for (size_t i = index + 1; i < packed_.size(); ++i) {
    packed_[i].offset = static_cast<uint32_t>(packed_[i].offset + bytes.size() - old_size);
  }
}

void FlowHistory::fold_old(uint32_t now_hour) {
  uint32_t newest = 0;
  const auto consider = [&](uint32_t hour) {
    if (hour <= now_hour + 1) newest = std::max(newest, hour);
  };
  for (const Open& one : open_) consider(one.hour);
  for (const Packed& one : packed_) consider(one.hour);
  const uint32_t oldest = newest > kHoursOfMinutes ? newest - kHoursOfMinutes : 0;
  for (Open& one : open_) {
    if (one.hour >= oldest || one.series.folded || one.series.empty()) continue;
    one.series.fold();
    one.change = std::max(one.change, Change::kForm);
  }
  std::string bytes;
  for (size_t i = 0; i < packed_.size() && packed_[i].hour < oldest; ++i) {
    const std::string_view old = bytes_of(packed_[i]);
    if (old.empty() || old.front() == static_cast<char>(kFoldedForm)) continue;
    HourSeries series;
    unpack(i, series);
    series.fold();
    bytes.clear();
    series.encode(bytes);
    set_bytes(i, bytes);
    packed_[i].change = std::max(packed_[i].change, Change::kForm);
  }
}

void FlowHistory::drop_gone() {
  std::vector<Packed> kept;
  const auto gone = [&](const Packed& packed) { return bytes_of(packed).empty(); };
  if (std::ranges::none_of(packed_, gone)) return;
  for (const Packed& packed : packed_) {
    if (!gone(packed)) kept.push_back(packed);
  }
  packed_ = std::move(kept);  // what went had no bytes: offsets stand
}

bool FlowHistory::expire(uint32_t oldest) {
  pack_all();
  bool any = false;
  for (size_t i = 0; i < packed_.size() && packed_[i].hour < oldest; ++i) {
    // kTraces: not yet written, it changed just now.
    if (packed_[i].change == Change::kTraces || packed_[i].touched >= oldest) continue;
    set_bytes(i, {});
    packed_[i].change = Change::kForm;
    any = true;
  }
  return any;
}

void FlowHistory::put_document(std::string& out, uint32_t touched, std::string_view body) {
  out += static_cast<char>(kHourVersion);
  put_varint(out, touched);
  out += body;
}

bool FlowHistory::load(uint32_t hour, std::string_view document, bool& newer) {
  ByteReaderView in(document);
  const uint8_t version = in.byte();
  newer = in.ok() && version > kHourVersion;
  const uint64_t touched = in.varint();
  if (version != kHourVersion || touched > UINT32_MAX) return false;
  Open loaded{.hour = hour, .touched = static_cast<uint32_t>(touched), .series = {}};
  loaded.series.decode(in);
  if (!in.ok() || !in.at_end()) return false;
  const bool met = std::ranges::any_of(open_, [&](const Open& one) { return one.hour == hour; }) ||
                   std::ranges::binary_search(packed_, hour, {}, &Packed::hour);
  if (!met) {
    pack(loaded);
    return true;
  }
  Open& mine = open(hour);  // two books became one
  mine.series.merge(std::move(loaded.series));
  mine.touched = std::max(mine.touched, loaded.touched);
  mine.change = Change::kTraces;
  return true;
}

size_t FlowHistory::heap_bytes() const {
  size_t bytes = open_.capacity() * sizeof(Open) + packed_.capacity() * sizeof(Packed) + bytes_.capacity();
  for (const Open& one : open_) bytes += one.series.minutes.capacity() * sizeof(HourSeries::Minute);
  return bytes;
}

}  // namespace testmesh::discovery
