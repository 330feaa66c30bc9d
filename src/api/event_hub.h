// Server-sent events (api.md 2): what changes in a workspace, told to whoever
// listens.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "model/ids.h"
#include "store/telemetry_store.h"
#include "transport/http/stream.h"

namespace testmesh::api {

struct EventHubOptions {
  size_t max_listeners = 1000;
  std::chrono::milliseconds heartbeat{15'000};
  bool own_thread = true;  // false: the caller calls tick()
};

// Events, each with an id: `execution` as it is published; `flow` when a flow
// appeared, `ingest` once a second: these two cost nothing while nobody listens.
//
// A listener that reads too slowly misses events, and an event `missed` with
// their number comes in their place. Who comes back with the id of the last
// event seen gets what it missed since, as far as it is still known.
//
// Thread-safe; costs one thread.
class EventHub {
 public:
  // `received_spans`: a count that only grows, of the whole server.
  EventHub(store::TelemetryStore&, std::function<uint64_t()> received_spans, EventHubOptions = {});
  ~EventHub();  // stop()

  // Never blocks.
  void publish(const model::WorkspaceId&, std::string_view event, std::string_view json);

  // To be given away as the body of a text/event-stream. Null: too many listen.
  // `last_event_id` is empty, or what the client says it saw last, whatever it is.
  std::shared_ptr<http::Stream> listen(const model::WorkspaceId&, std::string_view last_event_id);

  size_t listeners() const;
  // Looks for new flows, tells the rate; once a second.
  void tick();
  // Ends all streams.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::api
