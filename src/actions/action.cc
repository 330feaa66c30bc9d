#include "actions/action.h"

#include <map>
#include <mutex>

#include "actions/propagation.h"
#include "base/hex.h"

namespace testmesh::actions {

std::string traceparent(const TraceContext& context) {
  return "00-" + context.trace_id.to_hex() + "-" + context.span_id.to_hex() + "-01";
}

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  constexpr size_t kSize = 55;  // 2-32-16-2 digits and three dashes
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  for (const char c : text.substr(0, kSize))
    if (c >= 'A' && c <= 'F') return std::nullopt;  // the recommendation knows lower case only
  uint8_t version[1], flags[1];
  if (!base::from_hex(text.substr(0, 2), version) || !base::from_hex(text.substr(53, 2), flags))
    return std::nullopt;
  // Later versions may go on after another dash.
  if (version[0] == 0xff || (text.size() > kSize && (version[0] == 0 || text[kSize] != '-')))
    return std::nullopt;
  const auto trace_id = model::TraceId::parse(text.substr(3, 32));
  const auto span_id = model::SpanId::parse(text.substr(36, 16));
  if (!trace_id || !span_id || trace_id->is_zero() || span_id->is_zero()) return std::nullopt;
  return TraceContext{.trace_id = *trace_id, .span_id = *span_id};
}

namespace {

bool same_name(std::string_view name, std::string_view lower_case) {
  if (name.size() != lower_case.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] | 0x20) : name[i];
    if (c != lower_case[i]) return false;
  }
  return true;
}

}  // namespace

Propagation propagate(const TraceContext& context, const HeaderList& author_headers) {
  bool own_parent = false, own_state = false, own_baggage = false;
  Propagation result;
  std::string author_state;
  std::optional<TraceContext> author;
  for (const auto& [name, value] : author_headers) {
    if (same_name(name, "traceparent")) {
      own_parent = true;
      author = parse_traceparent(value);
    } else if (same_name(name, "tracestate")) {
      own_state = true;
      author_state = value;
    } else if (same_name(name, "baggage")) {
      own_baggage = true;
    }
  }
  if (!own_parent) {
    result.headers.emplace_back("traceparent", traceparent(context));
    if (!own_state && !context.trace_state.empty())
      result.headers.emplace_back("tracestate", context.trace_state);
  }
  if (!own_baggage && !context.baggage.empty()) result.headers.emplace_back("baggage", context.baggage);
  if (author) {
    model::Link link;
    link.trace_id = author->trace_id;
    link.span_id = author->span_id;
    link.trace_state = author_state;
    result.links.push_back(std::move(link));
  }
  return result;
}

struct ConnectionPool::Impl {
  std::mutex mutex;
  std::map<const void*, std::shared_ptr<void>> slots;
};

ConnectionPool::ConnectionPool() : impl_(std::make_unique<Impl>()) {}
ConnectionPool::~ConnectionPool() = default;

void* ConnectionPool::slot(const void* tag, const std::function<std::shared_ptr<void>()>& make) {
  const std::lock_guard lock(impl_->mutex);
  std::shared_ptr<void>& held = impl_->slots[tag];
  if (!held) held = make();
  return held.get();
}

}  // namespace testmesh::actions
