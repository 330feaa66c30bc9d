#include "flow_export/sample.h"

#include <fmt/format.h>

#include <algorithm>

namespace testmesh::flow_export {
namespace {

std::string value_text(const model::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value.data)) return fmt::format("{}", *number);
  return {};
}

bool same_node(const model::PathNode& a, const model::PathNode& b) {
  return a.type == b.type && a.identifier == b.identifier;
}

std::string_view behind_scheme(std::string_view url) {
  const size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? std::string_view() : url.substr(scheme + 3);
}

// "/a?b" of "http://host/a?b#c"; a path stays.
std::string_view target_of(std::string_view url) {
  if (!url.starts_with('/')) {
    const std::string_view rest = behind_scheme(url);
    const size_t path = rest.find_first_of("/?#");
    url = path == std::string_view::npos ? std::string_view() : rest.substr(path);
  }
  return url.substr(0, url.find('#'));
}

std::string with_port(std::string_view host, std::string_view port) {
  if (host.empty()) return {};
  const bool v6 = host.find(':') != host.rfind(':') && !host.starts_with('[');
  std::string result = v6 ? fmt::format("[{}]", host) : std::string(host);
  if (!port.empty() && host.rfind(':') == std::string_view::npos)
    result.append(":").append(port);
  else if (!port.empty() && v6)
    result.append(":").append(port);
  return result;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

}  // namespace

SampleView::SampleView(const discovery::FlowDetail& flow, const store::TraceDetail* detail)
    : detail_(detail), spans_(flow.summary.nodes.size()) {
  if (!detail_) return;
  const auto& nodes = flow.summary.nodes;
  const auto& path = detail_->path;
  // The sample has the flow's path, or that of a flow which became it: names
  // may differ then, so a node is sought by name where positions do not fit.
  std::vector<size_t> node_of(path.size(), nodes.size());
  const bool same_length = path.size() == nodes.size();
  std::vector<bool> taken(nodes.size());
  for (size_t i = 0; i < path.size(); ++i) {
    if (same_length) {
      if (path[i].type == nodes[i].type) node_of[i] = i;
      continue;
    }
    for (size_t k = 0; k < nodes.size(); ++k) {
      if (taken[k] || !same_node(path[i], nodes[k])) continue;
      taken[k] = true;
      node_of[i] = k;
      break;
    }
  }
  for (const store::PathVisit& visit : detail_->visits)
    if (visit.node < node_of.size() && node_of[visit.node] < nodes.size() &&
        visit.span < detail_->spans.size())
      spans_[node_of[visit.node]].push_back(visit.span);
}

std::string SampleView::text(size_t node, std::initializer_list<std::string_view> keys,
                             bool caller_too) const {
  const auto shown_by = [&](size_t span) -> std::string {
    for (const std::string_view key : keys)
      if (const auto* value = model::find_attribute(detail_->spans[span].attributes, key))
        if (std::string text = value_text(*value); !text.empty()) return text;
    return {};
  };
  for (const uint32_t span : spans_[node]) {
    if (std::string text = shown_by(span); !text.empty()) return text;
    if (!caller_too || span >= detail_->parent_positions.size()) continue;
    const int64_t parent = detail_->parent_positions[span];
    if (parent >= 0 && detail_->spans[static_cast<size_t>(parent)].kind == model::SpanKind::kClient)
      if (std::string text = shown_by(static_cast<size_t>(parent)); !text.empty()) return text;
  }
  return {};
}

std::string SampleView::statement(size_t node) const { return text(node, {"db.query.text", "db.statement"}); }

std::string SampleView::request_path(size_t node) const {
  const std::string target = text(node, {"url.path", "http.target", "url.full", "http.url"}, true);
  const std::string_view path = target_of(target);
  return std::string(path.substr(0, path.find('?')));
}

std::string SampleView::request_query(size_t node) const {
  std::string query = text(node, {"url.query"}, true);
  if (query.empty()) {
    const std::string target = text(node, {"http.target", "url.full", "http.url"}, true);
    const std::string_view path = target_of(target);
    const size_t mark = path.find('?');
    if (mark != std::string_view::npos) query = path.substr(mark + 1);
  }
  return query.starts_with('?') ? query.substr(1) : query;
}

std::string SampleView::method(size_t node) const {
  return text(node, {"http.request.method_original", "http.request.method", "http.method"}, true);
}

std::optional<int64_t> SampleView::http_status(size_t node) const {
  const std::string status = text(node, {"http.response.status_code", "http.status_code"}, true);
  if (status.size() != 3 || status.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
}

std::string SampleView::request_body(size_t node) const {
  return text(node, {"http.request.body.content", "http.request.body"}, true);
}

std::string SampleView::base_url(size_t node) const {
  const std::string full = text(node, {"url.full", "http.url"}, true);
  if (full.starts_with("http://") || full.starts_with("https://")) {
    const std::string_view rest = behind_scheme(full);
    std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    const size_t at = authority.rfind('@');  // names and passwords stay out
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    if (!authority.empty()) return fmt::format("{}://{}", full.substr(0, full.find(':')), authority);
  }
  const std::string host = text(node, {"server.address", "http.host", "net.host.name"});
  if (host.empty()) return {};
  const std::string scheme = text(node, {"url.scheme", "http.scheme"});
  return fmt::format("{}://{}", scheme == "https" ? "https" : "http",
                     with_port(host, text(node, {"server.port", "net.host.port"})));
}

std::string SampleView::host_port(size_t node) const {
  return with_port(text(node, {"server.address", "net.peer.name", "net.sock.peer.name"}),
                   text(node, {"server.port", "net.peer.port"}));
}

std::string SampleView::db_system(size_t node) const { return text(node, {"db.system.name", "db.system"}); }
std::string SampleView::db_user(size_t node) const { return text(node, {"db.user"}); }

std::vector<std::string> SampleView::failed_operations() const {
  std::vector<std::string> failed;
  if (!detail_) return failed;
  for (size_t i = 0; i < detail_->spans.size() && i < detail_->operations.size(); ++i) {
    if (detail_->spans[i].status != model::StatusCode::kError) continue;
    std::string name =
        fmt::format("{}/{}", model::service_name(*detail_->spans[i].resource), detail_->operations[i]);
    if (std::ranges::find(failed, name) == failed.end()) failed.push_back(std::move(name));
  }
  return failed;
}

std::string SampleView::operation(size_t node) const {
  if (!detail_ || spans_[node].empty() || spans_[node][0] >= detail_->operations.size()) return {};
  const uint32_t span = spans_[node][0];
  return fmt::format("{}/{}", model::service_name(*detail_->spans[span].resource), detail_->operations[span]);
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    pairs.emplace_back(decoded(part.substr(0, equals)),
                       decoded(part.substr(std::min(equals + 1, part.size()))));
  }
  return pairs;
}

}  // namespace testmesh::flow_export
