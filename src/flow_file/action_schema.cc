#include "flow_file/action_schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "flow_file/config_types.h"
#include "flow_file/flow_file.h"

namespace testmesh::flow_file {
namespace {

using enum ConfigType;

const ConfigKey kDurationMs{"duration_ms", kAny, false, "How long it took."};
const ConfigKey kBrokers{"brokers", kTextOrList, true,
                         "`host:port` of the brokers: a text with commas, or a list."};
const ConfigKey kTopic{"topic", kText, true, "The topic."};
const ConfigKey kSasl{"sasl", kMap, false, "`{mechanism, username, password}`."};
const ConfigKey kTls{"tls", kBooleanOrMap, false, "true, or `{ca, cert, key, verify}`."};

std::vector<ActionSchema> make_schemas() {
  return {
      {.name = "http_request",
       .description =
           "Sends one HTTP request. An answer other than 2xx is no failure by itself: `assert` says what "
           "is expected.",
       .config = {{"method", kText, false, "The method; GET when absent."},
                  {"url", kText, true, "http:// or https://."},
                  {"headers", kMap, false, "Headers; a trace context set here is left as it is."},
                  {"params", kMap, false, "Query parameters, added to those of the URL."},
                  {"body", kAny, false, "A map or a list is sent as JSON, a text as it is."},
                  {"auth", kMap, false,
                   "`{basic: {username, password}}`, `{bearer: token}` or `{api_key: {name, value, in: "
                   "header|query}}`; or the same with `type`."},
                  {"timeout", kDuration, false, "How long the request may take; 30s when absent."},
                  {"follow_redirects", kBoolean, false, "true when absent."},
                  {"verify_ssl", kBoolean, false,
                   "Whether the server's certificate must be valid; true when absent."},
                  {"cookies", kMap, false, "Cookies to send."}},
       .result = {{"status", kInteger, false, "The status code."},
                  {"headers", kMap, false, "The answer's headers, names in lower case."},
                  {"body", kAny, false, "The answer's body: JSON parsed, anything else as text."},
                  {"url", kText, false, "The address that answered, after redirects."},
                  {"redirects", kInteger, false, "How many were followed."},
                  kDurationMs}},
      {.name = "kafka_producer",
       .description = "Sends one message to a topic.",
       .config = {kBrokers,
                  kTopic,
                  {"key", kText, false, "The message's key."},
                  {"payload", kAny, false, "A map or a list is sent as JSON, a text as it is."},
                  {"headers", kMap, false, "Headers; a trace context set here is left as it is."},
                  {"partition", kInteger, false, "The partition; chosen by the key when absent."},
                  {"compression", kText, false, "Of the message.", {"none", "gzip", "snappy", "lz4", "zstd"}},
                  kSasl,
                  kTls,
                  {"timeout", kDuration, false, "How long it may take; 30s when absent."}},
       .result = {{"partition", kInteger, false, "Where the message went."},
                  {"offset", kInteger, false, "Where in the partition it stands."},
                  kDurationMs}},
      {.name = "kafka_consumer",
       .description = "Waits for messages of a topic; fewer than `count` in time fail the step.",
       .config = {kBrokers,
                  kTopic,
                  {"group_id", kText, false, "The consumer group; one of its own when absent."},
                  {"count", kInteger, false, "How many messages to wait for; 1 when absent.", {}, 1},
                  {"timeout", kDuration, false, "How long to wait; 30s when absent."},
                  {"from_beginning", kBoolean, false,
                   "Whether messages count that were there before the step."},
                  {"match", kExpression, false,
                   "An expression over `key`, `value`, `json`, `headers`, `partition` and `offset`: which "
                   "messages count."},
                  kSasl,
                  kTls},
       .result = {{"messages", kList, false,
                   "The messages: `{key, value, json, headers, partition, offset}`."},
                  {"count", kInteger, false, "How many there are."}}},
      {.name = "database_query",
       .description = "Runs one statement in PostgreSQL, MySQL/MariaDB or SQLite.",
       .config = {{"connection", kText, false, "`postgres://…`, `mysql://…` or `sqlite:…`."},
                  {"connection_string", kText, false, "The same as `connection`."},
                  {"query", kText, true, "The statement."},
                  {"params", kListOrMap, false, "Its parameters, by position or by name."},
                  {"timeout", kDuration, false, "How long it may take; 30s when absent."},
                  {"max_rows", kInteger, false, "Rows past it are left out; 1000 when absent.", {}, 1}},
       .one_of = {"connection", "connection_string"},
       .result = {{"rows", kList, false, "The rows: maps by column."},
                  {"row_count", kInteger, false, "How many there are."},
                  {"first_row", kMap, false, "The first of them, or nil."},
                  {"rows_affected", kInteger, false, "How many rows the statement changed."},
                  {"truncated", kBoolean, false, "Whether there are more rows than `max_rows`."},
                  kDurationMs}},
      {.name = "grpc_call",
       .description =
           "Calls a gRPC method, unary or with a stream of answers, described by the server's reflection.",
       .config = {{"address", kText, true, "`host:port`."},
                  {"service", kText, false, "`package.Service`; may stand in `method` instead."},
                  {"method", kText, true, "The method, or `package.Service/Method`."},
                  {"message", kAny, false, "The request as a map."},
                  {"metadata", kMap, false, "Metadata; a trace context set here is left as it is."},
                  {"tls", kBooleanOrMap, false, "true, or `{ca, cert, key, verify}`."},
                  {"timeout", kDuration, false, "How long the call may take; 30s when absent."}},
       .result = {{"status", kText, false, "The status by name: `OK`, `NOT_FOUND`, …"},
                  {"status_code", kInteger, false, "The status as a number."},
                  {"status_message", kText, false, "What the server says of it."},
                  {"message", kAny, false, "The answer; of a stream the first."},
                  {"messages", kList, false, "Of a stream all answers."},
                  {"metadata", kMap, false, "The answer's metadata."},
                  kDurationMs}},
      {.name = "redis",
       .description = "Sends one command to a Redis server.",
       .config = {{"connection", kText, true, "`redis://host:port/database`."},
                  {"command", kTextOrList, true, "The command: a text, or a list of its words."},
                  {"timeout", kDuration, false, "How long it may take; 30s when absent."}},
       .result = {{"value", kAny, false, "The answer."},
                  {"type", kText, false, "What kind of answer: `string`, `integer`, `list`, `nil`, …"},
                  kDurationMs}},
      {.name = "delay", .description = "Waits.", .config = {{"duration", kDuration, true, "How long."}}},
      {.name = "log",
       .description = "Writes a line to the log of the run.",
       .config = {{"message", kText, true, "What to write."},
                  {"level", kText, false, "info when absent.", {"debug", "info", "warn", "error"}}}},
      {.name = "assert",
       .description = "Checks expressions; the step's own `assert` does as well.",
       .config = {{"assert", kExpressions, false, "Expressions, all of which must be true."}}},
      {.name = "condition",
       .description = "Runs one list of steps or the other.",
       .config = {{"if", kExpression, true, "Decides."},
                  {"then", kSteps, false, "Run when it is true."},
                  {"else", kSteps, false, "Run when it is false."}},
       .one_of = {"then", "else"}},
      {.name = "for_each",
       .description = "Runs its steps once for each item.",
       .config = {{"items", kTextOrList, true,
                   "A list, a reference to one, or an expression that gives one."},
                  {"as", kText, false, "The name of the item in the steps; `item` when absent."},
                  {"index_as", kText, false, "The name of its position, from 0; `index` when absent."},
                  {"steps", kSteps, true, "The steps."},
                  {"max_iterations", kInteger, false, "More items fail the step; 1000 when absent.", {}, 1}}},
      {.name = "parallel",
       .description = "Runs steps, or lists of steps, side by side.",
       .config = {{"steps", kSteps, false, "Each runs beside the others."},
                  {"branches", kBranches, false,
                   "Lists of steps: each list runs in order beside the others."},
                  {"max_concurrency", kInteger, false, "How many at once.", {}, 1}},
       .one_of = {"steps", "branches"}},
      {.name = "wait_until",
       .description = "Runs its steps again and again until the condition is true.",
       .config = {{"condition", kExpression, true, "What is waited for."},
                  {"interval", kDuration, false, "Between two rounds; 1s when absent."},
                  {"timeout", kDuration, false, "After it the step fails; 30s when absent."},
                  {"steps", kSteps, false, "Run before each look at the condition."}}},
      {.name = "run_flow",
       .description = "Runs another flow as part of this one.",
       .config = {{"file", kText, true, "The flow's file."},
                  {"variables", kMap, false, "Variables of that run."}}},
      {.name = "otel.inject",
       .description = "Gives the trace context of the step, to hand on by hand.",
       .result = {{"traceparent", kText, false, "The W3C header."},
                  {"tracestate", kText, false, "The W3C header."},
                  {"trace_id", kText, false, "32 hex digits."},
                  {"span_id", kText, false, "16 hex digits."}}},
      {.name = "otel.assert",
       .description = "Waits for spans in this server's own store, then checks expressions over their trace.",
       .config = {{"trace_id", kText, false, "The trace; or say `service` (and `operation`)."},
                  {"service", kText, false, "The service whose latest span is meant."},
                  {"operation", kText, false, "The operation of that span."},
                  {"within", kDuration, false, "How long to wait; 10s when absent."},
                  {"assert", kExpressions, false, "Expressions over `trace`, all of which must be true."}},
       .one_of = {"trace_id", "service"}},
  };
}

}  // namespace

std::span<const ActionSchema> action_schemas() {
  static const std::vector<ActionSchema> schemas = make_schemas();
  return schemas;
}

const ActionSchema* find_action_schema(std::string_view name) {
  const auto schemas = action_schemas();
  const auto found = std::ranges::find(schemas, name, &ActionSchema::name);
  return found == schemas.end() ? nullptr : &*found;
}

std::string_view expectation_of(ConfigType type) {
  switch (type) {
    case kText:
      return "a text";
    case kInteger:
      return "a whole number";
    case kBoolean:
      return "true or false";
    case kDuration:
      return "a duration such as 500ms, 30s, 5m or 2h";
    case kMap:
      return "a map";
    case kList:
      return "a list";
    case kTextOrList:
      return "a text or a list";
    case kTextOrMap:
      return "a text or a map";
    case kListOrMap:
      return "a list or a map";
    case kBooleanOrMap:
      return "true, false or a map";
    case kAny:
      return "a value";
    case kExpression:
      return "an expression";
    case kExpressions:
      return "an expression or a list of expressions";
    case kSteps:
      return "a list of steps";
    case kBranches:
      return "a list of lists of steps";
  }
  return "";
}

namespace {

using expr::Kind;
using expr::Value;

// What `value` is as a value of that type; nullopt: it is none.
std::optional<Value> conformed(const ConfigKey& key, const Value& value) {
  const Kind kind = value.kind();
  const bool is_text = kind == Kind::kString;
  switch (key.type) {
    case kText:
    case kExpression:
      if (is_text) return value;
      if (value.is_number() || kind == Kind::kBool) return Value(expr::to_text(value));
      return std::nullopt;
    case kInteger: {
      int64_t number = 0;
      if (kind == Kind::kInt) {
        number = value.as_int();
      } else if (kind == Kind::kFloat && value.as_float() >= -9e15 && value.as_float() <= 9e15) {
        number = static_cast<int64_t>(value.as_float());
        if (static_cast<double>(number) != value.as_float()) return std::nullopt;
      } else if (is_text) {
        const std::string_view text = value.as_string();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
      } else {
        return std::nullopt;
      }
      return number < key.least ? std::nullopt : std::optional<Value>(number);
    }
    case kBoolean:
    case kBooleanOrMap:
      if (kind == Kind::kBool || (kind == Kind::kMap && key.type == kBooleanOrMap)) return value;
      if (is_text && (value.as_string() == "true" || value.as_string() == "false"))
        return Value(value.as_string() == "true");
      return std::nullopt;
    case kDuration:
      if (kind == Kind::kDuration) return Value(fmt::format("{}ms", value.as_duration().nanos / 1'000'000));
      return is_text && parse_duration(value.as_string()) ? std::optional(value) : std::nullopt;
    case kMap:
      return kind == Kind::kMap ? std::optional(value) : std::nullopt;
    case kList:
      return kind == Kind::kList ? std::optional(value) : std::nullopt;
    case kTextOrList:
      if (value.is_number() || kind == Kind::kBool) return Value(expr::to_text(value));
      return is_text || kind == Kind::kList ? std::optional(value) : std::nullopt;
    case kTextOrMap:
      return is_text || kind == Kind::kMap ? std::optional(value) : std::nullopt;
    case kListOrMap:
      return kind == Kind::kList || kind == Kind::kMap ? std::optional(value) : std::nullopt;
    case kAny:
    case kExpressions:
    case kSteps:
    case kBranches:
      return value;
  }
  return std::nullopt;
}

}  // namespace

std::string expectation_of(const ConfigKey& key) {
  if (!key.choices.empty()) return fmt::format("{}", fmt::join(key.choices, ", "));
  if (key.type == kInteger) return fmt::format("a whole number of {} or more", key.least);
  return std::string(expectation_of(key.type));
}

base::Result<Value> conform(const ActionSchema& schema, const Value& config) {
  if (config.kind() != Kind::kMap)
    return base::fail(
        base::ErrorCode::kInvalidArgument,
        fmt::format("The config of {} must be a map, found {}", schema.name, expr::describe(config)));
  expr::Map result;
  for (const auto& [name, value] : config.as_map()) {
    const auto key = name.kind() == Kind::kString
                         ? std::ranges::find(schema.config, name.as_string(), &ConfigKey::name)
                         : schema.config.end();
    if (key == schema.config.end() || value.is_nil()) {
      result.set(name, value);
      continue;
    }
    const auto fitting = conformed(*key, value);
    const bool chosen =
        fitting &&
        (key->choices.empty() || std::ranges::find(key->choices, fitting->as_string()) != key->choices.end());
    if (!chosen)
      return base::fail(base::ErrorCode::kInvalidArgument,
                        fmt::format("`{}` of {} is {}; expected {}", key->name, schema.name,
                                    expr::describe(value), expectation_of(*key)));
    result.set(name, *fitting);
  }
  for (const ConfigKey& key : schema.config) {
    const Value* value = result.find(key.name);
    // Steps and the expressions of control actions are not in the config.
    const bool apart = key.type == kSteps || key.type == kBranches || key.type == kExpression;
    if (key.required && !apart && (!value || value->is_nil()))
      return base::fail(
          base::ErrorCode::kInvalidArgument,
          fmt::format("`{}` of {} is missing; expected {}", key.name, schema.name, expectation_of(key)));
  }
  return Value(std::move(result));
}

}  // namespace testmesh::flow_file
