// A method is known only by what the server's reflection says of it, so its
// messages are dynamic ones and its calls go through the generic stub.
#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "actions/config_reader.h"
#include "actions/grpc_config.h"
#include "actions/grpc_schema.h"
#include "actions/host_policy.h"
#include "actions/propagation.h"
#include "actions/registry.h"
#include "base/utf8.h"
#include "base/varint.h"

namespace testmesh::actions {
namespace {

using namespace std::chrono_literals;

constexpr int kMaxMessageBytes = (4 << 20) + 1;  // see call_error()
constexpr size_t kMaxMessages = 1000;            // of a stream
constexpr size_t kMaxStreamBytes = 64u << 20;    // of all its messages
constexpr std::string_view kReflection[] = {"grpc.reflection.v1.ServerReflection",
                                            "grpc.reflection.v1alpha.ServerReflection"};

std::string_view status_name(int code) {
  static constexpr std::string_view kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return code >= 0 && code < 17 ? kNames[code] : "UNKNOWN";
}

// --- Calls -------------------------------------------------------------------

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// One call of any kind, driven by the calling thread, which looks at its
// deadline and the cancel flag while it waits.
class Stream {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const HeaderList& metadata,
         const Waiting& waiting)
      : waiting_(waiting) {
    for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
    // The call's deadline travels to the server; our own waiting is what ends it here.
    context_.set_deadline(std::chrono::system_clock::now() + waiting.left() + 100ms);
    grpc::GenericStub stub(channel);
    call_ = stub.PrepareCall(&context_, method, &queue_);
    call_->StartCall(tag());
    good_ = wait();
  }
  ~Stream() {
    if (!finished_) {
      context_.TryCancel();
      grpc::Status ignored;
      finish(ignored);
    }
    queue_.Shutdown();
    void* seen = nullptr;
    bool ok = false;
    while (queue_.Next(&seen, &ok)) {
    }
  }
  Stream(const Stream&) = delete;

  bool write(const std::string& message) {
    if (!good_) return false;
    grpc::Slice slice(message);
    call_->Write(grpc::ByteBuffer(&slice, 1), tag());
    return good_ = wait();
  }
  bool end_writing() {
    if (!good_) return false;
    call_->WritesDone(tag());
    return good_ = wait();
  }
  std::optional<std::string> read() {
    if (!good_) return std::nullopt;
    grpc::ByteBuffer buffer;
    call_->Read(&buffer, tag());
    if (!wait()) return std::nullopt;
    return bytes_of(buffer);
  }
  void finish(grpc::Status& status) {
    call_->Finish(&status, tag());
    (void)wait();
    finished_ = true;
  }
  void cancel() { context_.TryCancel(); }
  grpc::ClientContext& context() { return context_; }

 private:
  void* tag() { return this; }
  // Operations always end once the call is cancelled, so nothing is left behind.
  bool wait() {
    while (true) {
      void* seen = nullptr;
      bool ok = false;
      const auto state = queue_.AsyncNext(&seen, &ok, std::chrono::system_clock::now() + 50ms);
      if (state == grpc::CompletionQueue::GOT_EVENT) return ok;
      if (state == grpc::CompletionQueue::SHUTDOWN) return false;
      if (waiting_.over()) context_.TryCancel();
    }
  }

  const Waiting& waiting_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool good_ = false, finished_ = false;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What the status of a call means when it is not the server's own word.
std::optional<ActionError> call_error(const grpc::Status& status, grpc::ClientContext& context,
                                      const GrpcTarget& target, const Waiting& waiting) {
  if (status.ok()) return std::nullopt;
  if (waiting.over()) return waiting.error(fmt::format("calling {}", target.place()));
  // The library words this as if it had come from the peer, whose limit is most
  // often 4 MiB; ours is told by its odd number.
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
      status.error_message().ends_with(fmt::format("vs. {})", kMaxMessageBytes)))
    return ActionError{"too_large",
                       fmt::format("an answer of {} is larger than the {} MiB that are kept: {}",
                                   target.place(), kMaxMessageBytes >> 20, status.error_message())};
  if (contains(context.debug_error_string(), "Error received from peer")) return std::nullopt;
  const std::string& text = status.error_message();
  const std::string shown(base::utf8_prefix(text, 500));
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return ActionError{"timeout", fmt::format("the time was up while calling {}", target.place())};
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    const bool handshake =
        contains(text, "andshake") || contains(text, "certificate") || contains(text, "SSL");
    if (target.tls && handshake)
      return ActionError{"tls", fmt::format("TLS with {} failed: {}", target.place(), shown)};
    return ActionError{"connection", fmt::format("no connection to {}: {}", target.place(), shown)};
  }
  return ActionError{"protocol", fmt::format("{} does not answer as gRPC has it: {} ({})", target.place(),
                                             shown, status_name(status.error_code()))};
}

// --- Reflection --------------------------------------------------------------

struct ReflectionAnswer {
  std::vector<std::string> files;  // serialized FileDescriptorProtos
  std::vector<std::string> services;
  std::optional<std::string> error;
};

// grpc.reflection.v1 and v1alpha are the same on the wire, field for field; this
// reads ServerReflectionResponse without their generated classes, whose names
// would collide with those of any program that links them too.
template <typename Field>
void each_field(std::string_view message, Field&& field) {
  base::ByteReader reader(message);
  while (!reader.done()) {
    const uint64_t key = reader.varint();
    switch (key & 7) {
      case 0:
        (void)reader.varint();
        break;
      case 1:
        (void)reader.bytes(8);
        break;
      case 2:
        field(static_cast<uint32_t>(key >> 3), reader.sized());
        break;
      case 5:
        (void)reader.bytes(4);
        break;
      default:
        return;
    }
  }
}

ReflectionAnswer parse_reflection(std::string_view message) {
  ReflectionAnswer answer;
  each_field(message, [&](uint32_t number, std::string_view bytes) {
    if (number == 4) {
      each_field(bytes, [&](uint32_t inner, std::string_view file) {
        if (inner == 1) answer.files.emplace_back(file);
      });
    } else if (number == 6) {
      each_field(bytes, [&](uint32_t inner, std::string_view service) {
        if (inner != 1) return;
        each_field(service, [&](uint32_t name, std::string_view text) {
          if (name == 1) answer.services.emplace_back(text);
        });
      });
    } else if (number == 7) {
      answer.error = "unknown";
      each_field(bytes, [&](uint32_t inner, std::string_view text) {
        if (inner == 2) answer.error = std::string(text);
      });
    }
  });
  return answer;
}

enum : uint32_t { kFileByName = 3, kFileOfSymbol = 4, kListServices = 7 };

std::string reflection_request(uint32_t field, std::string_view text) {
  std::string bytes;
  base::append_varint(bytes, field << 3 | 2);
  base::append_sized(bytes, text);
  return bytes;
}

// One server of a run.
struct Server {
  std::shared_ptr<grpc::Channel> channel;
  std::mutex mutex;       // guards what follows; held while reflection is asked
  size_t reflection = 0;  // of kReflection
  GrpcSchema schema;
};

template <typename T>
using OrError = std::expected<T, ActionError>;

// A conversation with the reflection service.
class Reflection {
 public:
  Reflection(Server& server, const GrpcTarget& target, const HeaderList& metadata, const Waiting& waiting)
      : server_(server), target_(target), metadata_(metadata), waiting_(waiting) {}

  OrError<ReflectionAnswer> ask(uint32_t field, std::string_view text) {
    while (true) {
      if (!stream_)
        stream_.emplace(server_.channel,
                        fmt::format("/{}/ServerReflectionInfo", kReflection[server_.reflection]), metadata_,
                        waiting_);
      if (stream_->write(reflection_request(field, text)))
        if (const auto answer = stream_->read()) return parse_reflection(*answer);
      grpc::Status status;
      stream_->finish(status);
      const auto error = call_error(status, stream_->context(), target_, waiting_);
      stream_.reset();
      if (error) return std::unexpected(*error);
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && server_.reflection == 0) {
        server_.reflection = 1;
        continue;
      }
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
        server_.reflection = 0;
        return std::unexpected(ActionError{
            "rpc",
            fmt::format("{} has no server reflection (neither grpc.reflection.v1 nor v1alpha), from which "
                        "grpc_call learns what a method takes",
                        target_.place())});
      }
      return std::unexpected(ActionError{"rpc", fmt::format("the reflection of {} failed: {}: {}",
                                                            target_.place(), status_name(status.error_code()),
                                                            base::utf8_prefix(status.error_message(), 500))});
    }
  }

 private:
  Server& server_;
  const GrpcTarget& target_;
  const HeaderList& metadata_;
  const Waiting& waiting_;
  std::optional<Stream> stream_;
};

// Makes sure that the schema knows the call's service, asking the server when it
// does not. `call.service` becomes the full name where the short one was
// unambiguous.
std::optional<ActionError> learn_service(Server& server, GrpcCall& call, const Waiting& waiting) {
  if (server.schema.has_service(call.service)) return std::nullopt;
  Reflection reflection(server, call.target, call.reflection_metadata, waiting);
  auto answer = reflection.ask(kFileOfSymbol, call.service);
  if (!answer) return answer.error();
  if (answer->error) {
    auto all = reflection.ask(kListServices, "*");
    if (!all) return all.error();
    std::vector<std::string> alike;
    for (const std::string& name : all->services)
      if (name.ends_with("." + call.service)) alike.push_back(name);
    if (alike.size() != 1)
      return ActionError{"rpc", fmt::format("{} has no service {}; it has {}", call.target.place(),
                                            call.service, listed(alike.empty() ? all->services : alike))};
    call.service = alike[0];
    if (server.schema.has_service(call.service)) return std::nullopt;
    answer = reflection.ask(kFileOfSymbol, call.service);
    if (!answer) return answer.error();
  }
  for (const std::string& file : answer->files) server.schema.add(file);
  while (const auto missing = server.schema.missing()) {
    auto file = reflection.ask(kFileByName, *missing);
    if (!file) return file.error();
    bool added = false;
    for (const std::string& one : file->files) added |= server.schema.add(one);
    if (!added)
      return ActionError{"rpc",
                         fmt::format("the reflection of {} does not give the file {}, which its services "
                                     "import: {}",
                                     call.target.place(), *missing,
                                     file->error.value_or("it came without it, or is too large"))};
  }
  return std::nullopt;
}

expr::Value metadata_value(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  expr::Map map;
  for (const auto& [key, value] : metadata) {
    const std::string name(key.data(), key.size());
    std::string text(value.data(), value.size());
    if (name.ends_with("-bin") || !base::valid_utf8(text)) text = to_base64(text);
    const expr::Value* before = map.find(name);
    map.set(name, before == nullptr ? expr::Value(text)
                                    : expr::Value(fmt::format("{}, {}", before->as_string(), text)));
  }
  return map;
}

// --- Channels ----------------------------------------------------------------

// What goes wrong with a call is in its outcome; the process's stderr is not the
// place for it, unless someone asked.
void keep_library_quiet() {
  static const bool done = [] {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
    return true;
  }();
  (void)done;
}

std::shared_ptr<grpc::ChannelCredentials> credentials_of(const GrpcTarget& target) {
  if (!target.tls) return grpc::InsecureChannelCredentials();
  if (target.verify)
    return grpc::SslCredentials(
        {.pem_root_certs = target.ca, .pem_private_key = target.key, .pem_cert_chain = target.certificate});
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  if (!target.certificate.empty()) {
    options.set_certificate_provider(std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
        std::vector<grpc::experimental::IdentityKeyCertPair>{{target.key, target.certificate}}));
    options.watch_identity_key_cert_pairs();
  }
  return grpc::experimental::TlsCredentials(options);
}

std::shared_ptr<grpc::Channel> open_channel(const GrpcTarget& target, const std::vector<Resolved>& addresses,
                                            bool v6) {
  keep_library_quiet();
  std::string uri = v6 ? "ipv6:" : "ipv4:";
  bool first = true;
  for (const Resolved& address : addresses) {
    if (address.v6 != v6) continue;
    uri += fmt::format("{}{}", first ? "" : ",",
                       v6 ? fmt::format("%5B{}%5D:{}", address.address, address.port)
                          : fmt::format("{}:{}", address.address, address.port));
    first = false;
  }
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, target.place());
  if (target.tls && target.verify) arguments.SetSslTargetNameOverride(target.host);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetUserAgentPrefix("testmesh");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // connections are those of one run
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);             // `retry` is the step's
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A proxy would connect where the policy cannot look, so the environment's are not used.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(uri, credentials_of(target), arguments);
}

class GrpcServers {
 public:
  std::shared_ptr<Server> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = servers_.find(key);
    return found == servers_.end() ? nullptr : found->second;
  }
  void keep(const std::string& key, std::shared_ptr<Server> server) {
    const std::lock_guard lock(mutex_);
    servers_[key] = std::move(server);
  }
  // gRPC waits longer and longer before it tries a dead address again; the next
  // attempt of a step shall try at once.
  void forget(const std::string& key) {
    const std::lock_guard lock(mutex_);
    servers_.erase(key);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Server>> servers_;
};

// --- The action --------------------------------------------------------------

class GrpcCallAction final : public Action {
 public:
  std::string_view name() const override { return "grpc_call"; }

  ActionOutcome run(const expr::Value& config, ActionContext& context) const override {
    const auto start = std::chrono::steady_clock::now();
    ActionOutcome outcome;
    expr::Map result;
    std::chrono::nanoseconds timeout{};
    auto call = read_grpc_call(config, context, timeout, outcome.span_links);
    if (!call) {
      outcome.error = call.error();
    } else {
      const Waiting waiting(context, timeout);
      outcome.error = perform(*call, context, waiting, result);
      outcome.request = shown_grpc_request(*call);
    }
    result.set("duration_ms", milliseconds_since(start));
    outcome.result = std::move(result);
    describe_span(outcome, call ? &*call : nullptr);
    return outcome;
  }

 private:
  static std::optional<ActionError> perform(GrpcCall& call, ActionContext& context, const Waiting& waiting,
                                            expr::Map& result) {
    auto& servers = context.connections.get<GrpcServers>();
    const std::string key = call.target.pool_key();
    if (auto server = servers.find(key)) {
      auto error = call_server(*server, call, waiting, result);
      if (error && (error->code == "connection" || error->code == "tls")) servers.forget(key);
      return error;
    }
    const Resolution resolution =
        resolve(context.hosts, call.target.host, call.target.port, [&] { return waiting.over(); });
    if (resolution.error_code == "timeout")
      return waiting.error(fmt::format("looking up the host {}", call.target.host));
    if (!resolution.error_code.empty()) return ActionError{resolution.error_code, resolution.error};
    // A target is of one family, so a name of both ("localhost") is tried twice.
    std::optional<ActionError> error;
    std::set<bool> tried;
    for (const Resolved& address : resolution.addresses) {
      if (!tried.insert(address.v6).second) continue;
      auto server = std::make_shared<Server>();
      server->channel = open_channel(call.target, resolution.addresses, address.v6);
      error = call_server(*server, call, waiting, result);
      if (!error || (error->code != "connection" && error->code != "tls")) {
        servers.keep(key, std::move(server));
        return error;
      }
    }
    return error;
  }

  static std::optional<ActionError> call_server(Server& server, GrpcCall& call, const Waiting& waiting,
                                                expr::Map& result) {
    GrpcMethod method;
    std::vector<std::string> messages;
    {
      const std::lock_guard lock(server.mutex);
      if (auto error = learn_service(server, call, waiting)) return error;
      auto found = server.schema.method(call.service, call.method);
      if (!found) return found.error();
      method = *found;
      const expr::Value message = call.message == nullptr ? expr::Value() : *call.message;
      const bool list = method.client_streaming && message.kind() == expr::Kind::kList;
      for (const expr::Value& one : list ? message.as_list() : expr::List{message}) {
        auto bytes = server.schema.encode(method.input, one);
        if (!bytes) return bytes.error();
        messages.push_back(std::move(*bytes));
      }
    }
    Stream stream(server.channel, fmt::format("/{}/{}", call.service, call.method), call.metadata, waiting);
    for (const std::string& message : messages)
      if (!stream.write(message)) break;
    stream.end_writing();
    expr::List answers;
    size_t bytes = 0;
    std::optional<ActionError> error;
    while (const auto answer = stream.read()) {
      bytes += answer->size();
      if (answers.size() == kMaxMessages || bytes > kMaxStreamBytes) {
        error =
            ActionError{"too_large", fmt::format("{} sends more than {} messages or {} MiB",
                                                 call.target.place(), kMaxMessages, kMaxStreamBytes >> 20)};
        stream.cancel();
        break;
      }
      const std::lock_guard lock(server.mutex);
      auto message = server.schema.decode(method.output, *answer);
      if (!message) {
        error = ActionError{"protocol",
                            fmt::format("an answer of {} is no {}", call.target.place(), method.output)};
        stream.cancel();
        break;
      }
      answers.push_back(std::move(*message));
    }
    grpc::Status status;
    stream.finish(status);
    if (!error) error = call_error(status, stream.context(), call.target, waiting);
    if (!error) {
      result.set("status", status_name(status.error_code()));
      result.set("status_code", static_cast<int64_t>(status.error_code()));
      result.set("status_message", status.error_message());
    }
    result.set("message", answers.empty() ? expr::Value() : answers[0]);
    if (method.server_streaming) result.set("messages", std::move(answers));
    const auto& headers = stream.context().GetServerInitialMetadata();
    const auto& trailers = stream.context().GetServerTrailingMetadata();
    auto both = headers;
    both.insert(trailers.begin(), trailers.end());
    result.set("metadata", metadata_value(both));
    result.set("headers", metadata_value(headers));
    result.set("trailers", metadata_value(trailers));
    return error;
  }

  // Semantic conventions for RPC client spans.
  static void describe_span(ActionOutcome& outcome, const GrpcCall* call) {
    auto& attributes = outcome.span_attributes;
    outcome.span_name = "grpc";
    attributes.push_back(attribute("rpc.system", "grpc"));
    if (call != nullptr) {
      outcome.span_name = fmt::format("{}/{}", call->service, call->method);
      attributes.push_back(attribute("rpc.service", call->service));
      attributes.push_back(attribute("rpc.method", call->method));
      attributes.push_back(attribute("server.address", call->target.host));
      attributes.push_back(attribute("server.port", int64_t{call->target.port}));
    }
    const expr::Value* status = outcome.result.find("status_code");
    if (status != nullptr) attributes.push_back(attribute("rpc.grpc.status_code", status->as_int()));
    outcome.span_failed = outcome.error.has_value() || (status != nullptr && status->as_int() != 0);
    if (outcome.error) {
      attributes.push_back(attribute("error.type", outcome.error->code));
    } else if (outcome.span_failed) {
      attributes.push_back(attribute("error.type", outcome.result.find("status")->as_string()));
    }
  }
};

}  // namespace

const Action& grpc_call_action() {
  static const GrpcCallAction action;
  return action;
}

}  // namespace testmesh::actions
