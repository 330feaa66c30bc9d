// Where the spans go: an OTLP endpoint, or a file.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::simulate {

struct Sent {
  uint64_t rejected = 0;     // spans that the server took and threw away
  uint64_t refusals = 0;     // answers 429, 503 and the like, and lost connections, before it worked
  std::string message = {};  // why spans were rejected; "": nothing to say
};

// Used by one thread.
class Target {
 public:
  virtual ~Target() = default;
  // An ExportTraceServiceRequest of `spans` spans. What it returns is over
  // with: taken, or refused for good (an error). It waits where it is asked to.
  virtual base::Result<Sent> send(std::string_view request, uint64_t spans) = 0;
  virtual base::Result<void> finish() { return {}; }  // after the last
};

struct HttpTargetOptions {
  std::string url = "http://127.0.0.1:5016";  // with or without /v1/traces
  std::string workspace = {};                 // X-Workspace-ID; "": none
  // Waiting ends early when this is set; what waits then is an error.
  const std::atomic<bool>* stop = nullptr;
  // An endpoint that cannot be reached, or asks to wait, for this long: an error.
  std::chrono::seconds patience{120};
  std::function<void(std::chrono::milliseconds)> sleep = {};  // tests own time; empty: really
};
// 408, 429, 502, 503, 504 and lost connections are tried again, after
// Retry-After where that is said; a first connection that fails is an error at
// once. Other answers are errors.
base::Result<std::unique_ptr<Target>> open_http_target(HttpTargetOptions);

enum class FileFormat : uint8_t {
  kJsonLines,  // a line each, as the Collector's file exporter
  kProtobuf    // each behind its length, four bytes, big-endian: the same exporter's
};
// By the name's end: .jsonl or .json, .pb. Anything else is an error that says so.
base::Result<std::unique_ptr<Target>> open_file_target(const std::string& path);

}  // namespace testmesh::simulate
