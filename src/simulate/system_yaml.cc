#include "simulate/system_yaml.h"

#include <fmt/format.h>

#include <algorithm>

#include "simulate/route.h"
#include "simulate/system_reader.h"
#include "simulate/values.h"

namespace testmesh::simulate {
namespace {

std::string suggestion(std::string_view word, const std::map<std::string, uint32_t, std::less<>>& words) {
  std::vector<std::string_view> views;
  for (const auto& [name, number] : words) views.push_back(name);
  return simulate::suggestion(word, views);
}

constexpr Duration kHour = std::chrono::hours(1);
constexpr std::string_view kMethods[] = {"GET",    "HEAD",    "POST",  "PUT",    "PATCH",
                                         "DELETE", "OPTIONS", "TRACE", "CONNECT"};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

System SystemReader::read(const YamlNode& file) {
  const MapReader map(problems_, file, Place::kFile);
  system_.phases.emplace_back();
  deploys_.push_back(nullptr);
  map.text("name", system_.name);
  if (const YamlNode* rate = map.find("rate")) {
    const std::string_view text = scalar_of(problems_, *rate, "a rate such as 20/s");
    if (const auto value = rate_of(text)) {
      system_.rate = *value;
    } else if (rate->type == YamlType::kText) {
      problems_.add(*rate, "this is no rate; write it like 20/s or 90/m, at most 1000000/s");
    }
  }
  if (const YamlNode* telemetry = map.find("telemetry")) read_telemetry(*telemetry);
  if (const YamlNode* topics = map.find("topics")) read_topics(*topics);
  if (const YamlNode* services = map.require("services")) {
    read_service_names(*services);
    read_handlers(*services);
  }
  map.require("traffic");
  for (const YamlNode& entry : map.list("traffic")) read_traffic(entry);
  for (const YamlNode& deploy : map.list("deploys")) read_deploy(deploy);
  for (Phase& phase : system_.phases) phase.topics = topics_;
  if (!problems_.any()) check_all(file);
  return std::move(system_);
}

void SystemReader::check_all(const YamlNode& file) {
  CheckedPlace place;
  const auto checked = check(system_, place);
  if (checked) return;
  const YamlNode* at = &file;
  if (place.phase > 0 && deploys_[place.phase]) {
    at = deploys_[place.phase];
  } else if (const auto found = endpoints_.find({place.service, place.endpoint}); found != endpoints_.end()) {
    at = found->second;
  }
  problems_.add(*at, checked.error().message);
}

void SystemReader::read_telemetry(const YamlNode& node) {
  const MapReader map(problems_, node, Place::kTelemetry);
  Telemetry& telemetry = system_.telemetry;
  map.share("sampling", telemetry.sampling);
  map.share("lost_spans", telemetry.lost_spans);
  map.share("duplicate_spans", telemetry.duplicate_spans);
  map.time("clock_skew", telemetry.clock_skew, Duration(), kHour);
  map.time("flush", telemetry.flush, std::chrono::milliseconds(1), kHour);
  const YamlNode* late = map.find("late_spans");
  if (!late) return;
  if (late->type != YamlType::kMap) return map.share("late_spans", telemetry.late_spans);
  const MapReader how(problems_, *late, Place::kLate);
  how.require("share");
  how.share("share", telemetry.late_spans);
  how.time("by", telemetry.late_by, std::chrono::milliseconds(1), kHour);
}

uint32_t SystemReader::topic(const std::string& name) {
  const auto [at, added] = topic_numbers_.emplace(name, static_cast<uint32_t>(topics_.size()));
  if (added) topics_.push_back({.name = name});
  return at->second;
}

void SystemReader::read_topics(const YamlNode& node) {
  if (node.type != YamlType::kMap) return problems_.add(node, "topics must be a map of their names");
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const uint32_t position = topic(text_of(problems_, node.keys[i]));
    if (node.values[i].type == YamlType::kNothing) continue;
    const MapReader map(problems_, node.values[i], Place::kTopic);
    map.text("system", topics_[position].system);
    map.latency("delay", topics_[position].delay);
  }
}

// Services and their endpoints first: steps speak of those further down, too.
void SystemReader::read_service_names(const YamlNode& node) {
  if (node.type != YamlType::kMap) return problems_.add(node, "services must be a map of their names");
  endpoint_numbers_.resize(node.keys.size());
  for (size_t i = 0; i < node.keys.size(); ++i) {
    Service service{.name = text_of(problems_, node.keys[i]), .version = "1.0.0", .language = "java"};
    if (service.name.contains(' ') || service.name == "testmesh")
      problems_.add(node.keys[i], "the name of a service has no blanks and is not testmesh");
    service_numbers_[service.name] = static_cast<uint32_t>(phase().services.size());
    phase().services.push_back(std::move(service));
    ++parts_;
  }
}

std::optional<Endpoint> SystemReader::endpoint_of(const YamlNode& key, const Service& service) {
  const std::string text = text_of(problems_, key);
  if (text.empty()) return std::nullopt;
  const size_t space = text.find(' ');
  const std::string first = text.substr(0, space);
  const std::string rest(space == std::string::npos ? "" : trimmed(std::string_view(text).substr(space)));
  Endpoint endpoint;
  if (first == "consume" && !rest.empty()) {
    endpoint.kind = EndpointKind::kConsumer;
    endpoint.topic = topic(rest);
    return endpoint;
  }
  if (first == "rpc" && rest.contains('/') && !rest.contains(' ')) {
    const size_t slash = rest.rfind('/');
    endpoint.kind = EndpointKind::kRpc;
    endpoint.route = rest.substr(0, slash);
    endpoint.method = rest.substr(slash + 1);
    if (!endpoint.route.empty() && !endpoint.method.empty() && !endpoint.route.contains('/')) return endpoint;
  }
  if (std::ranges::find(kMethods, first) == std::ranges::end(kMethods) || rest.empty()) {
    problems_.add(key,
                  "this is no endpoint; write it like 'GET /users/{id}', 'rpc shop.Stock/Reserve' or "
                  "'consume order.created'");
    return std::nullopt;
  }
  endpoint.method = first;
  endpoint.route = rest;
  if (const std::string problem = problem_of_route(rest); !problem.empty()) {
    problems_.add(key, problem);
    return std::nullopt;
  }
  if (service.language == "go" && service.names_routes)
    for (const Segment& segment : segments_of(rest))
      if (segment.parameter.empty() && looks_like_id(segment.text))
        problems_.add(key,
                      fmt::format("Go's SDK sends no route, only the path, in which '{}' looks like an id",
                                  segment.text));
  return endpoint;
}

void SystemReader::read_attributes(const MapReader& map, Service& service) {
  const YamlNode* attributes = map.find("attributes");
  if (!attributes) return;
  if (attributes->type != YamlType::kMap)
    return problems_.add(*attributes, "attributes must be a map of names to texts");
  for (size_t i = 0; i < attributes->keys.size(); ++i) {
    const std::string name = text_of(problems_, attributes->keys[i]);
    const std::string value = text_of(problems_, attributes->values[i]);
    if (i >= kMostAttributes)
      return problems_.add(attributes->keys[i],
                           fmt::format("a service has at most {} attributes", kMostAttributes));
    if (name == "service.name" || name == "service.version" || name == "service.instance.id" ||
        name.starts_with("deployment.environment"))
      problems_.add(attributes->keys[i], fmt::format("{} is set already", name));
    const auto known =
        std::ranges::find(service.attributes, name, &std::pair<std::string, std::string>::first);
    if (known != service.attributes.end()) {
      known->second = value;
    } else {
      service.attributes.emplace_back(name, value);
    }
  }
}

void SystemReader::read_service(const YamlNode& node, Service& service) {
  const MapReader map(problems_, node, Place::kService);
  map.text("version", service.version);
  map.text("language", service.language);
  service.conventions =
      map.choice("conventions", {"new", "old"}, 0) == 1 ? Conventions::kOld : Conventions::kNew;
  map.number("instances", service.instances, 1, 1000);
  read_attributes(map, service);
  map.yes_or_no("names_routes", service.names_routes);
  map.share("sampling", service.sampling);
  map.time("clock_skew", service.clock_skew, -kHour, kHour);
  map.time("clock_step", service.clock_step, Duration(1), std::chrono::seconds(1));
  const YamlNode* routes = map.find("routes");
  if (!routes) return;
  if (routes->type != YamlType::kMap) return problems_.add(*routes, "routes must be a map of endpoints");
  for (const YamlNode& key : routes->keys) {
    const auto endpoint = endpoint_of(key, service);
    const auto number = static_cast<uint32_t>(service.endpoints.size());
    const auto of = static_cast<uint32_t>(&service - phase().services.data());
    // A wrong one keeps its place, so that the others are found behind it.
    service.endpoints.push_back(endpoint.value_or(Endpoint{.method = "?", .route = "/"}));
    endpoints_[{of, number}] = &key;
    ++parts_;
    if (!endpoint) continue;
    const std::string name = endpoint->kind == EndpointKind::kConsumer
                                 ? "consume " + topics_[endpoint->topic].name
                                 : endpoint_name(phase(), *endpoint);
    if (!endpoint_numbers_[of].emplace(name, number).second)
      problems_.add(key, fmt::format("'{}' stands here twice", name));
  }
}

void SystemReader::read_handlers(const YamlNode& services) {
  if (services.type != YamlType::kMap) return;
  for (size_t s = 0; s < services.keys.size(); ++s)
    if (services.values[s].type != YamlType::kNothing) read_service(services.values[s], phase().services[s]);
  for (size_t s = 0; s < services.keys.size(); ++s) {
    const YamlNode& described = services.values[s];
    const auto found = std::ranges::find(described.keys, "routes", &YamlNode::text);
    if (found == described.keys.end()) continue;
    const YamlNode& routes = described.values[static_cast<size_t>(found - described.keys.begin())];
    if (routes.type != YamlType::kMap) continue;
    for (size_t e = 0; e < routes.keys.size(); ++e)
      if (routes.values[e].type != YamlType::kNothing)
        read_handler(routes.values[e], phase().services[s].endpoints[e].handler);
  }
}

void SystemReader::read_handler(const YamlNode& node, Handler& handler) {
  const MapReader map(problems_, node, Place::kRoute);
  map.latency("takes", handler.own);
  read_handler_failure(map, handler);
  handler.steps = read_steps(map.list("steps"), false, 1);
}

void SystemReader::read_handler_failure(const MapReader& map, Handler& handler) {
  const YamlNode* fails = map.find("fails");
  if (!fails) return;
  if (fails->type != YamlType::kMap) return read_share(problems_, *fails, handler.fails);
  const MapReader how(problems_, *fails, Place::kFailure);
  how.require("share");
  how.share("share", handler.fails);
  handler.fails_at =
      how.choice("at", {"start", "end"}, 1) == 0 ? FailPoint::kBeforeSteps : FailPoint::kAfterSteps;
  uint32_t status = 500;
  how.number("status", status, 400, 599);
  handler.status = static_cast<int>(status);
}

std::optional<uint32_t> SystemReader::find_service(const YamlNode& at, std::string_view name) {
  if (const auto found = service_numbers_.find(name); found != service_numbers_.end()) return found->second;
  problems_.add(at, fmt::format("there is no service '{}'{}", name, suggestion(name, service_numbers_)));
  return std::nullopt;
}

std::optional<uint32_t> SystemReader::find_endpoint_of(const YamlNode& at, uint32_t service,
                                                       std::string_view text) {
  if (text.starts_with("rpc ")) text = trimmed(text.substr(4));
  const auto& numbers = endpoint_numbers_[service];
  if (const auto found = numbers.find(text); found != numbers.end()) return found->second;
  problems_.add(at, fmt::format("{} has no route '{}'{}", phase().services[service].name, text,
                                suggestion(text, numbers)));
  return std::nullopt;
}

// "service endpoint"
std::optional<SystemReader::EndpointPlace> SystemReader::find_endpoint(const YamlNode& at,
                                                                       std::string_view text) {
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) {
    problems_.add(at, "a service and one of its routes are expected here, such as 'user GET /users/{id}'");
    return std::nullopt;
  }
  const auto service = find_service(at, text.substr(0, space));
  if (!service) return std::nullopt;
  const auto endpoint = find_endpoint_of(at, *service, trimmed(text.substr(space)));
  if (!endpoint) return std::nullopt;
  if (phase().services[*service].endpoints[*endpoint].kind == EndpointKind::kConsumer) {
    problems_.add(at, "a consumer cannot be called; publish to its topic");
    return std::nullopt;
  }
  return EndpointPlace{*service, *endpoint};
}

void SystemReader::read_traffic(const YamlNode& node) {
  const MapReader map(problems_, node, Place::kTraffic);
  Entry entry;
  const YamlNode* request = map.require("request");
  if (request) {
    if (const auto place =
            find_endpoint(*request, scalar_of(problems_, *request, "a service and its route"))) {
      entry.service = place->service;
      entry.endpoint = place->endpoint;
    }
  }
  if (const YamlNode* weight = map.find("weight")) {
    const auto number = number_of(scalar_of(problems_, *weight, "a number"));
    if (number && *number >= 0 && *number <= 1e9) {
      entry.weight = *number;
    } else if (weight->type == YamlType::kText) {
      problems_.add(*weight, "a weight is a number from 0 to 1e9");
    }
  }
  map.text("environment", entry.environment);
  entry.untraced_caller = map.choice("from", {"client", "browser"}, 0) == 1;
  map.text("test", entry.test);
  phase().entries.push_back(std::move(entry));
}

std::expected<System, std::vector<Problem>> read_system(std::string_view text) {
  const yaml::Document document(text, kYamlRules);
  std::vector<Problem> problems = document.problems();
  if (!problems.empty()) return std::unexpected(std::move(problems));
  System system = SystemReader(problems).read(document.root());
  if (problems.empty()) return system;
  std::ranges::stable_sort(problems, [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::unexpected(std::move(problems));
}

std::string to_text(const std::vector<Problem>& problems, std::string_view file) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}:{}:{}: {}", file, problem.line, problem.column, problem.message);
  }
  return text;
}

}  // namespace testmesh::simulate
