// Turns the made-up shop (workload_shop.h) into span templates: resources, scopes,
// and the flows behind each endpoint.
#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "bench/workload.h"
#include "bench/workload_shop.h"

namespace testmesh::bench {
namespace {

// ---- Protobuf, as far as templates need it -----------------------------------

// Bytes with patches at offsets into them; nesting moves the patches along.
struct Form {
  std::string bytes;
  std::vector<Patch> patches;
};

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}

void put_tag(std::string& out, uint32_t field, uint32_t wire_type) {
  put_varint(out, field << 3 | wire_type);
}

void put_integer(std::string& out, uint32_t field, uint64_t value) {
  put_tag(out, field, 0);
  put_varint(out, value);
}

void put_bytes(std::string& out, uint32_t field, std::string_view value) {
  put_tag(out, field, 2);
  put_varint(out, value.size());
  out += value;
}

void put_form(Form& out, uint32_t field, const Form& inner) {
  put_tag(out.bytes, field, 2);
  put_varint(out.bytes, inner.bytes.size());
  const size_t base = out.bytes.size();
  out.bytes += inner.bytes;
  for (Patch patch : inner.patches) {
    patch.offset = static_cast<uint16_t>(patch.offset + base);
    out.patches.push_back(patch);
  }
}

// Room for a fixed number of bytes to be patched; returns where it is.
uint16_t put_room(std::string& out, uint32_t field, uint32_t wire_type, size_t size) {
  put_tag(out, field, wire_type);
  if (wire_type == 2) put_varint(out, size);
  const auto at = static_cast<uint16_t>(out.size());
  out.append(size, '\0');
  return at;
}

// ---- Values -------------------------------------------------------------------

// "{order}" in a text stands for a value of the trace or of the span.
struct Placeholder {
  std::string_view name;
  std::vector<Patch> parts;        // offsets are set when used
  std::string_view literals = {};  // between the parts, one character each
};

const std::vector<Placeholder>& placeholders() {
  constexpr PatchKind kHexKind = PatchKind::kHex;
  constexpr PatchKind kDecimalKind = PatchKind::kDecimal;
  static const std::vector<Placeholder> all = {
      {"order", {{0, kHexKind, 12, 0, 0, 0, 0}}},
      {"customer", {{0, kDecimalKind, 8, 1, 0, 10'000'000, 90'000'000}}},
      {"session",
       {{0, kHexKind, 8, 2, 0, 0, 0},
        {0, kHexKind, 4, 2, 32, 0, 0},
        {0, kHexKind, 4, 2, 48, 0, 0},
        {0, kHexKind, 4, 3, 0, 0, 0},
        {0, kHexKind, 12, 3, 16, 0, 0}},
       "----"},
      {"cart", {{0, kHexKind, 16, 4, 0, 0, 0}}},
      {"tenant", {{0, kDecimalKind, 2, 5, 0, 10, 40}}},
      {"sku", {{0, kDecimalKind, 6, 5, 20, 100'000, 900'000}}},
      {"number", {{0, kDecimalKind, 6, kFreshValue, 0, 100'000, 900'000}}},
      {"hex16", {{0, kHexKind, 16, kFreshValue, 0, 0, 0}}},
      {"octet", {{0, kDecimalKind, 3, kFreshValue, 20, 100, 150}}},
      {"page", {{0, kDecimalKind, 1, kFreshValue, 24, 1, 9}}},
  };
  return all;
}

void put_placeholder(Form& out, const Placeholder& placeholder) {
  for (size_t i = 0; i < placeholder.parts.size(); ++i) {
    if (i > 0 && i <= placeholder.literals.size()) out.bytes += placeholder.literals[i - 1];
    Patch patch = placeholder.parts[i];
    patch.offset = static_cast<uint16_t>(out.bytes.size());
    out.bytes.append(patch.width, '0');
    out.patches.push_back(patch);
  }
}

// A brace that opens no known name is text, as in "/orders/{orderId}".
Form text_form(std::string_view pattern) {
  Form form;
  while (!pattern.empty()) {
    if (pattern.front() == '{') {
      const std::string_view name = pattern.substr(1, pattern.find('}') - 1);
      const auto found = std::ranges::find(placeholders(), name, &Placeholder::name);
      if (found != placeholders().end()) {
        put_placeholder(form, *found);
        pattern.remove_prefix(name.size() + 2);
        continue;
      }
    }
    form.bytes += pattern.front();
    pattern.remove_prefix(1);
  }
  return form;
}

void put_attribute(Form& out, uint32_t field, std::string_view key, const Form& any_value) {
  Form pair;
  put_bytes(pair.bytes, 1, key);
  put_form(pair, 2, any_value);
  put_form(out, field, pair);
}

void put_text(Form& out, uint32_t field, std::string_view key, std::string_view pattern) {
  Form value;
  put_form(value, 1, text_form(pattern));
  put_attribute(out, field, key, value);
}

void put_literal(Form& out, uint32_t field, std::string_view key, std::string_view text) {
  Form value;
  put_bytes(value.bytes, 1, text);
  put_attribute(out, field, key, value);
}

void put_number(Form& out, uint32_t field, std::string_view key, uint64_t number) {
  Form value;
  put_integer(value.bytes, 3, number);
  put_attribute(out, field, key, value);
}

// A fresh number whose varint has `width` bytes for every value of the range.
void put_fresh_number(Form& out, uint32_t field, std::string_view key, uint8_t width, uint32_t low,
                      uint32_t range, uint8_t shift) {
  Form value;
  put_tag(value.bytes, 3, 0);
  value.patches.push_back(
      {static_cast<uint16_t>(value.bytes.size()), PatchKind::kVarint, width, kFreshValue, shift, low, range});
  value.bytes.append(width, '\0');
  put_attribute(out, field, key, value);
}

// ---- Spans ----------------------------------------------------------------------

enum class Kind : uint8_t { kInternal = 1, kServer, kClient, kProducer, kConsumer };
enum class Outcome : uint8_t { kGood, kFailed, kThrew };

constexpr uint32_t kSpanAttributes = 9;

using Attributes = std::function<void(Form&, bool failed)>;

Form exception_event(uint16_t& time_at) {
  Form event;
  time_at = put_room(event.bytes, 1, 1, 8);
  put_bytes(event.bytes, 2, "exception");
  put_text(event, 3, "exception.type", "java.sql.SQLTransientConnectionException");
  put_text(event, 3, "exception.message",
           "HikariPool-1 - Connection is not available, request timed out after {number}us");
  put_text(event, 3, "exception.stacktrace",
           "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available\n"
           "\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)\n"
           "\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197)\n");
  return event;
}

SpanTemplate make_template(std::string_view name, Kind kind, bool has_parent, Outcome outcome,
                           const Attributes& attributes) {
  SpanTemplate made;
  Form span;
  made.trace_id_at = put_room(span.bytes, 1, 2, 16);
  made.span_id_at = put_room(span.bytes, 2, 2, 8);
  if (has_parent) made.parent_id_at = put_room(span.bytes, 4, 2, 8);
  put_bytes(span.bytes, 5, name);
  put_integer(span.bytes, 6, static_cast<uint64_t>(kind));
  made.start_at = put_room(span.bytes, 7, 1, 8);
  made.end_at = put_room(span.bytes, 8, 1, 8);
  attributes(span, outcome != Outcome::kGood);
  if (outcome == Outcome::kThrew) {
    uint16_t time_at = 0;
    const Form event = exception_event(time_at);
    put_form(span, 11, event);
    made.event_time_at = static_cast<uint16_t>(span.bytes.size() - event.bytes.size() + time_at);
  }
  if (outcome != Outcome::kGood) {
    Form status;
    if (outcome == Outcome::kThrew) put_bytes(status.bytes, 2, "connection pool exhausted");
    put_integer(status.bytes, 3, 2);
    put_form(span, 15, status);
  }
  // flags: sampled; and known to have, or not to have, a remote parent.
  const uint16_t flags_at = put_room(span.bytes, 16, 5, 4);
  span.bytes[flags_at] = 1;
  span.bytes[flags_at + 1U] = has_parent && (kind == Kind::kServer || kind == Kind::kConsumer) ? 3 : 1;

  Form field;
  put_form(field, 2, span);
  const auto moved = static_cast<uint16_t>(field.bytes.size() - span.bytes.size());
  made.trace_id_at += moved;
  made.span_id_at += moved;
  made.start_at += moved;
  made.end_at += moved;
  if (has_parent) made.parent_id_at += moved;
  if (made.event_time_at != 0) made.event_time_at += moved;
  made.bytes = std::move(field.bytes);
  made.patches = std::move(field.patches);
  return made;
}

// ---- Services -------------------------------------------------------------------

enum class Scope : uint8_t { kServer, kClient, kDatabase, kMessaging, kOwn };
constexpr uint16_t kScopes = 5;
constexpr int kPods = 3;

uint16_t service_index(std::string_view name) {
  const auto found = std::ranges::find(kServices, name, &ServiceFacts::name);
  return static_cast<uint16_t>(found - kServices.begin());
}

std::string scope_field(const ServiceFacts& service, Scope scope) {
  std::string name;
  const std::string language(service.language);
  switch (scope) {
    case Scope::kServer:
      name = "io.opentelemetry." + language + ".http-server";
      break;
    case Scope::kClient:
      name = "io.opentelemetry." + language + ".http-client";
      break;
    case Scope::kDatabase:
      name = "io.opentelemetry." + language + "." + std::string(service.database_system);
      break;
    case Scope::kMessaging:
      name = "io.opentelemetry." + language + ".kafka-clients";
      break;
    case Scope::kOwn:
      name = "com.shop." + std::string(service.name);
      break;
  }
  std::string body;
  put_bytes(body, 1, name);
  put_bytes(body, 2, scope == Scope::kOwn ? service.version : "2.12.0-alpha");
  std::string field;
  put_bytes(field, 1, body);
  return field;
}

std::string hex_digits(Random& random, size_t count) {
  std::string digits;
  while (digits.size() < count) digits += "0123456789abcdef"[random.below(16)];
  return digits;
}

std::string resource_field(const ServiceFacts& service, Random& random) {
  const std::string name(service.name);
  const std::string deployment = name + "-" + hex_digits(random, 9);
  const std::string pod = deployment + "-" + hex_digits(random, 5);
  const std::string node =
      "ip-10-0-" + std::to_string(random.below(8)) + "-" + std::to_string(10 + random.below(200));
  Form resource;
  put_text(resource, 1, "service.name", name);
  put_text(resource, 1, "service.namespace", "shop");
  put_text(resource, 1, "service.version", service.version);
  put_text(resource, 1, "service.instance.id", pod);
  put_text(resource, 1, "deployment.environment.name", "production");
  put_text(resource, 1, "telemetry.sdk.language", service.language);
  put_text(resource, 1, "telemetry.sdk.name", "opentelemetry");
  put_text(resource, 1, "telemetry.sdk.version", "1.47.0");
  put_text(resource, 1, "host.name", pod);
  put_text(resource, 1, "host.arch", "amd64");
  put_text(resource, 1, "k8s.cluster.name", "eu-west-1a");
  put_text(resource, 1, "k8s.namespace.name", "shop");
  put_text(resource, 1, "k8s.deployment.name", name);
  put_text(resource, 1, "k8s.pod.name", pod);
  put_text(resource, 1, "k8s.node.name", node);
  put_number(resource, 1, "process.pid", 1 + random.below(100));
  std::string field;
  put_bytes(field, 1, resource.bytes);
  return field;
}

// ---- Flows ------------------------------------------------------------------------

using Body = std::function<void()>;

// Builds one flow step by step; a step's body adds its children.
class FlowBuilder {
 public:
  explicit FlowBuilder(Flow& flow) : flow_(flow) {}

  void server(std::string_view service, std::string_view method, std::string_view route,
              std::string_view path, const Body& body) {
    const std::string host = std::string(service) + ".shop.svc.cluster.local";
    add(
        service, Scope::kServer, std::string(method) + " " + std::string(route), Kind::kServer, 300'000,
        200'000,
        [&](Form& span, bool failed) {
          put_text(span, kSpanAttributes, "http.request.method", method);
          put_literal(span, kSpanAttributes, "http.route", route);
          put_text(span, kSpanAttributes, "url.path", path);
          put_text(span, kSpanAttributes, "url.scheme", "http");
          put_number(span, kSpanAttributes, "http.response.status_code",
                     failed             ? 500
                     : method == "POST" ? 201
                                        : 200);
          put_text(span, kSpanAttributes, "server.address", host);
          put_number(span, kSpanAttributes, "server.port", 8080);
          put_text(span, kSpanAttributes, "network.peer.address", "10.0.3.{octet}");
          put_fresh_number(span, kSpanAttributes, "network.peer.port", 3, 32'768, 28'000, 8);
          put_text(span, kSpanAttributes, "user_agent.original", "shop-http/3.12.1 (linux; amd64)");
          put_fresh_number(span, kSpanAttributes, "thread.id", 1, 16, 100, 30);
          put_text(span, kSpanAttributes, "shop.customer.id", "{customer}");
          if (failed) put_text(span, kSpanAttributes, "error.type", "500");
        },
        body);
  }

  void call(std::string_view caller, std::string_view callee, std::string_view method, std::string_view route,
            std::string_view path, const Body& body) {
    const std::string host = std::string(callee) + ".shop.svc.cluster.local";
    add(
        caller, Scope::kClient, method, Kind::kClient, 40'000, 30'000,
        [&](Form& span, bool failed) {
          put_text(span, kSpanAttributes, "http.request.method", method);
          put_text(span, kSpanAttributes, "url.full", "http://" + host + ":8080" + std::string(path));
          put_number(span, kSpanAttributes, "http.response.status_code",
                     failed             ? 500
                     : method == "POST" ? 201
                                        : 200);
          put_text(span, kSpanAttributes, "server.address", host);
          put_number(span, kSpanAttributes, "server.port", 8080);
          put_text(span, kSpanAttributes, "network.peer.address", "10.0.7.{octet}");
          put_text(span, kSpanAttributes, "network.protocol.version", "1.1");
          put_fresh_number(span, kSpanAttributes, "thread.id", 1, 16, 100, 30);
          put_text(span, kSpanAttributes, "shop.session.id", "{session}");
          if (failed) put_text(span, kSpanAttributes, "error.type", "500");
        },
        [&] { server(callee, method, route, path, body); });
  }

  void database(std::string_view service, std::string_view operation, std::string_view table,
                std::string_view query) {
    const ServiceFacts& facts = kServices[service_index(service)];
    add(
        service, Scope::kDatabase, std::string(operation) + " " + std::string(table), Kind::kClient, 900'000,
        100'000,
        [&](Form& span, bool) {
          put_text(span, kSpanAttributes, "db.system.name", facts.database_system);
          put_text(span, kSpanAttributes, "db.namespace", facts.database);
          put_text(span, kSpanAttributes, "db.operation.name", operation);
          put_text(span, kSpanAttributes, "db.collection.name", table);
          put_text(span, kSpanAttributes, "db.query.text", query);
          put_text(span, kSpanAttributes, "server.address",
                   std::string(facts.database) + "-db.shop.internal");
          put_number(span, kSpanAttributes, "server.port", 5432);
          put_fresh_number(span, kSpanAttributes, "db.response.returned_rows", 1, 1, 100, 12);
          put_fresh_number(span, kSpanAttributes, "thread.id", 1, 16, 100, 30);
          put_text(span, kSpanAttributes, "thread.name", "pool-1-thread-{page}");
        },
        [] {});
  }

  void internal(std::string_view service, std::string_view name, const Body& body = [] {}) {
    add(
        service, Scope::kOwn, name, Kind::kInternal, 120'000, 40'000,
        [&](Form& span, bool) {
          put_text(span, kSpanAttributes, "code.function.name",
                   "com.shop." + std::string(service) + "." + std::string(name));
          put_fresh_number(span, kSpanAttributes, "thread.id", 1, 16, 100, 30);
          put_text(span, kSpanAttributes, "shop.order.id", "ord_{order}");
          put_text(span, kSpanAttributes, "shop.customer.id", "{customer}");
          put_text(span, kSpanAttributes, "shop.tenant", "tenant-{tenant}");
          put_text(span, kSpanAttributes, "feature.flag.variant", "control");
        },
        body);
  }

  void publish(std::string_view producer, std::string_view topic, std::string_view consumer,
               const Body& body) {
    add(
        producer, Scope::kMessaging, "send " + std::string(topic), Kind::kProducer, 150'000, 60'000,
        [&](Form& span, bool) {
          messaging(span, topic, "send");
          put_fresh_number(span, kSpanAttributes, "messaging.message.body.size", 2, 200, 9000, 16);
          put_text(span, kSpanAttributes, "shop.order.id", "ord_{order}");
        },
        [&] {
          add(
              consumer, Scope::kMessaging, "process " + std::string(topic), Kind::kConsumer, 2'500'000,
              150'000,
              [&](Form& span, bool) {
                messaging(span, topic, "process");
                put_text(span, kSpanAttributes, "messaging.consumer.group.name",
                         std::string(consumer) + "-workers");
                put_fresh_number(span, kSpanAttributes, "messaging.kafka.offset", 4, 2'100'000, 200'000'000,
                                 10);
              },
              body);
        });
  }

  // What the step added next differs in.
  FlowBuilder& sometimes(double chance) {
    next_.chance = static_cast<uint8_t>(chance * 254);
    return *this;
  }
  FlowBuilder& repeated(uint8_t low, uint8_t high) {
    next_.repeat_low = low;
    next_.repeat_high = high;
    return *this;
  }
  FlowBuilder& beside() {
    next_.beside_previous = true;
    return *this;
  }

  // Bad traces fail at the last database call: it and all above it.
  void finish() {
    size_t failing = flow_.steps.size();
    for (size_t i = 0; i < flow_.steps.size(); ++i) {
      if (flow_.steps[i].group % kScopes == static_cast<uint16_t>(Scope::kDatabase) &&
          flow_.steps[i].chance == 255) {
        failing = i;
      }
    }
    for (size_t i = 0; i < flow_.steps.size(); ++i) {
      flow_.steps[i].fails = i <= failing && failing < flow_.steps[i].subtree_end;
    }
  }

 private:
  static void messaging(Form& span, std::string_view topic, std::string_view operation) {
    put_text(span, kSpanAttributes, "messaging.system", "kafka");
    put_text(span, kSpanAttributes, "messaging.destination.name", topic);
    put_text(span, kSpanAttributes, "messaging.operation.type", operation);
    put_text(span, kSpanAttributes, "messaging.operation.name", operation);
    put_text(span, kSpanAttributes, "messaging.client.id", "shop-{hex16}");
    put_fresh_number(span, kSpanAttributes, "messaging.destination.partition.id", 1, 0, 24, 20);
    put_text(span, kSpanAttributes, "server.address", "kafka-0.shop.internal");
  }

  void add(std::string_view service, Scope scope, std::string_view name, Kind kind, uint32_t before_ns,
           uint32_t after_ns, const Attributes& attributes, const Body& body) {
    const bool has_parent = !flow_.steps.empty();
    const size_t index = flow_.steps.size();
    Step step = std::exchange(next_, Step{});
    step.group = static_cast<uint16_t>(service_index(service) * kScopes + static_cast<uint16_t>(scope));
    step.before_ns = before_ns;
    step.after_ns = after_ns;
    step.good = make_template(name, kind, has_parent, Outcome::kGood, attributes);
    step.bad = make_template(name, kind, has_parent,
                             scope == Scope::kDatabase ? Outcome::kThrew : Outcome::kFailed, attributes);
    flow_.steps.push_back(std::move(step));
    body();
    flow_.steps[index].subtree_end = static_cast<uint16_t>(flow_.steps.size());
  }

  Flow& flow_;
  Step next_;
};

std::string select_text(const Endpoint& endpoint) {
  return "SELECT id, status, created_at, updated_at, payload FROM " + std::string(endpoint.table) +
         " WHERE id = $1 AND tenant = $2 LIMIT 50";
}

void ask_helper(FlowBuilder& flow, const Endpoint& endpoint, std::string_view helper) {
  const std::string route = "/internal/" + std::string(helper) + "/{id}";
  const std::string path = "/internal/" + std::string(helper) + "/{customer}";
  flow.call(endpoint.service, helper, "GET", route, path, [&] {
    flow.database(helper, "SELECT", helper, "SELECT * FROM " + std::string(helper) + " WHERE owner_id = $1");
  });
}

void answer(FlowBuilder& flow, const Endpoint& endpoint) {
  const std::string_view service = endpoint.service;
  const std::string table(endpoint.table);
  switch (endpoint.recipe) {
    case Recipe::kRead:
      flow.internal(service, "authorize");
      flow.database(service, "SELECT", table, select_text(endpoint));
      ask_helper(flow, endpoint, endpoint.helper);
      flow.sometimes(0.5).internal(service, "render");
      break;
    case Recipe::kList:
      flow.internal(service, "parse_filter");
      flow.database(service, "SELECT", table, select_text(endpoint));
      flow.database(service, "COUNT", table, "SELECT count(*) FROM " + table + " WHERE tenant = $1");
      ask_helper(flow, endpoint, endpoint.helper);
      break;
    case Recipe::kWrite:
      flow.internal(service, "validate");
      ask_helper(flow, endpoint, endpoint.helper);
      flow.database(service, "INSERT", table,
                    "INSERT INTO " + table + " (id, tenant, payload) VALUES ($1, $2, $3)");
      flow.publish(service, table + ".changed", endpoint.second_helper, [&] {
        flow.database(endpoint.second_helper, "INSERT", "inbox",
                      "INSERT INTO inbox (id, body) VALUES ($1, $2)");
      });
      break;
    case Recipe::kFanOut:
      flow.database(service, "SELECT", table, select_text(endpoint));
      ask_helper(flow, endpoint, endpoint.helper);
      flow.beside();
      ask_helper(flow, endpoint, endpoint.second_helper);
      flow.sometimes(0.7).internal(service, "rank");
      break;
    case Recipe::kLogin:
      flow.internal(service, "verify_password");
      flow.database(service, "SELECT", table, select_text(endpoint));
      ask_helper(flow, endpoint, endpoint.second_helper);
      flow.database(service, "UPDATE", table, "UPDATE " + table + " SET last_login = now() WHERE id = $1");
      break;
    case Recipe::kPurchase:
      flow.internal(service, "price_basket");
      flow.database(service, "SELECT", table, select_text(endpoint));
      ask_helper(flow, endpoint, endpoint.helper);
      ask_helper(flow, endpoint, endpoint.second_helper);
      flow.database(service, "INSERT", table,
                    "INSERT INTO " + table + " (id, tenant, total) VALUES ($1, $2, $3)");
      flow.publish(service, table + ".placed", "notifications", [&] {
        flow.internal("notifications", "render_mail");
        flow.database("notifications", "INSERT", "outbox", "INSERT INTO outbox (id, body) VALUES ($1, $2)");
      });
      break;
    case Recipe::kLoop:
      flow.database(service, "SELECT", table, select_text(endpoint));
      flow.repeated(1, 4);
      flow.database(service, "SELECT", "items", "SELECT * FROM items WHERE parent = $1");
      ask_helper(flow, endpoint, endpoint.helper);
      flow.sometimes(0.4).internal(service, "fill_cache");
      break;
  }
}

}  // namespace

World build_world() {
  World world;
  Random random(20);
  for (const ServiceFacts& facts : kServices) {
    Service service{.name = std::string(facts.name), .pods = {}};
    for (int pod = 0; pod < kPods; ++pod) service.pods.push_back(resource_field(facts, random));
    const auto index = static_cast<uint16_t>(world.services.size());
    for (uint16_t scope = 0; scope < kScopes; ++scope) {
      world.groups.push_back({.service = index, .scope = scope_field(facts, static_cast<Scope>(scope))});
    }
    world.services.push_back(std::move(service));
  }
  for (const Endpoint& endpoint : kEndpoints) {
    Flow flow;
    flow.name =
        std::string(endpoint.edge) + " " + std::string(endpoint.method) + " " + std::string(endpoint.route);
    flow.weight = endpoint.weight;
    FlowBuilder builder(flow);
    builder.server(endpoint.edge, endpoint.method, endpoint.route, endpoint.path, [&] {
      builder.call(endpoint.edge, endpoint.service, endpoint.method, endpoint.route, endpoint.path,
                   [&] { answer(builder, endpoint); });
    });
    builder.finish();
    world.flows.push_back(std::move(flow));
  }
  return world;
}

}  // namespace testmesh::bench
