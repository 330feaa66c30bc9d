#include "simulate/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/span.h"
#include "simulate/attribute_bytes.h"
#include "simulate/route.h"

namespace testmesh::simulate {
namespace {

using model::SpanKind;

constexpr std::string_view kSdkVersion = "1.47.0";

// New and old names of what both conventions have.
struct Names {
  std::string_view method, status, url, path, peer, port, scheme;
  std::string_view db_system, db_name, db_operation, db_query, db_collection;
};
constexpr Names kNewNames = {"http.request.method",
                             "http.response.status_code",
                             "url.full",
                             "url.path",
                             "server.address",
                             "server.port",
                             "url.scheme",
                             "db.system.name",
                             "db.namespace",
                             "db.operation.name",
                             "db.query.text",
                             "db.collection.name"};
constexpr Names kOldNames = {"http.method",   "http.status_code", "http.url",     "http.target",
                             "net.peer.name", "net.peer.port",    "http.scheme",  "db.system",
                             "db.name",       "db.operation",     "db.statement", "db.sql.table"};

// The new conventions renamed some systems.
constexpr std::pair<std::string_view, std::string_view> kOldSystems[] = {
    {"microsoft.sql_server", "mssql"}, {"aws.dynamodb", "dynamodb"},
    {"oracle.db", "oracle"},           {"ibm.db2", "db2"},
    {"azure.cosmosdb", "cosmosdb"},    {"gcp.spanner", "spanner"}};

struct SystemFacts {
  std::string_view system;
  int port;
  std::string_view read, write;  // operations
};
constexpr SystemFacts kSystems[] = {{"postgresql", 5432, "SELECT", "INSERT"},
                                    {"mysql", 3306, "SELECT", "INSERT"},
                                    {"mariadb", 3306, "SELECT", "INSERT"},
                                    {"sqlite", 0, "SELECT", "INSERT"},
                                    {"microsoft.sql_server", 1433, "SELECT", "INSERT"},
                                    {"oracle.db", 1521, "SELECT", "INSERT"},
                                    {"clickhouse", 8123, "SELECT", "INSERT"},
                                    {"cockroachdb", 26257, "SELECT", "INSERT"},
                                    {"redis", 6379, "GET", "SET"},
                                    {"memcached", 11211, "get", "set"},
                                    {"mongodb", 27017, "find", "insert"},
                                    {"cassandra", 9042, "SELECT", "INSERT"},
                                    {"elasticsearch", 9200, "search", "index"},
                                    {"aws.dynamodb", 443, "GetItem", "PutItem"}};
constexpr SystemFacts kOtherSystem = {"", 0, "SELECT", "INSERT"};

const SystemFacts& facts_of(std::string_view system) {
  const auto* found = std::ranges::find(kSystems, system, &SystemFacts::system);
  return found == std::ranges::end(kSystems) ? kOtherSystem : *found;
}

// By service: what the span needs from its SDK.
struct Writer {
  Writer(std::string_view sdk_language, Conventions which)
      : language(sdk_language),
        conventions(which),
        names(which == Conventions::kOld ? kOldNames : kNewNames) {}
  explicit Writer(const Service& service) : Writer(service.language, service.conventions) {}

  std::string_view language;
  Conventions conventions;
  const Names& names;
  Shape shape = {};

  bool old() const { return conventions == Conventions::kOld; }
  void text(std::string_view key, std::string_view value) {
    append_attribute(shape.attributes, otlp::span_field::kAttributes, key, value);
  }
  void number(std::string_view key, int64_t value) {
    append_attribute(shape.attributes, otlp::span_field::kAttributes, key, value);
  }
  void name(std::string_view span_name, SpanKind kind, Instrumentation instrumentation) {
    append_bytes(shape.name_and_kind, otlp::span_field::kName, span_name);
    append_tag(shape.name_and_kind, otlp::span_field::kKind, otlp::WireType::kVarint);
    append_varint(shape.name_and_kind, static_cast<uint64_t>(kind));
    shape.instrumentation = instrumentation;
  }

  void exception(std::string_view java, std::string_view node, std::string_view python,
                 std::string_view other) {
    shape.exception = language == "java"     ? java
                      : language == "nodejs" ? node
                      : language == "python" ? python
                                             : other;
  }

  void http_client(std::string_view method, std::string_view host, UrlTemplate url) {
    name(language == "go" ? fmt::format("HTTP {}", method) : std::string(method), SpanKind::kClient,
         Instrumentation::kClient);
    text(names.method, method);
    text(names.peer, host);
    shape.url = std::move(url);
    shape.url_key = names.url;
    shape.status_key = names.status;
    shape.counts_resends = !old() && language != "go" && language != "python" && language != "nodejs";
    exception("java.net.ConnectException", "ECONNREFUSED", "requests.exceptions.ConnectionError",
              "*net.OpError");
  }

  void rpc(const Endpoint& endpoint, SpanKind kind, Instrumentation instrumentation) {
    name(endpoint.route + "/" + endpoint.method, kind, instrumentation);
    text("rpc.system", "grpc");
    text("rpc.service", endpoint.route);
    text("rpc.method", endpoint.method);
    shape.status_key = "rpc.grpc.status_code";
    shape.rpc = true;
    exception("io.grpc.StatusRuntimeException", "ServiceError", "grpc.RpcError", "*status.Error");
  }
};

UrlTemplate url_of(std::string_view origin, std::string_view route) {
  UrlTemplate url;
  url.pieces.emplace_back(origin);
  const auto segments = segments_of(route);
  for (const Segment& segment : segments) {
    url.pieces.back() += '/';
    if (segment.parameter.empty()) {
      url.pieces.back() += segment.text;
    } else {
      url.pieces.emplace_back();
    }
  }
  if (segments.empty()) url.pieces.back() += '/';
  return url;
}

std::string host_of(const Service& service) {
  std::string host = service.name;
  std::ranges::transform(host, host.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return host;
}

Shape server_shape(const Phase& phase, const Action& action) {
  const Service& service = phase.services[action.service];
  const Endpoint& endpoint = service.endpoints[action.endpoint];
  Writer out(service);
  if (endpoint.kind == EndpointKind::kRpc) {
    out.rpc(endpoint, SpanKind::kServer, Instrumentation::kServer);
    return std::move(out.shape);
  }
  if (endpoint.kind == EndpointKind::kConsumer) {
    const Topic& topic = phase.topics[endpoint.topic];
    out.name(out.old() ? topic.name + " process" : "process " + topic.name, SpanKind::kConsumer,
             Instrumentation::kMessaging);
    out.text("messaging.system", topic.system);
    out.text(out.old() ? "messaging.destination" : "messaging.destination.name", topic.name);
    out.text(out.old() ? "messaging.operation" : "messaging.operation.type", "process");
    out.text(out.old() ? "messaging.kafka.consumer.group" : "messaging.consumer.group.name", service.name);
    out.exception("java.lang.IllegalStateException", "Error", "RuntimeError", "*errors.errorString");
    return std::move(out.shape);
  }
  // Go's otelhttp has the route in the name alone.
  const std::string name = service.names_routes ? endpoint.method + " " + endpoint.route : endpoint.method;
  out.name(name, SpanKind::kServer, Instrumentation::kServer);
  out.text(out.names.method, endpoint.method);
  out.shape.status_key = out.names.status;
  out.text(out.old() ? "net.host.name" : "server.address", host_of(service));
  out.text(out.old() ? "http.flavor" : "network.protocol.version", "1.1");
  if (service.names_routes) {
    if (service.language != "go") out.text("http.route", endpoint.route);
    out.text(out.names.scheme, "http");
    out.shape.url = url_of("", endpoint.route);
    out.shape.path_key = out.names.path;
    out.shape.query_in_path = out.old();
  }
  out.exception("java.lang.IllegalStateException", "Error", "RuntimeError", "*errors.errorString");
  return std::move(out.shape);
}

Shape call_shape(Writer out, const Service& callee, const Endpoint& endpoint) {
  if (endpoint.kind == EndpointKind::kRpc) {
    out.rpc(endpoint, SpanKind::kClient, Instrumentation::kClient);
    out.text(out.names.peer, host_of(callee));
  } else {
    out.http_client(endpoint.method, host_of(callee), url_of("http://" + host_of(callee), endpoint.route));
  }
  return std::move(out.shape);
}

std::string query_of(const Database& database, std::string_view operation) {
  const std::string table = database.collection.empty() ? "items" : database.collection;
  if (operation == "SELECT") return fmt::format("SELECT * FROM {} WHERE id = ?", table);
  if (operation == "INSERT") return fmt::format("INSERT INTO {} (id, data) VALUES (?, ?)", table);
  return fmt::format("{} ?", operation);
}

Shape database_shape(const Service& service, const Database& database) {
  Writer out(service);
  const SystemFacts& facts = facts_of(database.system);
  const std::string_view operation = database.access == Access::kRead ? facts.read : facts.write;
  std::string name(operation);
  if (service.language == "nodejs" && database.system == "postgresql")
    name = fmt::format("pg.query:{} {}", operation, database.name);
  else if (service.language != "python" && !database.collection.empty())
    name += " " + database.collection;
  out.name(name, SpanKind::kClient, Instrumentation::kDatabase);
  const auto* renamed =
      std::ranges::find(kOldSystems, database.system, &std::pair<std::string_view, std::string_view>::first);
  const bool has_old_name = out.old() && renamed != std::ranges::end(kOldSystems);
  out.text(out.names.db_system, has_old_name ? renamed->second : std::string_view(database.system));
  if (!database.name.empty()) out.text(out.names.db_name, database.name);
  out.text(out.names.db_operation, operation);
  if (!database.collection.empty()) out.text(out.names.db_collection, database.collection);
  out.text(out.names.db_query, query_of(database, operation));
  out.text(out.names.peer, (database.name.empty() ? database.system : database.name) + "-db");
  if (facts.port != 0) out.number(out.names.port, facts.port);
  out.exception("java.sql.SQLException", "DatabaseError", "sqlalchemy.exc.OperationalError",
                "*pgconn.PgError");
  return std::move(out.shape);
}

Shape publish_shape(const Service& service, const Topic& topic) {
  Writer out(service);
  out.name(out.old() ? topic.name + " publish" : "publish " + topic.name, SpanKind::kProducer,
           Instrumentation::kMessaging);
  out.text("messaging.system", topic.system);
  out.text(out.old() ? "messaging.destination" : "messaging.destination.name", topic.name);
  if (out.old()) {
    out.text("messaging.operation", "publish");
  } else {
    out.text("messaging.operation.type", "send");
    out.text("messaging.operation.name", "publish");
  }
  out.exception("org.apache.kafka.common.errors.TimeoutException", "KafkaJSConnectionError",
                "KafkaTimeoutError", "kafka.Error");
  return std::move(out.shape);
}

}  // namespace

Shape shape_of(const Phase& phase, const Action& action) {
  const Service& service = phase.services[action.service];
  switch (action.kind) {
    case ActionKind::kHandler:
      return server_shape(phase, action);
    case ActionKind::kCall: {
      const Service& callee = phase.services[action.step->service];
      return call_shape(Writer(service), callee, callee.endpoints[action.step->endpoint]);
    }
    case ActionKind::kDatabase:
      return database_shape(service, *action.database);
    case ActionKind::kPublish:
      return publish_shape(service, phase.topics[action.step->topic]);
    case ActionKind::kExternal: {
      Writer out(service);
      UrlTemplate url;
      url.pieces.push_back("https://" + action.step->host + action.step->path);
      out.http_client(action.step->method, action.step->host, std::move(url));
      out.number(out.names.port, 443);
      return std::move(out.shape);
    }
    case ActionKind::kWork: {
      Writer out(service);
      out.name(action.step->name, SpanKind::kInternal, Instrumentation::kOwnCode);
      out.exception("java.lang.IllegalStateException", "Error", "RuntimeError", "*errors.errorString");
      return std::move(out.shape);
    }
    case ActionKind::kTest:
      break;
  }
  return {};
}

Shape tester_shape(const Phase& phase, const Entry& entry, const Action& action) {
  if (action.kind == ActionKind::kTest) {
    Writer out("", Conventions::kNew);
    out.name("testmesh.execution", SpanKind::kInternal, Instrumentation::kOwnCode);
    out.text("testmesh.flow.name", entry.test);
    return std::move(out.shape);
  }
  const Service& callee = phase.services[entry.service];
  return call_shape(Writer("", Conventions::kNew), callee, callee.endpoints[entry.endpoint]);
}

std::string resource_of(const Service& service, uint32_t instance, std::string_view instance_id,
                        std::string_view environment) {
  constexpr uint32_t kNumber = otlp::resource_field::kAttributes;
  std::string inner;
  append_attribute(inner, kNumber, "service.name", service.name);
  append_attribute(inner, kNumber, "service.version", service.version);
  append_attribute(inner, kNumber, "service.instance.id", instance_id);
  append_attribute(inner, kNumber, "host.name", fmt::format("{}-{}", service.name, instance));
  append_attribute(inner, kNumber, "telemetry.sdk.language", service.language);
  append_attribute(inner, kNumber, "telemetry.sdk.name", "opentelemetry");
  append_attribute(inner, kNumber, "telemetry.sdk.version", kSdkVersion);
  if (!environment.empty())
    append_attribute(
        inner, kNumber,
        service.conventions == Conventions::kOld ? "deployment.environment" : "deployment.environment.name",
        environment);
  for (const auto& [key, value] : service.attributes) append_attribute(inner, kNumber, key, value);
  std::string out;
  append_bytes(out, otlp::resource_spans_field::kResource, inner);
  return out;
}

std::string tester_resource() {
  std::string inner, out;
  append_attribute(inner, otlp::resource_field::kAttributes, "service.name", "testmesh");
  append_bytes(out, otlp::resource_spans_field::kResource, inner);
  return out;
}

std::string scope_of(std::string_view language, Instrumentation instrumentation) {
  constexpr size_t kLanguages = 4;
  struct Row {
    std::string_view language;
    std::array<std::string_view, kInstrumentations> names;
  };
  constexpr Row kRows[kLanguages] = {
      {"java",
       {"io.opentelemetry.tomcat-10.0", "io.opentelemetry.java-http-client", "io.opentelemetry.jdbc",
        "io.opentelemetry.kafka-clients-0.11", "application"}},
      {"nodejs",
       {"@opentelemetry/instrumentation-http", "@opentelemetry/instrumentation-undici",
        "@opentelemetry/instrumentation-pg", "@opentelemetry/instrumentation-kafkajs", "application"}},
      {"python",
       {"opentelemetry.instrumentation.fastapi", "opentelemetry.instrumentation.requests",
        "opentelemetry.instrumentation.sqlalchemy", "opentelemetry.instrumentation.kafka", "application"}},
      {"go",
       {"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
        "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "github.com/XSAM/otelsql",
        "go.opentelemetry.io/contrib/instrumentation/kafka", "application"}}};
  std::string_view name = "application";
  for (const Row& row : kRows)
    if (row.language == language) name = row.names[static_cast<size_t>(instrumentation)];
  std::string inner, out;
  append_bytes(inner, otlp::scope_field::kName, name);
  append_bytes(inner, otlp::scope_field::kVersion, "1.0.0");
  append_bytes(out, otlp::scope_spans_field::kScope, inner);
  return out;
}

std::string_view schema_url_of(Conventions conventions) {
  return conventions == Conventions::kNew ? "https://opentelemetry.io/schemas/1.37.0" : "";
}

}  // namespace testmesh::simulate
