// What a trace must be found to be: sections 2 and 5 of the rules of discovery
// stated a second time, over what a planned span is meant to be (this serves
// that endpoint, this queries that database) instead of over attributes. It
// shares no code with the server: where the two disagree one of them is wrong.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::known_truth {

enum class Kind : uint8_t { kInternal, kServer, kClient, kProducer, kConsumer };

// What a span is there for.
enum class Role : uint8_t {
  kInside,    // code inside the service
  kServes,    // an endpoint
  kConsumes,  // a message
  kQueries,   // a database
  kSends,     // a message
  kCalls,     // another service or an uninstrumented peer
};

// One span that arrives. Views point into the plan and the system.
struct SeenSpan {
  uint64_t id = 0, parent = 0;  // 0: none
  Kind kind = Kind::kInternal;
  Role role = Role::kInside;
  bool error = false;
  bool test = false;    // made by whoever tests
  bool writes = false;  // kQueries
  std::string_view service = {};
  std::string_view subject = {};  // `METHOD route`, destination, database, host of the peer; empty: not named
  std::string_view system = {};   // of a database
  std::string name = {};          // as an operation: templated
  std::string url = {};           // of a call
  int64_t start = 0, end = 0;
};

struct TruePath {
  uint32_t entry = 0;     // position in the spans
  std::string operation;  // of the entry
  std::string path;       // its string; the fingerprint is the hash of it
};

struct TrueTrace {
  bool partial = false;
  bool test = false;
  // Of a test trace one for each thing that was tested, else one.
  std::vector<TruePath> paths;
};

// Any order, at least one span, no cycles.
TrueTrace true_trace(std::span<const SeenSpan>);

}  // namespace testmesh::known_truth
