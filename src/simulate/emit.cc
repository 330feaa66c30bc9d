#include "simulate/emit.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>
#include <vector>

#include "base/hex.h"
#include "simulate/attribute_bytes.h"
#include "simulate/random.h"
#include "simulate/shapes.h"

namespace testmesh::simulate {
namespace {

// SpanFlags of the wire: known, remote, sampled.
constexpr uint32_t kSampled = 1, kHasRemote = 0x100, kIsRemote = 0x200;

int64_t clock_offset(const System& system, uint64_t seed, const Service& service, uint32_t number,
                     uint32_t instance) {
  int64_t offset = service.clock_skew.count();
  if (const auto most = system.telemetry.clock_skew.count(); most > 0) {
    const double share = unit(mix(stream_of(seed, Purpose::kClocks, number), instance));
    offset += static_cast<int64_t>((2 * share - 1) * static_cast<double>(most));
  }
  return offset;
}

base::UnixNanos from_signed(int64_t nanos) {
  return static_cast<base::UnixNanos>(std::max<int64_t>(nanos, 0));
}

// gRPC's codes for what HTTP would have said.
int64_t grpc_status(int http_status) {
  switch (http_status) {
    case 0:
    case 503:
      return 14;
    case 404:
      return 5;
    case 200:
      return 0;
    default:
      return 13;
  }
}

}  // namespace

SpanTimes span_times(const System& system, uint64_t seed, base::UnixNanos simulation_start,
                     const TracePlan& plan, uint32_t action) {
  const Action& described = plan.actions[action];
  int64_t start = static_cast<int64_t>(simulation_start) + plan.start.count() + described.start.count();
  int64_t end = start + described.duration.count();
  if (described.service == kTester) return {from_signed(start), from_signed(end)};
  const Service& service = system.phases[plan.phase].services[described.service];
  const int64_t offset =
      clock_offset(system, seed, service, described.service, plan.instances[described.service]);
  start += offset;
  end += offset;
  const int64_t step = service.clock_step.count();
  if (step > 1) start -= ((start % step) + step) % step;
  return {from_signed(start), from_signed(end)};
}

struct SpanWriter::Impl {
  // The spans of one process in one environment.
  struct Group {
    std::string resource;
    std::string schema_url;  // as a field of ResourceSpans
    std::array<std::string, kInstrumentations> scopes;
    std::array<std::string, kInstrumentations> spans;
    bool active = false;
  };

  const System& system;
  const uint64_t seed;
  const base::UnixNanos start;
  std::unordered_map<uint64_t, Shape> shapes;    // by what described them
  std::unordered_map<uint64_t, uint32_t> found;  // group, by process and environment
  std::vector<Group> groups;
  std::vector<uint32_t> active;  // groups with spans, in order of their first
  std::vector<std::string> environments;
  std::vector<std::vector<uint32_t>> environment_of;  // by phase and entry
  size_t spans = 0, bytes = 0;
  std::string body, event, exception, url;

  Impl(const System& described, uint64_t with_seed, base::UnixNanos at)
      : system(described), seed(with_seed), start(at) {
    for (const Phase& phase : system.phases) {
      std::vector<uint32_t>& of = environment_of.emplace_back();
      for (const Entry& entry : phase.entries) {
        const auto known = std::ranges::find(environments, entry.environment);
        of.push_back(static_cast<uint32_t>(known - environments.begin()));
        if (known == environments.end()) environments.push_back(entry.environment);
      }
    }
  }

  const Shape& shape(const Phase& phase, const TracePlan& plan, const Action& action);
  Group& group(const Phase& phase, const TracePlan& plan, const Action& action);
  void add(const TracePlan& plan, uint32_t position);
  void add_url(const TracePlan& plan, const Action& action, const Shape& shape);
  void add_failure(const Action& action, const Shape& shape, base::UnixNanos end);
};

const Shape& SpanWriter::Impl::shape(const Phase& phase, const TracePlan& plan, const Action& action) {
  // Addresses inside the system tell the descriptions apart, the low bits what is made of them.
  const Entry& entry = phase.entries[plan.entry];
  const void* described = action.step;
  if (action.kind == ActionKind::kDatabase) described = action.database;
  if (action.kind == ActionKind::kHandler)
    described = &phase.services[action.service].endpoints[action.endpoint];
  if (action.service == kTester) described = &entry;
  const uint64_t key = mix(reinterpret_cast<uintptr_t>(described), static_cast<uint64_t>(action.kind));
  const auto known = shapes.find(key);
  if (known != shapes.end()) return known->second;
  return shapes[key] =
             action.service == kTester ? tester_shape(phase, entry, action) : shape_of(phase, action);
}

SpanWriter::Impl::Group& SpanWriter::Impl::group(const Phase& phase, const TracePlan& plan,
                                                 const Action& action) {
  const bool tester = action.service == kTester;
  const uint32_t instance = tester ? 0 : plan.instances[action.service];
  const uint32_t environment = tester ? 0 : environment_of[plan.phase][plan.entry];
  const uint64_t key = mix(mix(plan.phase, environment), (uint64_t{action.service} << 32) | instance);
  const auto [known, added] = found.emplace(key, static_cast<uint32_t>(groups.size()));
  if (added) {
    Group& made = groups.emplace_back();
    if (tester) {
      made.resource = tester_resource();
      for (size_t i = 0; i < kInstrumentations; ++i)
        made.scopes[i] = scope_of("", static_cast<Instrumentation>(i));
    } else {
      const Service& service = phase.services[action.service];
      Random random(mix(stream_of(seed, Purpose::kInstances, action.service + (1ULL << 40)), instance));
      std::array<uint8_t, 16> id{};
      for (uint8_t& byte : id) byte = static_cast<uint8_t>(random.next());
      std::string text = base::to_hex(id);
      for (const size_t dash : {8, 13, 18, 23}) text.insert(dash, 1, '-');
      made.resource = resource_of(service, instance, text, environments[environment]);
      for (size_t i = 0; i < kInstrumentations; ++i)
        made.scopes[i] = scope_of(service.language, static_cast<Instrumentation>(i));
      if (const std::string_view schema = schema_url_of(service.conventions); !schema.empty())
        append_bytes(made.schema_url, otlp::resource_spans_field::kSchemaUrl, schema);
    }
  }
  Group& here = groups[known->second];
  if (!here.active) active.push_back(known->second);
  here.active = true;
  return here;
}

// Attempts share the URL: its values belong to the step's occurrence. A URL
// without values gets a query, where the same is asked for more than once.
void SpanWriter::Impl::add_url(const TracePlan& plan, const Action& action, const Shape& shape) {
  const Action* client = &action;
  if (action.kind == ActionKind::kHandler && action.parent != kAbsent) client = &plan.actions[action.parent];
  const uint64_t values =
      mix(stream_of(seed, Purpose::kValues, plan.index), client->parent, client->occurrence);
  url = shape.url.pieces.front();
  for (size_t i = 1; i < shape.url.pieces.size(); ++i) {
    char digits[8];
    const auto number = 10'000 + static_cast<uint32_t>((mix(values, i) >> 32) % 9'000'000);
    url.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    url += shape.url.pieces[i];
  }
  const size_t path_end = url.size();
  if (!shape.url.has_holes() && client->occurrence > 0) {
    char digits[10];
    url += "?item=";
    url.append(digits, std::to_chars(digits, digits + sizeof digits, client->occurrence).ptr);
  }
  if (!shape.url_key.empty()) append_attribute(body, otlp::span_field::kAttributes, shape.url_key, url);
  if (!shape.path_key.empty())
    append_attribute(body, otlp::span_field::kAttributes, shape.path_key,
                     std::string_view(url).substr(0, shape.query_in_path ? url.size() : path_end));
}

void SpanWriter::Impl::add_failure(const Action& action, const Shape& shape, base::UnixNanos end) {
  const bool own = action.failure == Failure::kOwn || action.failure == Failure::kRefused;
  std::string_view message = "something it needs failed";
  if (action.failure == Failure::kRefused) message = "connection refused";
  if (action.failure == Failure::kOwn)
    message = action.http_status == 503 ? "unavailable" : "it did not work";
  if (own && !shape.exception.empty()) {
    event.clear();
    append_fixed64(event, otlp::event_field::kTime, end);
    append_bytes(event, otlp::event_field::kName, "exception");
    append_attribute(event, otlp::event_field::kAttributes, "exception.type", shape.exception);
    append_attribute(event, otlp::event_field::kAttributes, "exception.message", message);
    append_bytes(body, otlp::span_field::kEvents, event);
  }
  event.clear();
  append_bytes(event, otlp::status_field::kMessage, message);
  append_tag(event, otlp::status_field::kCode, otlp::WireType::kVarint);
  append_varint(event, 2);
  append_bytes(body, otlp::span_field::kStatus, event);
}

void SpanWriter::Impl::add(const TracePlan& plan, uint32_t position) {
  const Phase& phase = system.phases[plan.phase];
  const Action& action = plan.actions[position];
  const Shape& known = shape(phase, plan, action);
  const SpanTimes times = span_times(system, seed, start, plan, position);
  const auto id_text = [](const auto& id) {
    return std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  };
  body.clear();
  const model::TraceId trace = trace_id_of(seed, plan.index);
  append_bytes(body, otlp::span_field::kTraceId, id_text(trace));
  append_bytes(body, otlp::span_field::kSpanId, id_text(span_id_of(seed, plan.index, position)));
  const bool untraced = action.parent == kAbsent && phase.entries[plan.entry].untraced_caller;
  if (action.parent != kAbsent || untraced)
    append_bytes(body, otlp::span_field::kParentSpanId,
                 id_text(span_id_of(seed, plan.index, untraced ? kAbsent - 1 : action.parent)));
  body += known.name_and_kind;
  append_fixed64(body, otlp::span_field::kStart, times.start);
  append_fixed64(body, otlp::span_field::kEnd, times.end);
  body += known.attributes;
  constexpr uint32_t kAttributes = otlp::span_field::kAttributes;
  if (!known.url.pieces.empty()) add_url(plan, action, known);
  if (!known.status_key.empty() && (known.rpc || action.http_status != 0))
    append_attribute(body, kAttributes, known.status_key,
                     known.rpc ? grpc_status(action.http_status) : action.http_status);
  if (known.counts_resends && action.attempt > 0)
    append_attribute(body, kAttributes, "http.request.resend_count", int64_t{action.attempt});
  if (action.service == kTester) append_attribute(body, kAttributes, "testmesh.execution.id", trace.to_hex());
  if (action.error) add_failure(action, known, times.end);
  const bool remote = untraced || (action.kind == ActionKind::kHandler && action.parent != kAbsent);
  const bool sampled =
      action.service == kTester || phase.services[action.service].language != "python";  // as its SDK does
  const uint32_t flags = kHasRemote | (remote ? kIsRemote : 0) | (sampled ? kSampled : 0);
  append_tag(body, otlp::span_field::kFlags, otlp::WireType::kFixed32);
  body.append(reinterpret_cast<const char*>(&flags), sizeof flags);

  std::string& out = group(phase, plan, action).spans[static_cast<size_t>(known.instrumentation)];
  const size_t before = out.size();
  append_bytes(out, otlp::scope_spans_field::kSpans, body);
  bytes += out.size() - before;
  ++spans;
}

SpanWriter::SpanWriter(const System& system, uint64_t seed, base::UnixNanos start)
    : impl_(std::make_unique<Impl>(system, seed, start)) {}
SpanWriter::~SpanWriter() = default;

void SpanWriter::add(const TracePlan& plan, uint32_t action) { impl_->add(plan, action); }

void SpanWriter::add_sent(const TracePlan& plan) {
  for (uint32_t i = 0; i < plan.actions.size(); ++i) {
    const Fate& fate = plan.fates[i];
    if (fate.delivery != Delivery::kSent || fate.late) continue;
    impl_->add(plan, i);
    if (fate.duplicate) impl_->add(plan, i);
  }
}

size_t SpanWriter::spans() const { return impl_->spans; }
size_t SpanWriter::bytes() const { return impl_->bytes; }

std::string SpanWriter::take() {
  using otlp::WireType;
  std::string out;
  out.reserve(impl_->bytes + impl_->active.size() * 1024);
  for (const uint32_t number : impl_->active) {
    Impl::Group& group = impl_->groups[number];
    const auto scope_size = [&](size_t i) { return group.scopes[i].size() + group.spans[i].size(); };
    size_t size = group.resource.size() + group.schema_url.size();
    for (size_t i = 0; i < kInstrumentations; ++i)
      if (!group.spans[i].empty()) size += 1 + varint_size(scope_size(i)) + scope_size(i);
    append_tag(out, otlp::request_field::kResourceSpans, WireType::kBytes);
    append_varint(out, size);
    out += group.resource;
    for (size_t i = 0; i < kInstrumentations; ++i) {
      if (group.spans[i].empty()) continue;
      append_tag(out, otlp::resource_spans_field::kScopeSpans, WireType::kBytes);
      append_varint(out, scope_size(i));
      out += group.scopes[i];
      out += group.spans[i];
      group.spans[i].clear();
    }
    out += group.schema_url;
    group.active = false;
  }
  impl_->active.clear();
  impl_->spans = impl_->bytes = 0;
  return out;
}

}  // namespace testmesh::simulate
