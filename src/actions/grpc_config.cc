#include "actions/grpc_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "actions/config_reader.h"

namespace testmesh::actions {

std::string GrpcTarget::place() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::string GrpcTarget::pool_key() const {
  return fmt::format("{}\n{}{}\n{}\n{}\n{}", place(), tls, verify, ca, certificate, key);
}

namespace {

using namespace std::chrono_literals;

constexpr int64_t kMaxPemBytes = 1 << 20;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

class CallReader {
 public:
  CallReader(const expr::Value& config, const HostPolicy& hosts) : reader_(config), hosts_(hosts) {}

  std::expected<GrpcCall, ActionError> read(std::chrono::nanoseconds& timeout) {
    GrpcCall call;
    read_address(call.target);
    call.method = reader_.required_text("method");
    call.service = reader_.text("service");
    if (call.method.starts_with('/')) call.method.erase(0, 1);
    if (const size_t slash = call.method.rfind('/'); slash != std::string::npos) {
      const std::string named = call.method.substr(0, slash);
      if (!call.service.empty() && call.service != named)
        reader_.fail(fmt::format("`method` names the service {}, but `service` is {}", named, call.service));
      call.service = named;
      call.method.erase(0, slash + 1);
    } else if (call.service.empty() && call.method.find('.') != std::string::npos) {
      const size_t dot = call.method.rfind('.');  // "pkg.Service.Method"
      call.service = call.method.substr(0, dot);
      call.method.erase(0, dot + 1);
    }
    if (call.service.empty())
      reader_.fail("`service` is missing; it may also stand in `method`: \"pkg.Service/Method\"");
    call.message = reader_.value("message");
    read_metadata(call.metadata);
    read_tls(call.target);
    timeout = reader_.duration("timeout", 30s);
    if (reader_.error()) return std::unexpected(*reader_.error());
    return call;
  }

 private:
  void read_address(GrpcTarget& target) {
    const std::string text = reader_.required_text("address");
    const size_t colon = text.rfind(':');
    std::string_view host =
        std::string_view(text).substr(0, colon == std::string::npos ? text.size() : colon);
    const std::string_view port = colon == std::string::npos ? "" : std::string_view(text).substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos) || port.empty() ||
        error != std::errc() || end != port.data() + port.size() || target.port == 0 ||
        host.find_first_of("/ \t\r\n") != std::string_view::npos)
      reader_.fail(fmt::format("`address` must be \"host:port\", but it is {}", expr::describe(text, 100)));
    target.host = host;
  }

  void read_metadata(HeaderList& metadata) {
    const expr::Value* found = reader_.value("metadata");
    if (found == nullptr) return;
    if (found->kind() != expr::Kind::kMap)
      return reader_.fail(
          fmt::format("`metadata` must be a map, but it is a {}", expr::kind_name(found->kind())));
    for (const auto& [key, value] : found->as_map()) {
      std::string name = expr::to_text(key);
      for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
      const expr::List values = value.kind() == expr::Kind::kList ? value.as_list() : expr::List{value};
      for (const expr::Value& one : values) add(metadata, name, expr::to_text(one));
    }
  }

  // gRPC stops the process at metadata that it cannot send.
  static bool sendable(std::string_view name, std::string_view text) {
    const bool legal_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
    return legal_name && (name.ends_with("-bin") || std::all_of(text.begin(), text.end(), [](char c) {
                            return c >= 0x20 && c <= 0x7e;
                          }));
  }
  void add(HeaderList& metadata, const std::string& name, std::string text) {
    if (!sendable(name, text))
      return reader_.fail(fmt::format("the metadata {} has a name or a value that gRPC cannot send",
                                      expr::describe(name, 60)));
    if (name.starts_with("grpc-")) return reader_.fail(fmt::format("the metadata `{}` is gRPC's own", name));
    metadata.emplace_back(name, std::move(text));
  }

  void read_tls(GrpcTarget& target) {
    const expr::Value* tls = reader_.value("tls");
    if (tls == nullptr) return;
    if (tls->kind() != expr::Kind::kMap) {
      target.tls = reader_.boolean("tls", false);
      return;
    }
    target.tls = true;
    for (const auto& [key, value] : tls->as_map()) {
      const std::string name = expr::to_text(key);
      if (name == "verify") {
        const std::string text = expr::to_text(value);
        if (text != "true" && text != "false") reader_.fail("`tls.verify` must be true or false");
        target.verify = text == "true";
      } else if (name == "ca" || name == "cert" || name == "key") {
        (name == "ca"     ? target.ca
         : name == "cert" ? target.certificate
                          : target.key) = pem(name, expr::to_text(value));
      } else {
        reader_.fail(fmt::format("`tls` has a key \"{}\"; it takes ca, cert, key and verify", name));
      }
    }
    if (target.certificate.empty() != target.key.empty())
      reader_.fail("`tls` needs both `cert` and `key`, or neither");
  }

  // PEM text, or the file that holds it.
  std::string pem(const std::string& name, std::string text) {
    if (text.empty() || contains(text, "-----BEGIN")) return text;
    if (hosts_.restricted()) {
      reader_.fail(fmt::format(
          "`tls.{}` names a file, which runs with a list of hosts may not read; give the PEM text", name));
      return {};
    }
    std::ifstream file(text, std::ios::binary | std::ios::ate);
    if (!file || file.tellg() > kMaxPemBytes) {
      reader_.fail(fmt::format("the file {} of `tls.{}` cannot be read, or is too large",
                               expr::describe(text, 200), name));
      return {};
    }
    std::string content(static_cast<size_t>(file.tellg()), '\0');
    file.seekg(0);
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    if (!contains(content, "-----BEGIN"))
      reader_.fail(fmt::format("the file {} of `tls.{}` is no PEM", expr::describe(text, 200), name));
    return content;
  }

  ConfigReader reader_;
  const HostPolicy& hosts_;
};

// Asking what a method takes is no part of the test: with the author's
// credentials, but with a context of its own that says "not sampled", so that
// no server records it.
HeaderList reflection_metadata(const HeaderList& author, const TraceContext& trace) {
  TraceContext aside{.trace_id = trace.trace_id, .span_id = trace.span_id};
  for (uint8_t& byte : aside.trace_id.bytes) byte = static_cast<uint8_t>(~byte);
  std::string parent = traceparent(aside);
  parent.back() = '0';
  HeaderList metadata{{"traceparent", std::move(parent)}};
  for (const auto& header : author)
    if (header.first != "traceparent" && header.first != "tracestate" && header.first != "baggage")
      metadata.push_back(header);
  return metadata;
}

}  // namespace

std::expected<GrpcCall, ActionError> read_grpc_call(const expr::Value& config, const ActionContext& context,
                                                    std::chrono::nanoseconds& timeout,
                                                    std::vector<model::Link>& links) {
  auto call = CallReader(config, context.hosts).read(timeout);
  if (!call) return call;
  call->reflection_metadata = reflection_metadata(call->metadata, context.trace);
  Propagation propagation = propagate(context.trace, call->metadata);
  links = std::move(propagation.links);
  for (auto& [name, value] : propagation.headers)
    if (printable(value)) call->metadata.emplace_back(name, std::move(value));
  return call;
}

expr::Value shown_grpc_request(const GrpcCall& call) {
  expr::Map metadata;
  for (const auto& [name, value] : call.metadata) {
    const bool secret = name == "authorization" || name == "cookie";
    metadata.set(name, secret                   ? expr::Value("***")
                       : name.ends_with("-bin") ? expr::Value(to_base64(value))
                                                : expr::Value(value));
  }
  return expr::Map{{"address", call.target.place()},
                   {"service", call.service},
                   {"method", call.method},
                   {"message", call.message == nullptr ? expr::Value() : *call.message},
                   {"metadata", std::move(metadata)}};
}

}  // namespace testmesh::actions
