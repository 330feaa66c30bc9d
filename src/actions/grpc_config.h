// What a `grpc_call` step asks for, read from its config. Knows nothing of the
// library.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "actions/action.h"
#include "actions/host_policy.h"
#include "actions/propagation.h"

namespace testmesh::actions {

struct GrpcTarget {
  std::string host;  // an IPv6 address without brackets
  uint16_t port = 0;
  bool tls = false, verify = true;
  std::string ca, certificate, key;  // PEM; empty: the system's, none

  std::string place() const;     // "host:port"
  std::string pool_key() const;  // of all of it
};

struct GrpcCall {
  GrpcTarget target;
  std::string service, method;
  const expr::Value* message = nullptr;  // within the config; null: none
  // Names in lower case; all of it can be sent.
  HeaderList metadata;
  HeaderList reflection_metadata;
};

// With the trace's context in the metadata; `links` are the author's.
std::expected<GrpcCall, ActionError> read_grpc_call(const expr::Value& config, const ActionContext&,
                                                    std::chrono::nanoseconds& timeout,
                                                    std::vector<model::Link>& links);

// For the history: no credentials.
expr::Value shown_grpc_request(const GrpcCall&);

}  // namespace testmesh::actions
