#include "simulate/schema.h"

#include <algorithm>
#include <array>

namespace testmesh::simulate {
namespace {

constexpr Key kKeys[] = {
    {Place::kFile, "name", "text", "", "what the system is called"},
    {Place::kFile, "rate", "rate", "10/s", "requests from outside: `20/s`, `90/m`"},
    {Place::kFile, "services", "map of name to *service*", "required", "the services that send spans"},
    {Place::kFile, "topics", "map of name to *topic*", "", "only for topics that are not as usual"},
    {Place::kFile, "traffic", "list of *traffic*", "required", "the requests that enter from outside"},
    {Place::kFile, "telemetry", "*telemetry*", "", "what is lost on the way to the server"},
    {Place::kFile, "deploys", "list of *deploy*", "", "what changes while it runs, in order of time"},

    {Place::kTelemetry, "sampling", "share", "100%", "of the traces that are sent at all"},
    {Place::kTelemetry, "lost_spans", "share", "0", "of spans that never arrive"},
    {Place::kTelemetry, "duplicate_spans", "share", "0", "of spans that are sent twice"},
    {Place::kTelemetry, "late_spans", "share or *late_spans*", "0",
     "of spans that come after their trace was counted"},
    {Place::kTelemetry, "clock_skew", "time", "0s", "each instance's clock is off by up to this, either way"},
    {Place::kTelemetry, "flush", "time", "5s", "how often an SDK sends what it has"},
    {Place::kLate, "share", "share", "required", "of spans that are late"},
    {Place::kLate, "by", "time", "20s", "how late"},

    {Place::kTopic, "system", "text", "kafka", "`messaging.system`"},
    {Place::kTopic, "delay", "latency", "5ms", "from the end of publishing to the start of a consumer"},

    {Place::kService, "version", "text", "1.0.0", "`service.version`"},
    {Place::kService, "language", "text", "java",
     "`java`, `go`, `nodejs`, `python`…: span names and scopes as its SDK writes them"},
    {Place::kService, "conventions", "new, old", "new", "which semantic conventions its spans follow"},
    {Place::kService, "instances", "number", "1", "1 to 1000; each trace meets one of them"},
    {Place::kService, "attributes", "map of name to text", "", "further resource attributes"},
    {Place::kService, "names_routes", "yes, no", "yes",
     "no: as a gateway whose SERVER spans name neither route nor path"},
    {Place::kService, "sampling", "share", "100%", "of the traces in which it exports its spans"},
    {Place::kService, "clock_skew", "time", "0s", "its clock is ahead by this (`-200ms`: behind)"},
    {Place::kService, "clock_step", "time", "1ns", "its spans start on a multiple of this; `1ms`: as Node's"},
    {Place::kService, "routes", "map of endpoint to *route*", "",
     "`GET /users/{id}`, `rpc shop.Stock/Reserve`, `consume order.created`"},

    {Place::kRoute, "takes", "latency", "2ms", "its own time, beside its steps"},
    {Place::kRoute, "fails", "share or *fails*", "0", "how often it fails by itself"},
    {Place::kRoute, "steps", "list of *step*", "", "what it does, in order"},

    {Place::kTakes, "p50", "time", "required", "half are faster"},
    {Place::kTakes, "p95", "time", "required", "19 of 20 are faster; log-normal"},

    {Place::kFailure, "share", "share", "required", "of its requests that fail"},
    {Place::kFailure, "at", "start, end", "end", "before or after its steps"},
    {Place::kFailure, "status", "number", "500", "the HTTP status, 400 to 599"},

    {Place::kStep, "call", "service endpoint", "", "calls it: `call: user GET /users/{id}`"},
    {Place::kStep, "db", "system name", "", "asks a database: `db: postgresql orders`, `db: redis`"},
    {Place::kStep, "publish", "topic", "", "publishes; every service that consumes the topic gets it"},
    {Place::kStep, "external", "METHOD url", "",
     "calls a host without telemetry: `external: POST https://bank.example/charges`"},
    {Place::kStep, "work", "text", "", "a span of this name around `steps`"},
    {Place::kStep, "parallel", "list of *step*", "", "all at the same time, with all their repetitions"},
    {Place::kStep, "steps", "list of *step*", "", "of a `work`"},
    {Place::kStep, "name", "text", "its target", "how deploys speak of the step"},
    {Place::kStep, "reads", "text", "", "of a `db`: the table"},
    {Place::kStep, "writes", "text", "", "of a `db`: the table"},
    {Place::kStep, "takes", "latency", "1ms",
     "the span's time; of a `call` only the network's, of a `work` its own"},
    {Place::kStep, "probability", "share", "100%", "how often it happens at all"},
    {Place::kStep, "times", "number or range", "1", "a loop: `3`, `2..5`"},
    {Place::kStep, "fails", "share or *step fails*", "0",
     "of one attempt, beside what the callee itself fails"},
    {Place::kStep, "retry", "*retry*", "", "tries again after a failure"},
    {Place::kStep, "on_fail", "stop, continue", "stop", "stop: the route fails too"},
    {Place::kStep, "cache", "share or *cache*", "0", "how often the step is not needed"},

    {Place::kStepFailure, "share", "share", "required", "of attempts that fail"},
    {Place::kStepFailure, "as", "answered, refused", "answered", "503 by the callee, or nobody answers"},

    {Place::kRetry, "attempts", "number", "required", "with the first one, 1 to 100"},
    {Place::kRetry, "wait", "time", "0s", "between two"},

    {Place::kCache, "hit", "share", "required", "how often the step is not needed"},
    {Place::kCache, "db", "system name", "", "the cache is asked first, which shows in the trace"},

    {Place::kTraffic, "request", "service endpoint", "required", "where it enters"},
    {Place::kTraffic, "weight", "number", "1", "its part of the traffic"},
    {Place::kTraffic, "environment", "text", "", "`deployment.environment.name` of all its spans"},
    {Place::kTraffic, "from", "client, browser", "client",
     "a browser passes a trace context on and sends no span"},
    {Place::kTraffic, "test", "text", "", "test traffic; the name of the test"},

    {Place::kDeploy, "at", "time", "required", "since the start"},
    {Place::kDeploy, "name", "text", "", "what it is, for people"},
    {Place::kDeploy, "service", "text", "required", "what is deployed"},
    {Place::kDeploy, "version", "text", "", "its new version"},
    {Place::kDeploy, "attributes", "map of name to text", "", "resource attributes that change"},
    {Place::kDeploy, "route", "endpoint", "", "which route of it changes"},
    {Place::kDeploy, "changes", "list of *change*", "", "how, in this order"},

    {Place::kChange, "add", "*step*", "", "a new step, at the end unless `before` or `after` say where"},
    {Place::kChange, "remove", "step name", "", "the step goes"},
    {Place::kChange, "move", "step name", "", "the step goes to another place"},
    {Place::kChange, "change", "step name", "",
     "the step gets what stands beside; without one the route itself does (`takes`, `fails`, `slower`)"},
    {Place::kChange, "before", "step name", "", "where to `add` or `move`"},
    {Place::kChange, "after", "step name", "", "where to `add` or `move`"},
    {Place::kChange, "slower", "number", "", "times as slow as before"},
    {Place::kChange, "takes", "latency", "", "as in *step*, *route*"},
    {Place::kChange, "probability", "share", "", "as in *step*"},
    {Place::kChange, "times", "number or range", "", "as in *step*: `1` to `5` makes an N+1"},
    {Place::kChange, "fails", "share or *fails*", "", "as in *step*, *route*"},
    {Place::kChange, "retry", "*retry*", "", "as in *step*"},
    {Place::kChange, "on_fail", "stop, continue", "", "as in *step*"},
    {Place::kChange, "cache", "share or *cache*", "", "as in *step*"},
};

constexpr std::string_view kTitles[] = {"file",  "telemetry", "late_spans", "topic",  "service",
                                        "route", "latency",   "fails",      "step",   "step fails",
                                        "retry", "cache",     "traffic",    "deploy", "change"};

}  // namespace

std::span<const Key> all_keys() { return kKeys; }

std::vector<std::string_view> keys_of(Place place) {
  std::vector<std::string_view> names;
  for (const Key& key : kKeys)
    if (key.place == place) names.push_back(key.name);
  return names;
}

std::string_view title_of(Place place) { return kTitles[static_cast<size_t>(place)]; }

std::string reference_table() {
  std::string text = "| in | key | value | if absent | |\n|---|---|---|---|---|\n";
  const Key* previous = nullptr;
  for (const Key& key : kKeys) {
    const bool first = !previous || previous->place != key.place;
    previous = &key;
    text.append("| ").append(first ? "**" + std::string(title_of(key.place)) + "**" : "");
    text.append(" | `").append(key.name).append("` | ").append(key.form).append(" | ");
    if (!key.standard.empty()) {
      const bool word = key.standard == "required" || key.standard == "its target";
      text.append(word ? std::string(key.standard) : "`" + std::string(key.standard) + "`");
    }
    text.append(" | ").append(key.meaning).append(" |\n");
  }
  return text;
}

}  // namespace testmesh::simulate
