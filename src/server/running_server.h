// A server within this process: `testmesh serve` is one, and `testmesh run`
// starts one where none is named.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "server/options.h"

namespace testmesh::server {

class RunningServer {
 public:
  // Opens the data directory, listens, answers. kInvalidArgument: an address
  // that is not loopback; others: what the system said.
  static base::Result<std::unique_ptr<RunningServer>> start(const ServeOptions&);
  ~RunningServer();  // stop()
  // Takes no more connections, answers what is under way, saves.
  void stop();

  const std::string& url() const;        // "http://127.0.0.1:5016"
  const std::string& otlp_http() const;  // the same, or "off"

 private:
  struct Impl;
  explicit RunningServer(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::server
