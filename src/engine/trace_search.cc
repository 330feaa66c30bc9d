#include "engine/trace_search.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/varint.h"
#include "discovery/names.h"
#include "encoding/row.h"
#include "engine/engine.h"
#include "otlp/convert.h"

namespace testmesh::engine {
namespace {

using encoding::Row;
using encoding::ShapeAttribute;
using encoding::ShapeEntry;
using encoding::ValueType;
using store::StatusFilter;
using store::TraceLine;

constexpr size_t kMaxOpenAnalysed = 5'000;  // more open traces than this are left to later searches
constexpr size_t kMaxTracesDecoded = 200'000;

// ---- an attribute's value against a row ----

bool equals_number(const model::Value& wanted, ValueType type, std::string_view content) {
  double number = 0;
  if (type == ValueType::kInt) {
    base::ByteReader reader(content);
    const auto integer = static_cast<int64_t>(reader.varint());
    if (const auto* same = std::get_if<int64_t>(&wanted.data)) return *same == integer;
    number = static_cast<double>(integer);
  } else if (type == ValueType::kDouble && content.size() == 8) {
    number = base::load_fixed<double>(content.data());
  } else {
    return false;
  }
  if (const auto* integer = std::get_if<int64_t>(&wanted.data))
    return static_cast<double>(*integer) == number;
  if (const auto* real = std::get_if<double>(&wanted.data)) return *real == number;
  return false;
}

bool equals(const model::Value& wanted, ValueType type, std::string_view content) {
  if (const auto* text = std::get_if<std::string>(&wanted.data))
    return type == ValueType::kString && content == *text;
  if (const auto* truth = std::get_if<bool>(&wanted.data))
    return type == ValueType::kBool && content.size() == 1 && (content[0] != 0) == *truth;
  return equals_number(wanted, type, content);
}

bool equals_model(const model::Value& wanted, const model::Value& value) {
  const auto as_double = [](const model::Value& v) -> std::optional<double> {
    if (const auto* i = std::get_if<int64_t>(&v.data)) return static_cast<double>(*i);
    if (const auto* d = std::get_if<double>(&v.data)) return *d;
    return std::nullopt;
  };
  if (wanted == value) return true;
  const auto a = as_double(wanted), b = as_double(value);
  return a && b && *a == *b && wanted.data.index() != value.data.index();
}

// What a question asks of single rows, with answers per resource remembered.
class RowFilter {
 public:
  RowFilter(std::optional<std::string> service, std::optional<std::string> operation,
            std::optional<store::AttributeEquals> attribute, store::SpanPredicate predicate)
      : service_(std::move(service)),
        operation_(std::move(operation)),
        attribute_(std::move(attribute)),
        predicate_(std::move(predicate)) {}

  bool asks_spans() const { return attribute_.has_value() || predicate_; }
  // The predicate asked for the end of the search.
  bool stopped() const { return stopped_; }

  // The operation as the span's own name; a templated one is the caller's to
  // compare.
  bool matches(const model::TraceId& trace, const store::Partition& partition, const Row& row,
               bool operation_known) {
    if (stopped_) return false;
    if (row.shape == encoding::kGenericShape) return matches_decoded(trace, partition, row, operation_known);
    if (!row_matches(partition, row, operation_known)) return false;
    if (!predicate_) return true;
    const auto spans = decode_rows(trace, {{&partition, &row, -1, {}}});
    return spans && !spans->empty() && says_yes(spans->front());
  }

 private:
  bool row_matches(const store::Partition& partition, const Row& row, bool operation_known) {
    const encoding::Dictionary& dictionary = partition.dictionary;
    if (service_ && dictionary.resource(row.resource).service != *service_) return false;
    if (operation_ && !operation_known && !name_is(dictionary, row)) return false;
    if (!attribute_) return true;
    return attribute_->resource ? resource_matches(partition, row.resource)
                                : attribute_matches(dictionary, row);
  }

  bool says_yes(const model::Span& span) {
    const store::SpanAnswer answer = predicate_(span);
    stopped_ = answer == store::SpanAnswer::kStop;
    return answer == store::SpanAnswer::kYes;
  }

  bool name_is(const encoding::Dictionary& dictionary, const Row& row) const {
    const ShapeEntry& shape = dictionary.shape(row.shape);
    if (!shape.name_as_value) return shape.name == *operation_;
    encoding::ValueCursor cursor(dictionary, shape, row.tail);
    encoding::RowValue value;
    if (cursor.next(value) && value.attribute == 0) {
      std::string scratch;
      return encoding::value_text(dictionary, shape.attributes[0], value.encoded, scratch) == *operation_;
    }
    return shape.attributes[0].default_content == *operation_;
  }

  bool attribute_matches(const encoding::Dictionary& dictionary, const Row& row) const {
    const ShapeEntry& shape = dictionary.shape(row.shape);
    for (uint32_t i = shape.first_attribute(); i < shape.attributes.size(); ++i) {
      const ShapeAttribute& attribute = shape.attributes[i];
      if (dictionary.key(attribute.key).name != attribute_->key) continue;
      encoding::ValueCursor cursor(dictionary, shape, row.tail);
      encoding::RowValue value;
      while (cursor.next(value)) {
        if (value.attribute < i) continue;
        if (value.attribute > i) break;
        std::string content;
        return encoding::append_value_content(dictionary, attribute, value.encoded, content) &&
               equals(attribute_->value, attribute.type, content);
      }
      return equals(attribute_->value, attribute.type, attribute.default_content);
    }
    return false;
  }

  bool resource_matches(const store::Partition& partition, uint32_t resource) {
    const auto [found, added] = resources_.try_emplace(uint64_t{partition.id} << 32 | resource, false);
    if (added) {
      std::string bytes;
      Row row;
      row.shape = encoding::kGenericShape;
      row.resource = resource;
      // A span with nothing in it but this resource, read as any other.
      static const std::string kEmptyTail = {encoding::kGenericInlineScope, 0, 0};
      row.id.bytes[0] = 1;
      row.tail = kEmptyTail;
      if (encoding::append_traces_data(partition.dictionary, {{1}}, row, bytes)) {
        const auto decoded = otlp::decode_protobuf(bytes);
        if (decoded && !decoded->spans.empty())
          found->second = has(decoded->spans.front().resource->attributes);
      }
    }
    return found->second;
  }

  bool matches_decoded(const model::TraceId& trace, const store::Partition& partition, const Row& row,
                       bool operation_known) {
    const auto spans = decode_rows(trace, {{&partition, &row, -1, {}}});
    if (!spans || spans->empty()) return false;
    const model::Span& span = spans->front();
    if (service_ && model::service_name(*span.resource) != *service_) return false;
    if (operation_ && !operation_known && span.name != *operation_) return false;
    if (attribute_ && !has(attribute_->resource ? span.resource->attributes : span.attributes)) return false;
    return !predicate_ || says_yes(span);
  }

  bool has(const std::vector<model::KeyValue>& attributes) const {
    const model::Value* value = model::find_attribute(attributes, attribute_->key);
    return value && equals_model(attribute_->value, *value);
  }

  std::optional<std::string> service_, operation_;
  std::optional<store::AttributeEquals> attribute_;
  store::SpanPredicate predicate_;
  bool stopped_ = false;
  std::unordered_map<uint64_t, bool> resources_;
};

// ---- pages: newest start first, then id ----

struct Place {
  base::UnixNanos start = 0;
  std::string id;  // bytes that tell equals apart
  friend auto operator<=>(const Place&, const Place&) = default;
};

std::string to_cursor(const Place& place) {
  return std::to_string(place.start) + "-" +
         base::to_hex({reinterpret_cast<const uint8_t*>(place.id.data()), place.id.size()});
}

base::Result<std::optional<Place>> from_cursor(std::string_view cursor, size_t id_size) {
  if (cursor.empty()) return std::nullopt;
  Place place;
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), place.start);
  place.id.resize(id_size);
  const auto at = static_cast<size_t>(end - cursor.data());
  if (error != std::errc{} || at >= cursor.size() || cursor[at] != '-' ||
      !base::from_hex(cursor.substr(at + 1), {reinterpret_cast<uint8_t*>(place.id.data()), id_size}))
    return base::fail(base::ErrorCode::kInvalidArgument, "the cursor is not one this server gave");
  return place;
}

// The newest `limit` behind the cursor, of all that are offered.
template <typename T>
class Newest {
 public:
  Newest(size_t limit, std::optional<Place> after) : limit_(limit), after_(std::move(after)) {}
  bool wants(const Place& place) const {
    if (after_ && place >= *after_) return false;
    return kept_.size() <= limit_ || place > kept_.begin()->first;
  }
  void add(Place place, T value) {
    kept_.emplace(std::move(place), std::move(value));
    if (kept_.size() > limit_ + 1) kept_.erase(kept_.begin());
  }
  // Newest first; the cursor for what follows, when more was kept than fits.
  std::optional<std::string> take(std::vector<T>& out) {
    std::optional<std::string> next;
    if (kept_.size() > limit_) {
      kept_.erase(kept_.begin());
      if (!kept_.empty()) next = to_cursor(kept_.begin()->first);
    }
    for (auto it = kept_.rbegin(); it != kept_.rend(); ++it) out.push_back(std::move(it->second));
    return next;
  }

 private:
  size_t limit_;
  std::optional<Place> after_;
  std::map<Place, T> kept_;
};

std::string id_bytes(const model::TraceId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), 16};
}

}  // namespace

// One pass over a workspace's traces, newest closing first.
class TraceSearch {
 public:
  TraceSearch(Engine& engine, const model::WorkspaceId& id)
      : engine_(engine), id_(id), shared_(engine.workspace(id)) {}

  // One stored part of a trace.
  struct Stored {
    Shard& shard;
    const std::shared_ptr<store::Partition>& partition;
    const TraceLine& line;  // speaks for the whole trace
    const store::TraceKind& kind;
    bool newest;  // false: an older part of a trace already given
    const std::function<base::Result<store::Record>()>& record;  // of this part
  };
  // Return false to stop.
  using OnStored = std::function<base::Result<bool>(const Stored&)>;
  using OnOpen = std::function<base::Result<bool>(TraceRows)>;

  // `skipped_open` is set when there were too many open traces to look at.
  base::Result<void> scan(const OnOpen& on_open, const OnStored& on_stored, bool& skipped_open) {
    for (auto& shard : engine_.shards_) {
      TRY_ASSIGN(const bool go_on, scan_shard(*shard, on_open, on_stored, skipped_open));
      if (!go_on) break;
    }
    return {};
  }

  Workspace& shared() { return *shared_; }

 private:
  base::Result<bool> scan_shard(Shard& shard, const OnOpen& on_open, const OnStored& on_stored,
                                bool& skipped_open) {
    SpokenFor spoken_for;
    std::vector<std::pair<std::shared_ptr<store::Partition>, std::vector<store::SealedSegment>>> sealed;
    {
      const auto lock = shard.lock_for_read();
      ShardWorkspace* here = shard.workspace(id_);
      if (!here) return true;
      std::vector<model::TraceId> open;
      shard.for_each_open(*here, [&](const OpenTrace& trace) {
        if (open.size() <= kMaxOpenAnalysed) open.push_back(trace.id);
      });
      if (open.size() > kMaxOpenAnalysed) {
        skipped_open = true;
      } else {
        for (const model::TraceId& id : open) {
          TRY_ASSIGN(std::vector<TracePart> parts, shard.parts(*here, id));
          TraceRows rows = gather_rows(shard, *here, std::move(parts));
          rows.summary.trace_id = id;
          if (parts_stored(rows)) spoken_for[id] = std::nullopt;
          TRY_ASSIGN(const bool go_on, on_open(std::move(rows)));
          if (!go_on) return false;
        }
      }
      for (auto it = here->partitions.rbegin(); it != here->partitions.rend(); ++it) {
        ShardPartition& partition = *it->second;
        const auto& lines = partition.writer.lines();
        ChunkCache cache;
        for (size_t i = lines.size(); i-- > 0;) {
          TRY_ASSIGN(const bool go_on,
                     visit(shard, partition.partition, lines[i], spoken_for, on_stored, [&](uint32_t chunk) {
                       return cache.get(chunk, [&] { return partition.writer.chunk(chunk); });
                     }));
          if (!go_on) return false;
        }
        sealed.emplace_back(partition.partition, partition.partition->segments());
      }
    }
    for (const auto& [partition, segments] : sealed) {
      for (auto it = segments.rbegin(); it != segments.rend(); ++it) {
        if (it->shard != shard.index()) continue;
        std::vector<TraceLine> lines;
        TRY(it->segment->for_each_line([&](const TraceLine& line) { lines.push_back(line); }));
        ChunkCache cache;
        for (size_t i = lines.size(); i-- > 0;) {
          TRY_ASSIGN(const bool go_on,
                     visit(shard, partition, lines[i], spoken_for, on_stored, [&](uint32_t chunk) {
                       return cache.get(chunk, [&] { return it->segment->chunk(chunk); });
                     }));
          if (!go_on) return false;
        }
      }
    }
    return true;
  }

  struct ChunkCache {
    uint32_t number = UINT32_MAX;
    std::shared_ptr<const store::Chunk> chunk;
    template <typename Read>
    base::Result<std::shared_ptr<const store::Chunk>> get(uint32_t wanted, const Read& read) {
      if (wanted != number) {
        TRY_ASSIGN(chunk, read());
        number = wanted;
      }
      return chunk;
    }
  };

  // Traces that came in parts: the line that speaks for each; none: it is open
  // and was given with all its parts.
  struct Speaker {
    TraceLine line;
    const store::TraceKind* kind;
  };
  using SpokenFor = std::unordered_map<model::TraceId, std::optional<Speaker>>;

  static bool parts_stored(const TraceRows& rows) { return rows.line.has_value(); }

  template <typename ChunkOf>
  base::Result<bool> visit(Shard& shard, const std::shared_ptr<store::Partition>& partition,
                           const TraceLine& line, SpokenFor& spoken_for, const OnStored& on_stored,
                           const ChunkOf& chunk_of) {
    const std::function<base::Result<store::Record>()> record = [&]() -> base::Result<store::Record> {
      TRY_ASSIGN(const std::shared_ptr<const store::Chunk> chunk, chunk_of(line.chunk));
      return chunk->record(partition->dictionary, line.ordinal);
    };
    const store::TraceKind& kind = partition->kinds(shard.index())[line.kind];
    if (!spoken_for.empty()) {
      if (const auto speaker = spoken_for.find(line.id); speaker != spoken_for.end()) {
        if (!speaker->second) return true;
        return on_stored({shard, partition, speaker->second->line, *speaker->second->kind, false, record});
      }
    }
    if (line.flags & TraceLine::kHasOlder) spoken_for[line.id] = Speaker{line, &kind};
    return on_stored({shard, partition, line, kind, true, record});
  }

  Engine& engine_;
  const model::WorkspaceId id_;
  std::shared_ptr<Workspace> shared_;
};

namespace {

// Whether traces of a kind have such a service and operation: yes, no, or look
// inside.
enum class Verdict : uint8_t { kNo, kYes, kLook };

class KindFilter {
 public:
  KindFilter(const std::optional<std::string>& service, const std::optional<std::string>& operation)
      : service_(service), operation_(operation) {
    if (operation) templated_ = discovery::template_span_name(*operation);
  }
  Verdict operator()(const store::TraceKind& kind, bool unknown) {
    if (!service_ && !operation_) return Verdict::kYes;
    if (unknown) return Verdict::kLook;
    const auto [found, added] = known_.try_emplace(&kind, Verdict::kNo);
    if (!added) return found->second;
    for (const store::ServiceOperations& entry : kind.services) {
      if (service_ && entry.service != *service_) continue;
      if (!operation_ || has(entry, *operation_)) return found->second = Verdict::kYes;
      // Names with ids in them are kept as their template alone.
      if (has(entry, templated_)) found->second = Verdict::kLook;
    }
    return found->second;
  }

 private:
  static bool has(const store::ServiceOperations& entry, const std::string& operation) {
    return std::ranges::find(entry.operations, operation) != entry.operations.end();
  }
  std::optional<std::string> service_, operation_;
  std::string templated_;
  std::unordered_map<const store::TraceKind*, Verdict> known_;
};

StatusFilter status_of(const store::Partition& partition, const Row& row) {
  if (encoding::has_error(partition.dictionary, row)) return StatusFilter::kError;
  if (row.shape != encoding::kGenericShape)
    return partition.dictionary.shape(row.shape).status == static_cast<int32_t>(model::StatusCode::kOk)
               ? StatusFilter::kOk
               : StatusFilter::kUnset;
  const auto spans = decode_rows({{1}}, {{&partition, &row, -1, {}}});
  return spans && !spans->empty() && spans->front().status == model::StatusCode::kOk ? StatusFilter::kOk
                                                                                     : StatusFilter::kUnset;
}

// A span's operation as discovery names it, from the row alone.
std::string templated_name(const store::Partition& partition, const Row& row) {
  const auto spans = decode_rows({{1}}, {{&partition, &row, -1, {}}});
  if (!spans || spans->empty()) return {};
  std::vector<std::string> texts;
  const discovery::SpanNames names = discovery::names_of(discovery::describe(spans->front(), texts));
  return names.endpoint.empty() ? names.operation : names.endpoint;
}

bool in_range(const store::TraceQuery& query, base::UnixNanos start, uint64_t duration, bool error,
              bool test) {
  if (query.since && start < *query.since) return false;
  if (query.until && start >= *query.until) return false;
  if (query.min_duration_ns && duration < *query.min_duration_ns) return false;
  if (query.max_duration_ns && duration > *query.max_duration_ns) return false;
  if (query.status && (*query.status == StatusFilter::kError) != error) return false;
  return !query.test || *query.test == test;
}

}  // namespace

base::Result<store::TracePage> Engine::search_traces(const model::WorkspaceId& id,
                                                     const store::TraceQuery& query) {
  TRY_ASSIGN(const std::optional<Place> after, from_cursor(query.cursor, 16));
  TraceSearch search(*this, id);
  const discovery::FlowCatalog& catalog = search.shared().catalog;
  std::shared_ptr<const discovery::FlowIdentity> wanted;
  if (query.flow) {
    wanted = catalog.survivor(*query.flow);
    if (!wanted) return store::TracePage{};
  }
  const auto survivor = [&](const store::TraceKind& kind) {
    return kind.flow ? catalog.survivor(*kind.flow) : nullptr;
  };
  store::TracePage page;
  Newest<store::TraceSummary> newest(query.limit, after);
  RowFilter rows(query.service, query.operation, query.attribute, query.matches);
  KindFilter kinds(query.service, query.operation);
  size_t decoded = 0;
  std::unordered_set<model::TraceId> matched_parts;  // of traces in parts: already found
  TRY(search.scan(
      [&](TraceRows trace) -> base::Result<bool> {
        const store::TraceSummary& summary = trace.summary;
        if (wanted || !in_range(query, summary.start, summary.duration_ns, summary.error_count > 0,
                                summary.is_test_generated))
          return true;
        if (query.service || query.operation || rows.asks_spans()) {
          const bool some = std::ranges::any_of(trace.spans, [&](const TraceRows::Span& span) {
            return rows.matches(summary.trace_id, *span.partition, *span.row,
                                query.operation && span.operation == *query.operation);
          });
          if (rows.stopped()) page.total_is_lower_bound = true;
          if (!some) return !rows.stopped();
        }
        ++page.total;
        if (Place place{summary.start, id_bytes(summary.trace_id)}; newest.wants(place))
          newest.add(std::move(place), summary);
        return true;
      },
      [&](const TraceSearch::Stored& stored) -> base::Result<bool> {
        const TraceLine& line = stored.line;
        const bool test = line.flags & TraceLine::kTest;
        if (!in_range(query, line.start, line.duration_ns, line.flags & TraceLine::kError, test)) return true;
        const bool counted = line.flags & TraceLine::kCounted;
        if (wanted && (!counted || survivor(stored.kind) != wanted)) return true;
        const Verdict verdict = kinds(stored.kind, line.kind == store::TraceKinds::kUnknown);
        if (verdict == Verdict::kNo) return true;
        const bool look = verdict == Verdict::kLook || rows.asks_spans();
        if (!stored.newest && (!look || matched_parts.contains(line.id))) return true;
        if (look) {
          if (++decoded > kMaxTracesDecoded) {
            page.total_is_lower_bound = true;
            return false;
          }
          TRY_ASSIGN(const store::Record record, stored.record());
          const bool some = std::ranges::any_of(record.spans, [&](const store::RecordSpan& span) {
            return rows.matches(line.id, *stored.partition, span.row, verdict == Verdict::kYes);
          });
          if (rows.stopped()) page.total_is_lower_bound = true;
          if (!some) return !rows.stopped();
          if (line.flags & TraceLine::kHasOlder) matched_parts.insert(line.id);
        }
        ++page.total;
        Place place{line.start, id_bytes(line.id)};
        if (!newest.wants(place)) return true;
        store::TraceSummary summary;
        summary.trace_id = line.id;
        summary.root_service = stored.kind.root_service;
        summary.root_operation = stored.kind.root_operation;
        summary.start = line.start;
        summary.duration_ns = line.duration_ns;
        summary.span_count = line.spans;
        summary.error_count = line.errors;
        for (const store::ServiceOperations& service : stored.kind.services)
          summary.services.push_back(service.service);
        const auto flow = counted ? survivor(stored.kind) : nullptr;
        if (flow && (test || catalog.exists(flow.get()))) {
          summary.flow_id = flow->id;
          summary.fingerprint = flow->fingerprint;
        }
        summary.complete = true;
        summary.partial = line.flags & TraceLine::kPartial;
        summary.is_test_generated = test;
        newest.add(std::move(place), std::move(summary));
        return true;
      },
      page.total_is_lower_bound));
  page.next_cursor = newest.take(page.traces);
  return page;
}

base::Result<store::SpanPage> Engine::search_spans(const model::WorkspaceId& id,
                                                   const store::SpanQuery& query) {
  TRY_ASSIGN(const std::optional<Place> after, from_cursor(query.cursor, 24));
  store::SpanPage page;
  Newest<model::Span> newest(query.limit, after);
  RowFilter rows(query.service, query.operation, query.attribute, query.matches);
  const auto matches = [&](const model::TraceId& trace, const store::Partition& partition, const Row& row,
                           std::string_view operation) {
    if (query.since && row.start < *query.since) return false;
    if (query.until && row.start >= *query.until) return false;
    if (query.status) {
      const auto status = status_of(partition, row);
      if (status != *query.status) return false;
    }
    return rows.matches(trace, partition, row, query.operation && operation == *query.operation);
  };
  const auto offer = [&](const model::TraceId& trace, const store::Partition& partition, const Row& row,
                         std::string_view operation) -> base::Result<void> {
    if (!matches(trace, partition, row, operation)) return {};
    ++page.total;
    Place place{row.start,
                id_bytes(trace) + std::string(reinterpret_cast<const char*>(row.id.bytes.data()), 8)};
    if (!newest.wants(place)) return {};
    TRY_ASSIGN(std::vector<model::Span> spans, decode_rows(trace, {{&partition, &row, -1, {}}}));
    newest.add(std::move(place), std::move(spans.front()));
    return {};
  };
  const auto offer_rows = [&](const TraceRows& trace) -> base::Result<bool> {
    for (const TraceRows::Span& span : trace.spans)
      TRY(offer(trace.summary.trace_id, *span.partition, *span.row, span.operation));
    if (rows.stopped()) page.total_is_lower_bound = true;
    return !rows.stopped();
  };
  if (query.trace_id) {
    Shard& shard = *shards_[shard_index(*query.trace_id)];
    const auto lock = shard.lock_for_read();
    if (ShardWorkspace* here = shard.workspace(id)) {
      TRY_ASSIGN(std::vector<TracePart> parts, shard.parts(*here, *query.trace_id));
      TraceRows trace = gather_rows(shard, *here, std::move(parts));
      trace.summary.trace_id = *query.trace_id;
      TRY(offer_rows(trace));
    }
  } else {
    TraceSearch search(*this, id);
    KindFilter kinds(query.service, query.operation);
    size_t decoded = 0;
    const auto scanned = search.scan(
        offer_rows,
        [&](const TraceSearch::Stored& stored) -> base::Result<bool> {
          if (query.status == StatusFilter::kError && !(stored.line.flags & TraceLine::kError)) return true;
          const Verdict verdict = kinds(stored.kind, stored.line.kind == store::TraceKinds::kUnknown);
          if (verdict == Verdict::kNo) return true;
          if (++decoded > kMaxTracesDecoded) {
            page.total_is_lower_bound = true;
            return false;
          }
          TRY_ASSIGN(const store::Record record, stored.record());
          for (const store::RecordSpan& span : record.spans) {
            std::string operation;
            if (query.operation) operation = templated_name(*stored.partition, span.row);
            TRY(offer(stored.line.id, *stored.partition, span.row, operation));
          }
          if (rows.stopped()) page.total_is_lower_bound = true;
          return !rows.stopped();
        },
        page.total_is_lower_bound);
    TRY(scanned);
  }
  page.next_cursor = newest.take(page.spans);
  return page;
}

}  // namespace testmesh::engine
