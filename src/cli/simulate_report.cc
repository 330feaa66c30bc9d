#include "cli/simulate_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

using namespace simulate;

constexpr size_t kMostBehaviours = 20;  // shown of one entry
constexpr size_t kIndent = 6;

std::string time_text(Duration time) { return duration_text(static_cast<double>(time.count()) / 1e6); }

std::string latency_text(const Latency& latency) {
  return latency.sigma > 0 ? "about " + time_text(latency.median) : time_text(latency.median);
}

std::string target_text(const Phase& phase, const Step& step) {
  switch (step.kind) {
    case StepKind::kCall: {
      const Service& service = phase.services[step.service];
      return fmt::format("call {} {}", service.name, endpoint_name(phase, service.endpoints[step.endpoint]));
    }
    case StepKind::kDatabase: {
      const bool reads = step.database.access == Access::kRead;
      const std::string name = step.database.name.empty() ? "" : " " + step.database.name;
      const std::string table = step.database.collection.empty() ? "" : " " + step.database.collection;
      return fmt::format("{} {}{}{}", reads ? "read" : "write", step.database.system, name, table);
    }
    case StepKind::kPublish:
      return "publish " + phase.topics[step.topic].name;
    case StepKind::kExternal:
      return fmt::format("external {} https://{}{}", step.method, step.host, step.path);
    case StepKind::kWork:
      return "work " + step.name;
    case StepKind::kParallel:
      return "at the same time";
  }
  return {};
}

std::string settings_text(const Step& step) {
  std::string text;
  const auto add = [&](std::string more) { text += ", " + more; };
  if (step.kind != StepKind::kParallel) add(latency_text(step.latency));
  if (step.probability < 1) add("in " + percent_text(step.probability));
  if (step.cache_hit > 0)
    add(fmt::format("not needed in {}{}", percent_text(step.cache_hit),
                    step.cache ? " (asks " + step.cache->system + ")" : ""));
  if (step.times.least != step.times.most)
    add(fmt::format("{} to {} times", step.times.least, step.times.most));
  if (step.times.least == step.times.most && step.times.most != 1)
    add(fmt::format("{} times", step.times.most));
  if (step.fails > 0)
    add(fmt::format("{} in {}", step.failure == FailureKind::kRefused ? "refused" : "fails",
                    percent_text(step.fails)));
  if (step.attempts > 1) add(fmt::format("up to {} attempts", step.attempts));
  if (step.on_fail == OnFail::kContinue) add("goes on after a failure");
  return text;
}

void print_steps(Terminal& terminal, const Phase& phase, const std::vector<Step>& steps, size_t indent) {
  for (const Step& step : steps) {
    terminal.out << std::string(indent, ' ') << printable(target_text(phase, step) + settings_text(step))
                 << '\n';
    print_steps(terminal, phase, step.steps, indent + 2);
  }
}

void print_services(Terminal& terminal, const Phase& phase) {
  for (const Service& service : phase.services) {
    terminal.out << '\n'
                 << printable(fmt::format("{}  {}, version {}, {}", service.name, service.language,
                                          service.version, counted(service.instances, "instance")))
                 << '\n';
    for (const Endpoint& endpoint : service.endpoints) {
      const Handler& handler = endpoint.handler;
      terminal.out << "  " << printable(endpoint_name(phase, endpoint)) << ", " << latency_text(handler.own);
      if (handler.fails > 0) terminal.out << ", fails in " << percent_text(handler.fails);
      terminal.out << '\n';
      print_steps(terminal, phase, handler.steps, 4);
    }
  }
}

std::string request_text(const Phase& phase, const Entry& entry) {
  const Service& service = phase.services[entry.service];
  return service.name + " " + endpoint_name(phase, service.endpoints[entry.endpoint]);
}

double all_weights(const Phase& phase) {
  double sum = 0;
  for (const Entry& entry : phase.entries) sum += entry.weight;
  return sum;
}

void print_behaviours(Terminal& terminal, const Behaviours& found) {
  if (!found.complete) terminal.out << "    too many choices to try all; shares of drawn traces:\n";
  for (size_t i = 0; i < std::min(found.behaviours.size(), kMostBehaviours); ++i) {
    const Behaviour& behaviour = found.behaviours[i];
    std::string path;
    for (size_t at = 0; at < behaviour.path.size(); ++at) {
      const bool arrow = behaviour.path.compare(at, 2, "->") == 0;
      path += arrow ? " -> " : std::string(1, behaviour.path[at]);
      at += arrow ? 1 : 0;
    }
    const std::string share =
        behaviour.probability < 0.00005 ? "<0.01 %" : percent_text(behaviour.probability);
    const std::string errors = behaviour.error_share > 0
                                   ? fmt::format("  (with an error: {})", percent_text(behaviour.error_share))
                                   : "";
    const std::string line = printable(path) + errors;
    const size_t room = terminal.width > 12 + kIndent ? terminal.width - 12 - kIndent : 0;
    terminal.out << "    " << pad_left(share, 7) << ' ' << wrap(line, " -> ", room, 12) << '\n';
  }
  if (found.behaviours.size() > kMostBehaviours)
    terminal.out << fmt::format("    and {} more\n", found.behaviours.size() - kMostBehaviours);
}

bool same_behaviours(const Behaviours& a, const Behaviours& b) {
  return std::ranges::equal(a.behaviours, b.behaviours, [](const Behaviour& x, const Behaviour& y) {
    return x.path == y.path && x.probability == y.probability && x.error_share == y.error_share;
  });
}

// Calls `visit(phase, entry, behaviours)` for those that are new in their phase.
template <typename Visit>
void for_each_new_behaviour(const System& system, const Visit& visit) {
  std::vector<Behaviours> before;
  for (uint32_t p = 0; p < system.phases.size(); ++p) {
    for (uint32_t e = 0; e < system.phases[p].entries.size(); ++e) {
      Behaviours now = enumerate(system, p, e);
      const bool is_new = p == 0 || !same_behaviours(before[e], now);
      if (is_new) visit(p, e, now);
      if (p == 0) {
        before.push_back(std::move(now));
      } else {
        before[e] = std::move(now);
      }
    }
  }
}

Json to_json(const Behaviours& found) {
  Json list = Json::array();
  for (const Behaviour& behaviour : found.behaviours)
    list.push_back({{"path", behaviour.path},
                    {"probability", behaviour.probability},
                    {"error_share", behaviour.error_share}});
  return list;
}

}  // namespace

void print_described(Terminal& terminal, const System& system) {
  const Phase& first = system.phases.front();
  terminal.out << printable(system.name.empty() ? "A system" : system.name)
               << fmt::format(": {}, {:g} requests/s from outside\n",
                              counted(static_cast<double>(first.services.size()), "service"), system.rate);
  print_services(terminal, first);
  uint32_t shown = UINT32_MAX;
  for_each_new_behaviour(system, [&](uint32_t p, uint32_t e, const Behaviours& found) {
    const Phase& phase = system.phases[p];
    if (p != shown && p == 0) terminal.out << "\nWhat its requests do\n";
    if (p != shown && p > 0)
      terminal.out << fmt::format("\nAfter {}: {}\n", time_text(phase.at), printable(phase.what));
    shown = p;
    const Entry& entry = phase.entries[e];
    terminal.out << fmt::format("  {}, {} of the traffic, up to {}{}{}\n",
                                printable(request_text(phase, entry)),
                                percent_text(entry.weight / all_weights(phase)),
                                counted(static_cast<double>(most_spans(phase, entry)), "span"),
                                entry.environment.empty() ? "" : ", in " + printable(entry.environment),
                                entry.test.empty() ? "" : ", by the test '" + printable(entry.test) + "'");
    print_behaviours(terminal, found);
  });
  for (size_t p = 1; p < system.phases.size(); ++p) {
    const Phase& phase = system.phases[p];
    for (size_t s = 0; s < phase.services.size(); ++s)
      for (size_t e = 0; e < phase.services[s].endpoints.size(); ++e) {
        const Handler& now = phase.services[s].endpoints[e].handler;
        const Handler& before = system.phases[p - 1].services[s].endpoints[e].handler;
        const auto texts = [](const Phase& of, const Handler& handler) {
          std::vector<std::string> lines{latency_text(handler.own) + percent_text(handler.fails)};
          const auto add = [&](const auto& self, const std::vector<Step>& steps) -> void {
            for (const Step& step : steps) {
              lines.push_back(target_text(of, step) + settings_text(step));
              self(self, step.steps);
            }
          };
          add(add, handler.steps);
          return lines;
        };
        if (texts(phase, now) == texts(system.phases[p - 1], before)) continue;
        terminal.out << fmt::format("\nAfter {}, {} {} does\n", time_text(phase.at),
                                    printable(phase.services[s].name),
                                    printable(endpoint_name(phase, phase.services[s].endpoints[e])));
        print_steps(terminal, phase, now.steps, 4);
      }
  }
}

Json described_json(const System& system) {
  const Phase& first = system.phases.front();
  Json services = Json::array();
  for (const Service& service : first.services) {
    Json routes = Json::array();
    for (const Endpoint& endpoint : service.endpoints) routes.push_back(endpoint_name(first, endpoint));
    services.push_back({{"name", service.name},
                        {"version", service.version},
                        {"language", service.language},
                        {"instances", service.instances},
                        {"routes", std::move(routes)}});
  }
  Json phases = Json::array();
  for (const Phase& phase : system.phases)
    phases.push_back({{"at_seconds", std::chrono::duration<double>(phase.at).count()},
                      {"what", phase.what},
                      {"requests", Json::array()}});
  for_each_new_behaviour(system, [&](uint32_t p, uint32_t e, const Behaviours& found) {
    const Phase& phase = system.phases[p];
    const Entry& entry = phase.entries[e];
    phases[p]["requests"].push_back({{"request", request_text(phase, entry)},
                                     {"share", entry.weight / all_weights(phase)},
                                     {"environment", entry.environment},
                                     {"test", entry.test},
                                     {"most_spans", most_spans(phase, entry)},
                                     {"complete", found.complete},
                                     {"behaviours", to_json(found)}});
  });
  return Json{{"name", system.name},
              {"rate", system.rate},
              {"services", std::move(services)},
              {"phases", std::move(phases)}};
}

void print_summary(Terminal& terminal, const RunSummary& summary, const RunCounts& counts) {
  const auto spans = static_cast<double>(counts.spans.load());
  terminal.out << fmt::format(
      "{}, {} in {} to {} (seed {}): {:.1f} s, {:.0f} spans/s\n",
      counted(static_cast<double>(counts.traces.load()), "trace"), counted(spans, "span"),
      counted(static_cast<double>(counts.requests.load()), "request"), printable(summary.target),
      summary.seed, summary.seconds, summary.seconds > 0 ? spans / summary.seconds : 0);
  if (counts.refusals > 0)
    terminal.out << fmt::format("{} had to be sent again, as the other side asked to wait or was gone\n",
                                counted(static_cast<double>(counts.refusals.load()), "request"));
  if (counts.rejected > 0)
    terminal.out << fmt::format("{} rejected: {}\n",
                                counted(static_cast<double>(counts.rejected.load()), "span"),
                                printable(summary.rejected_why));
}

Json summary_json(const RunSummary& summary, const RunCounts& counts) {
  Json json{{"target", summary.target},           {"seed", summary.seed},
            {"traces", counts.traces.load()},     {"spans", counts.spans.load()},
            {"requests", counts.requests.load()}, {"rejected_spans", counts.rejected.load()},
            {"retries", counts.refusals.load()},  {"seconds", summary.seconds}};
  if (!summary.rejected_why.empty()) json["message"] = summary.rejected_why;
  return json;
}

}  // namespace testmesh::cli
