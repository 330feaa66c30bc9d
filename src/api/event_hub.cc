#include "api/event_hub.h"

#include <fmt/format.h>
#include <pthread.h>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>

#include "api/flow_json.h"
#include "api/json_writer.h"
#include "base/time.h"

namespace testmesh::api {
namespace {

using Steady = std::chrono::steady_clock;
using http::Stream;

constexpr std::chrono::seconds kTick{1};
constexpr size_t kMaxRemembered = 1000;
constexpr size_t kMaxRememberedBytes = 1 << 20;
constexpr size_t kFlowPage = 1000;
// Flows are looked for when their number changed, and now and then anyway (one
// may have taken the place of another); but not so often that it is all one does.
constexpr std::chrono::seconds kLookAnyway{30};
constexpr int kCostFactor = 20;

std::string event_text(std::string_view id, std::string_view event, std::string_view json) {
  return id.empty() ? fmt::format("event: {}\ndata: {}\n\n", event, json)
                    : fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, event, json);
}

}  // namespace

struct EventHub::Impl {
  struct Listener {
    model::WorkspaceId workspace;
    std::shared_ptr<Stream> stream;
    uint64_t missed = 0;
  };
  struct Remembered {
    uint64_t number;
    model::WorkspaceId workspace;
    std::string text;
  };
  // Of a workspace that somebody listens to; of tick() only.
  struct Watch {
    std::unordered_set<model::FlowId> flows;
    uint64_t total = 0;
    Steady::time_point next, next_anyway;
    bool started = false;
  };

  Impl(store::TelemetryStore& telemetry, std::function<uint64_t()> received, EventHubOptions settings)
      : store(telemetry),
        received_spans(std::move(received)),
        options(settings),
        epoch(fmt::format("{:x}", base::system_clock().now() / 1'000'000)) {}

  void publish(const model::WorkspaceId&, std::string_view event, std::string_view json);
  void send(Listener& listener, std::string_view text);
  void send_to_all(const model::WorkspaceId&, std::string_view text);
  std::set<model::WorkspaceId> workspaces();
  void tell_rate(const std::set<model::WorkspaceId>&);
  void look_for_flows(const model::WorkspaceId&, Watch&);

  store::TelemetryStore& store;
  const std::function<uint64_t()> received_spans;
  const EventHubOptions options;
  const std::string epoch;  // of this process: ids of another mean nothing here

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::list<Listener> listeners;
  std::deque<Remembered> remembered;
  size_t remembered_bytes = 0;
  uint64_t last_number = 0;
  bool stopping = false;

  std::mutex tick_mutex;
  std::map<model::WorkspaceId, Watch> watches;
  std::optional<uint64_t> spans_before;
  Steady::time_point counted_at;
  std::thread thread;
};

// Under the mutex.
void EventHub::Impl::send(Listener& listener, std::string_view text) {
  if (listener.missed > 0) {
    const std::string told = event_text("", "missed", fmt::format(R"({{"count":{}}})", listener.missed));
    if (listener.stream->write(told) != Stream::Written::kTaken) {
      ++listener.missed;
      return;
    }
    listener.missed = 0;
  }
  if (listener.stream->write(text) == Stream::Written::kFull) ++listener.missed;
}

void EventHub::Impl::send_to_all(const model::WorkspaceId& workspace, std::string_view text) {
  for (auto at = listeners.begin(); at != listeners.end();) {
    if (at->workspace == workspace) send(*at, text);
    at = at->stream->closed() ? listeners.erase(at) : std::next(at);
  }
}

EventHub::EventHub(store::TelemetryStore& store, std::function<uint64_t()> received_spans,
                   EventHubOptions options)
    : impl_(std::make_unique<Impl>(store, std::move(received_spans), options)) {
  if (!options.own_thread) return;
  impl_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "events");
    std::unique_lock lock(impl_->mutex);
    while (!impl_->wake.wait_for(lock, kTick, [this] { return impl_->stopping; })) {
      lock.unlock();
      tick();
      lock.lock();
    }
  });
}

EventHub::~EventHub() { stop(); }

void EventHub::stop() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
    for (auto& listener : impl_->listeners) listener.stream->end();
    impl_->listeners.clear();
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

size_t EventHub::listeners() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->listeners.size();
}

void EventHub::publish(const model::WorkspaceId& workspace, std::string_view event, std::string_view json) {
  impl_->publish(workspace, event, json);
}

void EventHub::Impl::publish(const model::WorkspaceId& workspace, std::string_view event,
                             std::string_view json) {
  const std::scoped_lock lock(mutex);
  std::string text = event_text(fmt::format("{}-{}", epoch, ++last_number), event, json);
  send_to_all(workspace, text);
  remembered_bytes += text.size();
  remembered.push_back({last_number, workspace, std::move(text)});
  while (remembered.size() > kMaxRemembered || remembered_bytes > kMaxRememberedBytes) {
    remembered_bytes -= remembered.front().text.size();
    remembered.pop_front();
  }
}

std::shared_ptr<Stream> EventHub::listen(const model::WorkspaceId& workspace,
                                         std::string_view last_event_id) {
  Impl& impl = *impl_;
  const std::scoped_lock lock(impl.mutex);
  std::erase_if(impl.listeners, [](const auto& listener) { return listener.stream->closed(); });
  if (impl.stopping || impl.listeners.size() >= impl.options.max_listeners) return nullptr;
  auto stream = std::make_shared<Stream>(
      http::StreamOptions{.heartbeat = ": \n\n", .heartbeat_every = impl.options.heartbeat});
  auto& listener = impl.listeners.emplace_back(workspace, stream);
  stream->write("retry: 2000\n\n");
  uint64_t seen = 0;
  const std::string prefix = impl.epoch + "-";
  if (last_event_id.starts_with(prefix)) {
    last_event_id.remove_prefix(prefix.size());
    const auto [end, error] =
        std::from_chars(last_event_id.data(), last_event_id.data() + last_event_id.size(), seen);
    if (error != std::errc()) seen = 0;
  }
  if (seen > 0)
    for (const Impl::Remembered& event : impl.remembered)
      if (event.number > seen && event.workspace == workspace) impl.send(listener, event.text);
  return stream;
}

std::set<model::WorkspaceId> EventHub::Impl::workspaces() {
  const std::scoped_lock lock(mutex);
  std::set<model::WorkspaceId> found;
  std::erase_if(listeners, [](const auto& listener) { return listener.stream->closed(); });
  for (const Listener& listener : listeners) found.insert(listener.workspace);
  return found;
}

void EventHub::tick() {
  const std::scoped_lock lock(impl_->tick_mutex);
  const auto workspaces = impl_->workspaces();
  impl_->tell_rate(workspaces);
  std::erase_if(impl_->watches, [&](const auto& entry) { return !workspaces.contains(entry.first); });
  for (const model::WorkspaceId& workspace : workspaces)
    impl_->look_for_flows(workspace, impl_->watches[workspace]);
}

void EventHub::Impl::tell_rate(const std::set<model::WorkspaceId>& workspaces) {
  const uint64_t spans = received_spans ? received_spans() : 0;
  const auto now = Steady::now();
  const double seconds = std::chrono::duration<double>(now - counted_at).count();
  const double rate =
      spans_before && seconds > 0 ? static_cast<double>(spans - std::min(spans, *spans_before)) / seconds : 0;
  spans_before = spans;
  counted_at = now;
  if (workspaces.empty()) return;
  std::string json;
  JsonWriter writer(json);
  writer.begin_object().field("time", base::to_rfc3339(base::system_clock().now()));
  writer.field("spans_per_second", rate).field("spans_total", spans).end_object();
  const std::string text = event_text("", "ingest", json);
  const std::scoped_lock lock(mutex);
  for (const model::WorkspaceId& workspace : workspaces) send_to_all(workspace, text);
}

void EventHub::Impl::look_for_flows(const model::WorkspaceId& workspace, Watch& watch) {
  const auto began = Steady::now();
  if (watch.started && began < watch.next) return;
  discovery::FlowQuery query;
  query.sort = discovery::FlowSort::kOccurrenceCount;
  query.limit = 1;
  auto page = store.flows(workspace, query);
  if (!page) return;
  if (!watch.started || page->total != watch.total || began >= watch.next_anyway) {
    watch.total = page->total;
    std::unordered_set<model::FlowId> present;
    query.limit = kFlowPage;
    do {
      page = store.flows(workspace, query);
      if (!page) return;
      for (const discovery::FlowSummary& flow : page->flows) {
        present.insert(flow.flow->id);
        if (!watch.started || watch.flows.contains(flow.flow->id)) continue;
        std::string json;
        JsonWriter writer(json);
        write_flow(writer, flow);
        publish(workspace, "flow", json);
      }
      query.cursor = page->next_cursor.value_or("");
    } while (page->next_cursor);
    watch.flows = std::move(present);
    watch.started = true;
    watch.next_anyway = began + kLookAnyway;
  }
  watch.next = Steady::now() + kCostFactor * (Steady::now() - began);
}

}  // namespace testmesh::api
