#include "flow_export/flow_export.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hex.h"
#include "base/utf8.h"
#include "expr/value.h"
#include "flow_export/placeholders.h"
#include "flow_export/sample.h"
#include "flow_export/trace_checks.h"
#include "flow_export/yaml_text.h"
#include "flow_file/flow_file.h"
#include "flow_file/variables.h"

namespace testmesh::flow_export {
namespace {

using flow_file::escaped;
using model::NodeType;
using model::PathNode;

// Leaves room within what a flow file may have.
constexpr size_t kMostBytes = 900 << 10;
constexpr size_t kMostNodes = 5000;
constexpr size_t kMostIdentifierBytes = 4000;
constexpr size_t kMostValueBytes = 16 << 10;

struct Endpoint {
  std::string_view method;  // empty: not HTTP
  std::string_view route;
};

Endpoint endpoint_of(std::string_view identifier) {
  const size_t blank = identifier.find(' ');
  if (blank == std::string_view::npos || blank == 0 || identifier.substr(blank + 1, 1) != "/") return {};
  const std::string_view method = identifier.substr(0, blank);
  const bool upper =
      std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '_' || c == '-'; });
  return upper ? Endpoint{method, identifier.substr(blank + 1)} : Endpoint{};
}

bool is_token(std::string_view method) {
  return !method.empty() && method.size() <= 32 && std::ranges::all_of(method, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
}

class Exporter {
 public:
  Exporter(const discovery::FlowDetail& flow, const store::TraceDetail* sample, Mode mode)
      : flow_(flow), detail_(sample), sample_(flow, sample), mode_(mode) {}

  std::string write() && {
    write_steps();
    std::string text = head();
    text += steps_;
    if (mode_ == Mode::kTrace) text += trace();
    text += discovered_from();
    return text;
  }

 private:
  const std::vector<PathNode>& nodes() const { return flow_.summary.nodes; }

  std::string head() const {
    const auto& summary = flow_.summary;
    std::string text = "flow:\n";
    const std::string name = summary.name.empty() ? "Discovered flow" : summary.name;
    text += fmt::format("  name: {}\n", scalar(base::utf8_prefix(name, kMostIdentifierBytes)));
    text += fmt::format("  description: {}\n",
                        scalar(fmt::format("Auto-discovered flow (seen {} times, risk score {:.2f})",
                                           summary.occurrence_count, summary.risk_score)));
    const auto entries = placeholders_.entries();
    if (entries.empty()) return text + "  env: {}\n";
    text += "  env:\n";
    for (const auto& [variable, value] : entries)
      text += fmt::format("    {}: {}\n", scalar(variable),
                          quoted(escaped(base::utf8_prefix(value, kMostValueBytes))));
    return text;
  }

  // ---- Steps --------------------------------------------------------------------

  void write_steps() {
    steps_ = "  steps:\n";
    if (mode_ == Mode::kTrace) {
      write_call(0, "step_1");
    } else {
      for (size_t i = 0; i < nodes().size(); ++i) {
        if (nodes()[i].type == NodeType::kService) continue;
        if (step_count_ == kMostNodes || steps_.size() > kMostBytes) {
          steps_ += "    # The flow has more nodes than fit into one file.\n";
          break;
        }
        write_call(i, fmt::format("step_{}", step_count_ + 1));
      }
    }
    if (step_count_ == 0) write_nothing_to_call();
  }

  void begin_step(std::string_view id, std::string_view identifier, std::string_view action) {
    ++step_count_;
    steps_ += fmt::format("    - id: {}\n      name: {}\n      action: {}\n      config:\n", id,
                          scalar(fmt::format("Call {}", base::utf8_prefix(identifier, kMostIdentifierBytes))),
                          action);
  }
  void config(std::string_view key, std::string_view yaml) {
    steps_ += fmt::format("        {}: {}\n", key, yaml);
  }
  // A text of the sample or the flow: no reference, whatever it looks like.
  static std::string foreign(std::string_view text, size_t most = kMostIdentifierBytes) {
    return scalar(escaped(base::utf8_prefix(text, most)));
  }
  std::string reference(std::string_view name, const std::string& value) {
    placeholders_.fixed(name, value);
    return quoted(fmt::format("{{{{{}}}}}", name));
  }

  void write_call(size_t node, std::string_view id) {
    if (node >= nodes().size()) return;
    const std::string_view identifier = nodes()[node].identifier;
    switch (nodes()[node].type) {
      case NodeType::kService:
        return;
      case NodeType::kApiEndpoint: {
        const Endpoint endpoint = endpoint_of(base::utf8_prefix(identifier, kMostIdentifierBytes));
        return endpoint.method.empty() ? write_rpc(node, id) : write_http(node, id, endpoint);
      }
      case NodeType::kTopic:
        begin_step(id, identifier, "kafka_producer");
        config("topic", foreign(identifier));
        config("brokers", reference("kafka_brokers", shown_or(sample_.host_port(node), "localhost:9092")));
        config("payload", "{}");
        return;
      case NodeType::kDatabase: {
        begin_step(id, identifier, "database_query");
        config("connection", reference("db_connection", connection(node)));
        const std::string statement = sample_.statement(node);
        config("query", statement.empty() ? "SELECT 1" : foreign(statement, kMostValueBytes));
        return;
      }
    }
  }

  void write_http(size_t node, std::string_view id, const Endpoint& endpoint) {
    begin_step(id, nodes()[node].identifier, "http_request");
    std::string method(endpoint.method);
    if (method == "_OTHER") {
      method = sample_.method(node);
      if (!is_token(method) || method == "_OTHER") method = "GET";
    }
    config("method", scalar(method));
    placeholders_.fixed("base_url", shown_or(sample_.base_url(node), "http://localhost:8080"));
    config("url", quoted("{{base_url}}" + placeholders_.route(endpoint.route, sample_.request_path(node))));
    if (mode_ != Mode::kTrace) return;
    write_params(node);
    write_body(node);
    if (const auto status = sample_.http_status(node))
      steps_ += fmt::format("      assert:\n        - status == {}\n", *status);
  }

  void write_params(size_t node) {
    constexpr size_t kMostParams = 50;
    auto params = parse_query(base::utf8_prefix(sample_.request_query(node), kMostValueBytes));
    if (params.empty()) return;
    params.resize(std::min(params.size(), kMostParams));
    std::vector<std::string> names;
    steps_ += "        params:\n";
    for (const auto& [name, value] : params) {
      if (std::ranges::find(names, name) != names.end()) continue;
      names.push_back(name);
      // As one list where a name comes several times.
      std::string yaml;
      for (const auto& [other, its_value] : params)
        if (other == name)
          yaml += (yaml.empty() ? "" : ", ") +
                  quoted(flow_file::is_secret_name(name) ? std::string(kMask) : escaped(its_value));
      const bool several = std::ranges::count(params, name, &std::pair<std::string, std::string>::first) > 1;
      steps_ += fmt::format("          {}: {}\n", quoted(escaped(name)), several ? "[" + yaml + "]" : yaml);
    }
  }

  void write_body(size_t node) {
    const std::string body = sample_.request_body(node);
    if (body.empty() || body.size() > kMostValueBytes) return;
    config("body", foreign(body, kMostValueBytes));
    const bool json = expr::parse_json(body).has_value();
    if (json) steps_ += "        headers:\n          Content-Type: application/json\n";
  }

  void write_rpc(size_t node, std::string_view id) {
    begin_step(id, nodes()[node].identifier, "grpc_call");
    config("address", reference("grpc_address", shown_or(sample_.host_port(node), "localhost:50051")));
    config("method", foreign(nodes()[node].identifier));
    config("message", "{}");
  }

  void write_nothing_to_call() {
    begin_step("step_1", nodes().empty() ? flow_.summary.name : nodes()[0].identifier, "log");
    config("message", quoted("Nothing from outside starts this flow: replace this step by what does"));
  }

  static std::string shown_or(const std::string& shown, std::string_view standard) {
    return shown.empty() ? std::string(standard) : shown;
  }

  std::string connection(size_t node) const {
    const std::string system = sample_.db_system(node);
    const std::string& name = nodes()[node].identifier;
    const bool named = name != system;
    if (system == "sqlite") return "sqlite:" + (named ? name : std::string());
    const std::string_view scheme = system == "mysql" || system == "mariadb" ? "mysql" : "postgres";
    const std::string_view port = scheme == "mysql" ? ":3306" : ":5432";
    const std::string user = sample_.db_user(node);
    return fmt::format("{}://{}{}/{}", scheme, user.empty() ? "" : user + "@",
                       shown_or(sample_.host_port(node), "localhost" + std::string(port)), named ? name : "");
  }

  // ---- What is expected of the trace --------------------------------------------

  std::string trace() const {
    std::string text = "  trace:\n    expected_path:\n";
    const std::string before = text;
    for (size_t i = 0; i < nodes().size(); ++i) {
      const PathNode& node = nodes()[i];
      text += fmt::format("      - {{type: {}, identifier: {}", model::to_string(node.type),
                          quoted(node.identifier));
      // Who sends to a topic is not what makes its node.
      if (!node.service.empty() && node.type != NodeType::kTopic)
        text += fmt::format(", service: {}", quoted(node.service));
      text += "}\n";
      // Half a path would be another path.
      if (i + 1 == kMostNodes || text.size() > kMostBytes) {
        text = "  # The path has more nodes than fit into one file.\n  trace:\n";
        break;
      }
    }
    if (text == before) text = "  trace:\n";
    // One run says little of how fast the system is; the limits below say enough.
    text += "    performance: warn\n";
    if (const auto selectors = allowed_errors(flow_, sample_); !selectors.empty()) {
      text += "    allow_errors:\n";
      for (size_t i = 0; i < std::min(selectors.size(), kMostSelectors); ++i)
        text += fmt::format("      - {}\n", quoted(base::utf8_prefix(selectors[i], kMostIdentifierBytes)));
    }
    text += "  trace_assert:\n";
    for (const std::string& check : trace_assertions(flow_))
      if (check.size() <= kMostIdentifierBytes) text += fmt::format("    - {}\n", quoted(check));
    return text;
  }

  std::string discovered_from() const {
    std::string text = fmt::format("  discovered_from:\n    fingerprint: {}\n",
                                   quoted(base::to_hex(flow_.summary.flow->fingerprint)));
    std::string sample;
    if (detail_)
      sample = detail_->summary.trace_id.to_hex();
    else if (const auto samples = samples_of(flow_); !samples.empty())
      sample = samples[0].to_hex();
    if (!sample.empty()) text += fmt::format("    sample_trace_id: {}\n", quoted(sample));
    return text + fmt::format("    occurrence_count: {}\n", flow_.summary.occurrence_count);
  }

  static constexpr size_t kMostSelectors = 100;

  const discovery::FlowDetail& flow_;
  const store::TraceDetail* detail_;
  const SampleView sample_;
  const Mode mode_;
  Placeholders placeholders_;
  std::string steps_;
  size_t step_count_ = 0;
};

}  // namespace

std::optional<Mode> mode_of(std::string_view text) {
  if (text == "steps") return Mode::kSteps;
  if (text == "trace") return Mode::kTrace;
  return std::nullopt;
}

std::vector<model::TraceId> samples_of(const discovery::FlowDetail& flow) {
  std::vector<model::TraceId> ids;
  for (const bool with_error : {false, true})
    for (const discovery::SampleTrace& sample : flow.samples)
      if ((sample.why.find("error") != std::string::npos) == with_error) ids.push_back(sample.trace_id);
  return ids;
}

bool is_fit(const store::TraceDetail& detail) {
  return detail.summary.complete && !detail.summary.partial && !detail.summary.is_test_generated;
}

std::string export_flow(const discovery::FlowDetail& flow, const store::TraceDetail* sample, Mode mode) {
  return Exporter(flow, sample, mode).write();
}

}  // namespace testmesh::flow_export
