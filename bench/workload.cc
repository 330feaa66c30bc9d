#include "bench/workload.h"

#include <cmath>
#include <cstring>

namespace testmesh::bench {
namespace {

constexpr uint32_t kFailingPerThousand = 10;
constexpr size_t kDurationFactors = 4096;
constexpr double kDurationSpread = 0.45;  // sigma of ln(duration)

// Two lower-case digits for every byte.
struct HexPairs {
  std::array<std::array<char, 2>, 256> pairs{};
  constexpr HexPairs() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (size_t i = 0; i < 256; ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  }
};
constexpr HexPairs kHex;

void put_hex(char* out, uint64_t value, unsigned width) {
  for (; width >= 2; width -= 2, out += 2, value >>= 8) std::memcpy(out, kHex.pairs[value & 255].data(), 2);
  if (width != 0) *out = kHex.pairs[value & 15][1];
}

void put_decimal(char* out, uint32_t value, unsigned width) {
  while (width-- > 0) {
    out[width] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

void put_varint(char* out, uint32_t value, unsigned width) {
  for (unsigned i = 0; i + 1 < width; ++i, value >>= 7) out[i] = static_cast<char>((value & 127) | 128);
  out[width - 1] = static_cast<char>(value & 127);
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}

size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 128; value >>= 7) ++size;
  return size;
}

uint64_t nonzero(uint64_t value) { return value | (value == 0); }

void put64(char* out, uint64_t value) { std::memcpy(out, &value, 8); }

}  // namespace

RequestBuilder::RequestBuilder(const World& world)
    : world_(world), buffers_(world.groups.size()), pods_(world.services.size()) {
  // Pieces point into it, so it must not move while a request is laid out: at
  // most two frames of up to 12 bytes a group.
  frames_.reserve(24 * (world.groups.size() + world.services.size()));
}

void RequestBuilder::clear(Random& random) {
  for (std::string& buffer : buffers_) buffer.clear();
  uint64_t draw = random.next();
  for (size_t i = 0; i < pods_.size(); ++i, draw = draw * 6364136223846793005ULL + 1) {
    pods_[i] = static_cast<uint8_t>((draw >> 33) % world_.services[i].pods.size());
  }
  span_count_ = 0;
}

size_t RequestBuilder::lay_out(std::vector<std::string_view>& pieces) {
  constexpr char kResourceSpans = 0x0a;  // ExportTraceServiceRequest.resource_spans
  constexpr char kScopeSpans = 0x12;     // ResourceSpans.scope_spans
  frames_.clear();
  size_t total = 0;
  const auto frame = [&](char tag, size_t length) {
    const size_t at = frames_.size();
    frames_ += tag;
    append_varint(frames_, length);
    pieces.emplace_back(frames_.data() + at, frames_.size() - at);
    total += frames_.size() - at;
  };
  // Groups of a service follow each other in the world's list.
  for (size_t first = 0, end = 0; first < world_.groups.size(); first = end) {
    const uint16_t service = world_.groups[first].service;
    size_t scopes_length = 0;
    for (end = first; end < world_.groups.size() && world_.groups[end].service == service; ++end) {
      if (buffers_[end].empty()) continue;
      const size_t length = world_.groups[end].scope.size() + buffers_[end].size();
      scopes_length += 1 + varint_size(length) + length;
    }
    if (scopes_length == 0) continue;
    const std::string& resource = world_.services[service].pods[pods_[service]];
    frame(kResourceSpans, resource.size() + scopes_length);
    pieces.push_back(resource);
    total += resource.size();
    for (size_t group = first; group < end; ++group) {
      const std::string& spans = buffers_[group];
      if (spans.empty()) continue;
      const std::string& scope = world_.groups[group].scope;
      frame(kScopeSpans, scope.size() + spans.size());
      pieces.push_back(scope);
      pieces.push_back(spans);
      total += scope.size() + spans.size();
    }
  }
  return total;
}

TraceWriter::TraceWriter(const World& world) : world_(world) {
  for (size_t i = 0; i < world.flows.size(); ++i) {
    flow_draw_.insert(flow_draw_.end(), world.flows[i].weight, static_cast<uint16_t>(i));
  }
  // Log-normal factors from Box and Muller, fixed seed: part of the world.
  Random random(7);
  const auto uniform = [&] { return (static_cast<double>(random.next() >> 11) + 0.5) / 9007199254740992.0; };
  for (size_t i = 0; i < kDurationFactors; ++i) {
    const double normal = std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform());
    duration_factors_.push_back(static_cast<uint32_t>(std::exp(kDurationSpread * normal) * 65536));
  }
}

uint64_t TraceWriter::stretch(uint32_t nanoseconds) {
  const uint64_t draw = random_.next();
  const uint64_t scaled = (uint64_t{nanoseconds} * duration_factors_[draw % kDurationFactors]) >> 16;
  return scaled + ((draw >> 40) & 1023);  // a clock's lowest digits are never round
}

uint32_t TraceWriter::write(const TraceOrder& order, uint32_t part, uint32_t parts, RequestBuilder& request) {
  random_ = Random(order.seed);
  request_ = &request;
  part_ = part;
  parts_ = parts;
  written_ = 0;
  trace_id_ = {nonzero(random_.next()), random_.next()};
  for (uint64_t& value : values_) value = random_.next();
  const uint64_t draw = random_.next();
  const Flow& flow = world_.flows[flow_draw_[(draw & 0xffffffff) % flow_draw_.size()]];
  failing_ = (draw >> 32) % 1000 < kFailingPerThousand;
  write_step(flow, 0, 0, order.start);
  return written_;
}

uint64_t TraceWriter::write_children(const Flow& flow, uint32_t from, uint32_t to, uint64_t parent_id,
                                     uint64_t start) {
  uint64_t now = start;             // when the next sibling in sequence may start
  uint64_t previous_start = start;  // of the sibling before
  for (uint32_t child = from; child < to; child = flow.steps[child].subtree_end) {
    const Step& step = flow.steps[child];
    if (step.chance != 255 && (random_.next() >> 56) >= step.chance) continue;
    uint32_t times = step.repeat_low;
    if (step.repeat_high > step.repeat_low) times += random_.below(step.repeat_high - step.repeat_low + 1U);
    for (uint32_t i = 0; i < times; ++i) {
      const uint64_t gap = 4000 + (random_.next() & 16383);
      const uint64_t child_start = (step.beside_previous ? previous_start : now) + gap;
      const uint64_t child_end = write_step(flow, child, parent_id, child_start);
      previous_start = child_start;
      if (child_end > now) now = child_end;
    }
  }
  return now;
}

uint64_t TraceWriter::write_step(const Flow& flow, uint32_t index, uint64_t parent_id, uint64_t start) {
  const Step& step = flow.steps[index];
  const SpanTemplate& form = failing_ && step.fails ? step.bad : step.good;
  const uint64_t span_id = nonzero(random_.next());
  const uint64_t fresh = random_.next();
  const bool mine = parts_ == 1 || world_.groups[step.group].service % parts_ == part_;
  std::string* buffer = nullptr;
  size_t at = 0;
  if (mine) {
    buffer = &request_->spans_of(step.group);
    at = buffer->size();
    buffer->append(form.bytes);
    char* bytes = buffer->data() + at;
    put64(bytes + form.trace_id_at, trace_id_[0]);
    put64(bytes + form.trace_id_at + 8, trace_id_[1]);
    put64(bytes + form.span_id_at, span_id);
    if (form.parent_id_at != 0) put64(bytes + form.parent_id_at, parent_id);
    put64(bytes + form.start_at, start);
    fill(bytes, form, fresh);
    request_->count_span();
    ++written_;
  }
  const uint64_t inner = start + stretch(step.before_ns);
  const uint64_t last_child_end = write_children(flow, index + 1, step.subtree_end, span_id, inner);
  const uint64_t end = last_child_end + stretch(step.after_ns);
  if (mine) {  // the buffer may have grown, and moved, meanwhile
    char* bytes = buffer->data() + at;
    put64(bytes + form.end_at, end);
    if (form.event_time_at != 0) put64(bytes + form.event_time_at, inner);
  }
  return end;
}

void TraceWriter::fill(char* bytes, const SpanTemplate& form, uint64_t fresh) const {
  for (const Patch& patch : form.patches) {
    char* out = bytes + patch.offset;
    const uint64_t value = (patch.source == kFreshValue ? fresh : values_[patch.source]) >> patch.shift;
    switch (patch.kind) {
      case PatchKind::kHex:
        put_hex(out, value, patch.width);
        break;
      case PatchKind::kDecimal:
        put_decimal(out, patch.low + static_cast<uint32_t>(((value & 0xffffffff) * patch.range) >> 32),
                    patch.width);
        break;
      case PatchKind::kVarint:
        put_varint(out, patch.low + static_cast<uint32_t>(((value & 0xffffffff) * patch.range) >> 32),
                   patch.width);
        break;
    }
  }
}

}  // namespace testmesh::bench
