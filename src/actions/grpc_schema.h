// The messages of one gRPC server, as its reflection describes them, over
// protobuf, which stays in the source.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/action.h"
#include "expr/value.h"

namespace testmesh::actions {

struct GrpcMethod {
  std::string input, output;  // full names of the messages
  bool client_streaming = false, server_streaming = false;
};

// Grows, never changes. Not thread-safe.
class GrpcSchema {
 public:
  GrpcSchema();
  ~GrpcSchema();
  GrpcSchema(const GrpcSchema&) = delete;

  // A serialized FileDescriptorProto. False: already there, not readable, or too
  // much altogether.
  bool add(const std::string& file);
  // The name of a file that others import and that has not come; nullopt: none.
  // Nothing else may be asked before it is there.
  std::optional<std::string> missing();

  bool has_service(const std::string& full_name) const;
  // The error names the methods that there are.
  std::expected<GrpcMethod, ActionError> method(const std::string& service, const std::string& name);

  // By protobuf's JSON mapping. The error says which field is wrong.
  std::expected<std::string, ActionError> encode(const std::string& type, const expr::Value&);
  // The same mapping, but 64-bit integers are numbers where they fit, and fields
  // without presence are there when they have their default. nullopt: these bytes
  // are no such message.
  std::optional<expr::Value> decode(const std::string& type, const std::string& bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "a, b, c", cut at twenty; "none".
std::string listed(const std::vector<std::string>& names);

}  // namespace testmesh::actions
