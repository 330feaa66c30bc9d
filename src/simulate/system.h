// A described system: services, what their endpoints do, who calls them, what
// the telemetry loses on the way, and what deploys change. Plain values, read
// from YAML (system_yaml.h) or built in code; plan.h makes traces of it.
//
// Positions in the lists are the references between parts. Every phase has the
// same services, endpoints and topics at the same positions; only their
// versions, handlers and steps differ.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace testmesh::simulate {

using Duration = std::chrono::nanoseconds;

inline constexpr uint32_t kMostSpansPerTrace = 10'000;
inline constexpr uint32_t kMostDepth = 64;  // steps inside steps, calls included

// Log-normal: median * exp(sigma * N(0, 1)), at most 100 medians; sigma 0:
// always the median. Never below kLeastLatency, so that a span has a length.
struct Latency {
  Duration median{};
  double sigma = 0;
};
inline constexpr Duration kLeastLatency = std::chrono::microseconds(20);
// The log-normal with these two; p95 >= p50.
Latency latency_of(Duration p50, Duration p95);

struct Repeat {
  uint32_t least = 1, most = 1;  // drawn evenly; 0 allowed
};

enum class Access : uint8_t { kRead, kWrite };

struct Database {
  std::string system = {};      // a name of the new conventions: postgresql, redis, mongodb…
  std::string name = {};        // db.namespace; empty: none
  std::string collection = {};  // table; stands in the query text
  Access access = Access::kRead;
};

enum class StepKind : uint8_t {
  kCall,      // CLIENT span here, SERVER span there
  kDatabase,  // CLIENT span
  kPublish,   // PRODUCER span here, a CONSUMER span in every service that consumes the topic
  kExternal,  // CLIENT span to a host that sends no spans
  kWork,      // INTERNAL span around `steps`
  // No span: all `steps` and all their repetitions start together. A branch that
  // does several things one after the other is a kWork: without a span of its
  // own nothing in a trace says what belongs to which branch.
  kParallel
};

enum class OnFail : uint8_t {
  kStop,     // the handler fails too and does nothing further
  kContinue  // the step's spans say error, the handler goes on
};

// What a drawn failure (`Step::fails`) of a call or an external call looks like.
enum class FailureKind : uint8_t {
  kAnswered,  // the callee answers 503 at once and does none of its steps
  kRefused    // nobody answers: a CLIENT span without anything below
};

// Happens with `probability`; then, unless the cache has it, `times` times;
// each time in up to `attempts` attempts until one succeeds.
struct Step {
  StepKind kind = StepKind::kCall;
  std::string label = {};  // how deploys name it; unique inside its handler, may be empty

  uint32_t service = 0, endpoint = 0;             // kCall: Phase::services[service].endpoints[endpoint]
  uint32_t topic = 0;                             // kPublish: Phase::topics
  Database database = {};                         // kDatabase
  std::string host = {}, method = {}, path = {};  // kExternal
  std::string name = {};                          // kWork: the span's name
  std::vector<Step> steps = {};                   // kWork, kParallel

  // kDatabase, kPublish, kExternal: the span's duration. kCall: the way there
  // and back together. kWork: own time. The others: nothing.
  Latency latency{std::chrono::milliseconds(1), 0};

  double probability = 1;
  Repeat times;
  double fails = 0;  // of one attempt, beside what the callee itself fails
  FailureKind failure = FailureKind::kAnswered;
  uint32_t attempts = 1;
  Duration backoff{};  // between attempts
  OnFail on_fail = OnFail::kStop;
  double cache_hit = 0;                // the step is skipped
  std::optional<Database> cache = {};  // and a read of this stands before it, hit or miss
};

// Where a handler's own failure (`Handler::fails`) strikes.
enum class FailPoint : uint8_t { kBeforeSteps, kAfterSteps };

struct Handler {
  Latency own{std::chrono::milliseconds(2), 0};  // its own time, spread around its steps
  double fails = 0;
  FailPoint fails_at = FailPoint::kAfterSteps;
  int status = 500;  // HTTP status of a failure
  std::vector<Step> steps = {};
};

enum class EndpointKind : uint8_t { kHttp, kRpc, kConsumer };

struct Endpoint {
  EndpointKind kind = EndpointKind::kHttp;
  std::string method = {},
              route = {};  // kHttp: "GET", "/users/{id}"; kRpc: "Reserve", "shop.Stock" (the service)
  uint32_t topic = 0;      // kConsumer
  Handler handler = {};
};

enum class Conventions : uint8_t { kNew, kOld };

struct Service {
  std::string name = {};
  std::string version = {};
  std::string language = {};  // telemetry.sdk.language; shapes span names
  std::vector<std::pair<std::string, std::string>> attributes = {};  // of the resource, beside the usual
  uint32_t instances = 1;
  Conventions conventions = Conventions::kNew;
  bool names_routes = true;  // false: SERVER spans name neither route nor path (some gateways)
  Duration clock_skew{};     // all its spans are shifted by this, either way
  Duration clock_step{1};    // starts are cut down to it; 1 ms: as Node's SDK
  double sampling = 1;       // share of traces in which this service exports at all
  std::vector<Endpoint> endpoints = {};
};

struct Topic {
  std::string name = {};
  std::string system = "kafka";
  Latency delay{std::chrono::milliseconds(5), 0};  // from the end of publishing until a consumer starts
};

// One kind of request from outside. It enters at an HTTP or RPC endpoint.
struct Entry {
  uint32_t service = 0, endpoint = 0;
  double weight = 1;
  std::string environment = {};  // of every span of the trace; empty: none
  // The caller propagates a trace context and exports nothing (a browser).
  bool untraced_caller = false;
  // Not empty: test traffic. Service `testmesh` sends a root span
  // `testmesh.execution` with this as testmesh.flow.name, and a CLIENT span below.
  std::string test = {};
};

// Between two deploys.
struct Phase {
  Duration at{};          // since the simulation's start; the first is 0, ascending
  std::string what = {};  // what this deploy did, for people
  std::vector<Service> services = {};
  std::vector<Topic> topics = {};
  std::vector<Entry> entries = {};
};

// What goes wrong between the SDKs and the server. Drawn for each span alone
// (`sampling`: for each trace), apart from what happens in the trace: the same
// seed gives the same traces with other numbers here.
struct Telemetry {
  double sampling = 1;  // head sampling: share of traces sent at all
  double lost_spans = 0;
  double duplicate_spans = 0;
  double late_spans = 0;
  Duration late_by = std::chrono::seconds(20);  // after its time to be sent
  Duration clock_skew{};  // each instance's clock is off by a fixed amount, up to this, either way
  Duration flush = std::chrono::seconds(5);  // SDKs send what they have this often
};

struct System {
  std::string name = {};
  double rate = 10;  // traces a second of simulated time
  Telemetry telemetry = {};
  std::vector<Phase> phases = {};  // at least one
};

// The most spans one trace of `entry` can have, saturating.
uint64_t most_spans(const Phase&, const Entry&);

// Whether traces can be made of it: references in range, numbers in their
// ranges, no endpoint that can reach itself (the error names the cycle), no
// cache look-up right inside a kParallel, no trace over kMostSpansPerTrace. What the YAML reader gives has
// passed.
base::Result<void> check(const System&);

// "GET /users/{id}", "shop.Stock/Reserve", "consume order.created".
std::string endpoint_name(const Phase&, const Endpoint&);

}  // namespace testmesh::simulate
