// Redis over RESP2: hiredis reads the protocol, the sockets are ours, so that
// the policy sees each address and nothing blocks.
#include <fcntl.h>
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstring>
#include <map>
#include <mutex>

#include "actions/config_reader.h"
#include "actions/connection_url.h"
#include "actions/host_policy.h"
#include "actions/redis_command.h"
#include "actions/registry.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using namespace std::chrono_literals;

constexpr size_t kMostReplyBytes = 64u << 20;

struct RedisUrl {
  std::string host, socket, user, password;
  uint16_t port = 6379;
  int64_t database = 0;
  std::string place() const { return socket.empty() ? fmt::format("{}:{}", host, port) : socket; }
};

std::expected<RedisUrl, std::string> parse_redis_url(std::string_view text) {
  auto url = parse_connection_url(text);
  if (!url) return std::unexpected(std::move(url).error());
  RedisUrl redis;
  redis.user = url->user;
  redis.password = url->password.value_or("");
  std::string number;
  if (url->scheme == "rediss")
    return std::unexpected("Redis over TLS (rediss:) is not supported; use redis://");
  if (url->scheme == "unix" || url->scheme == "redis+unix") {
    redis.socket = url->path;
    if (!redis.socket.starts_with('/') || !url->host.empty())
      return std::unexpected("a unix: connection URL wants an absolute path: unix:///run/redis.sock");
    if (const std::string* database = url->param("db")) number = *database;
  } else if (url->scheme == "redis" && url->has_authority) {
    redis.host = url->host.empty() ? "localhost" : url->host;
    if (url->port != 0) redis.port = url->port;
    number = url->path.empty() ? "" : url->path.substr(1);
    if (const std::string* database = url->param("db")) number = *database;
  } else {
    return std::unexpected(fmt::format("the connection URL begins with {}:, expected redis:// or unix:///",
                                       url->scheme.substr(0, 40)));
  }
  for (const auto& [name, value] : url->params) {
    if (name != "db")
      return std::unexpected(
          fmt::format("the connection URL has a parameter \"{}\"; Redis takes db", name.substr(0, 60)));
  }
  if (!number.empty()) {
    if (number.size() > 6 || number.find_first_not_of("0123456789") != std::string::npos)
      return std::unexpected(fmt::format("\"{}\" is no number of a Redis database", number.substr(0, 40)));
    redis.database = std::stoi(number);
  }
  return redis;
}

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

template <typename T>
using Expected = std::expected<T, ActionError>;

class RedisConnection {
 public:
  RedisConnection(int fd, std::string place)
      : fd_(fd), place_(std::move(place)), reader_(redisReaderCreate()) {
    CHECK(reader_ != nullptr);
  }
  ~RedisConnection() {
    redisReaderFree(reader_);
    close(fd_);
  }
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Nothing comes unasked but the end.
  bool usable() const {
    pollfd waited{.fd = fd_, .events = POLLIN, .revents = 0};
    return !broken_ && poll(&waited, 1, 0) == 0;
  }
  Expected<Reply> call(const std::vector<std::string>& command, const Waiting&);

 private:
  ActionError lost(std::string_view why) {
    broken_ = true;
    return {"connection", fmt::format("the connection to Redis at {} was lost: {}", place_, why)};
  }
  std::optional<ActionError> send_all(std::string_view bytes, const Waiting&);

  int fd_;
  std::string place_;
  redisReader* reader_;
  bool broken_ = false;
};

std::optional<ActionError> RedisConnection::send_all(std::string_view bytes, const Waiting& waiting) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!waiting.wait_for(fd_, POLLOUT)) {
        broken_ = true;
        return waiting.error("sending the command");
      }
    } else if (errno != EINTR) {
      return lost(std::generic_category().message(errno));
    }
  }
  return std::nullopt;
}

Expected<Reply> RedisConnection::call(const std::vector<std::string>& command, const Waiting& waiting) {
  std::string bytes = fmt::format("*{}\r\n", command.size());
  for (const std::string& word : command) bytes += fmt::format("${}\r\n{}\r\n", word.size(), word);
  if (auto error = send_all(bytes, waiting)) return std::unexpected(std::move(*error));
  size_t received = 0;
  std::array<char, 65536> buffer;
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_, &reply) != REDIS_OK)
      return std::unexpected(lost(fmt::format("its answer is not Redis protocol ({})", reader_->errstr)));
    if (reply != nullptr) return Reply(static_cast<redisReply*>(reply));
    if (!waiting.wait_for(fd_, POLLIN)) {
      broken_ = true;
      return std::unexpected(waiting.error(fmt::format("waiting for the answer of Redis at {}", place_)));
    }
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count == 0) return std::unexpected(lost("it was closed by the server"));
    if (count < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) continue;
      return std::unexpected(lost(std::generic_category().message(errno)));
    }
    received += static_cast<size_t>(count);
    if (received > kMostReplyBytes) {
      broken_ = true;
      return std::unexpected(ActionError{
          "too_large", fmt::format("the answer of Redis is larger than {} MiB", kMostReplyBytes >> 20)});
    }
    redisReaderFeed(reader_, buffer.data(), static_cast<size_t>(count));
  }
}

// Empty: connected. Otherwise why not.
std::optional<ActionError> connect_socket(int fd, const sockaddr* address, socklen_t size,
                                          const std::string& place, const Waiting& waiting) {
  int problem = connect(fd, address, size) == 0 ? 0 : errno;
  if (problem == EINPROGRESS || problem == EAGAIN) {
    if (!waiting.wait_for(fd, POLLOUT)) return waiting.error(fmt::format("connecting to Redis at {}", place));
    socklen_t length = sizeof problem;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length);
  }
  if (problem == 0) return std::nullopt;
  return ActionError{"connection", fmt::format("could not connect to Redis at {}: {}", place,
                                               std::generic_category().message(problem))};
}

Expected<int> open_unix(const RedisUrl& url, const Waiting& waiting) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (url.socket.size() >= sizeof address.sun_path)
    return std::unexpected(
        ActionError{"invalid_config", "the path of the unix socket is longer than 107 bytes"});
  std::memcpy(address.sun_path, url.socket.data(), url.socket.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(ActionError{"connection", "no socket is left"});
  if (auto error =
          connect_socket(fd, reinterpret_cast<sockaddr*>(&address), sizeof address, url.place(), waiting)) {
    close(fd);
    return std::unexpected(std::move(*error));
  }
  return fd;
}

Expected<int> open_tcp(const RedisUrl& url, const HostPolicy& hosts, const Waiting& waiting) {
  const Resolution resolved = resolve(hosts, url.host, url.port, [&] { return waiting.over(); });
  if (resolved.addresses.empty() && waiting.over())
    return std::unexpected(waiting.error(fmt::format("looking up {}", url.host)));
  if (resolved.addresses.empty()) return std::unexpected(ActionError{resolved.error_code, resolved.error});
  std::optional<ActionError> first;
  for (const Resolved& one : resolved.addresses) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(one.address.c_str(), std::to_string(one.port).c_str(), &hints, &found) != 0) continue;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::unexpected(ActionError{"connection", "no socket is left"});
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto error = connect_socket(fd, found->ai_addr, found->ai_addrlen, url.place(), waiting);
    if (!error) return fd;
    close(fd);
    if (!first) first = std::move(error);
  }
  if (!first) first = ActionError{"connection", fmt::format("{} has no usable address", url.host)};
  return std::unexpected(std::move(*first));
}

Expected<std::unique_ptr<RedisConnection>> open_redis(const RedisUrl& url, const HostPolicy& hosts,
                                                      const Waiting& waiting) {
  if (!url.socket.empty() && hosts.restricted())
    return std::unexpected(ActionError{
        "address_refused",
        fmt::format("the unix socket {} may not be used: this server lets flows reach listed hosts only",
                    url.socket)});
  auto fd = url.socket.empty() ? open_tcp(url, hosts, waiting) : open_unix(url, waiting);
  if (!fd) return std::unexpected(std::move(fd).error());
  auto connection = std::make_unique<RedisConnection>(*fd, url.place());
  const auto greet = [&](const std::vector<std::string>& command) -> std::optional<ActionError> {
    auto reply = connection->call(command, waiting);
    if (!reply) return std::move(reply).error();
    if ((*reply)->type != REDIS_REPLY_ERROR) return std::nullopt;
    return ActionError{"connection",
                       fmt::format("Redis at {} refused {}: {}", url.place(), command[0],
                                   std::string_view((*reply)->str, static_cast<size_t>((*reply)->len)))};
  };
  if (!url.password.empty()) {
    auto error = url.user.empty() ? greet({"AUTH", url.password}) : greet({"AUTH", url.user, url.password});
    if (error) return std::unexpected(std::move(*error));
  }
  if (url.database != 0) {
    if (auto error = greet({"SELECT", std::to_string(url.database)}))
      return std::unexpected(std::move(*error));
  }
  return connection;
}

class RedisPool {
 public:
  std::unique_ptr<RedisConnection> take(const std::string& url) {
    const std::lock_guard lock(mutex_);
    auto& idle = idle_[url];
    while (!idle.empty()) {
      auto connection = std::move(idle.back());
      idle.pop_back();
      if (connection->usable()) return connection;
    }
    return nullptr;
  }
  void give_back(const std::string& url, std::unique_ptr<RedisConnection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_[url].size() < 16) idle_[url].push_back(std::move(connection));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<RedisConnection>>> idle_;
};

std::string_view reply_text(const redisReply& reply) { return {reply.str, static_cast<size_t>(reply.len)}; }

Value reply_value(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return int64_t{reply.integer};
    case REDIS_REPLY_NIL:
      return {};
    case REDIS_REPLY_ARRAY: {
      expr::List list;
      for (size_t i = 0; i < reply.elements; ++i) list.push_back(reply_value(*reply.element[i]));
      return list;
    }
    default:
      return text_or_base64(reply_text(reply));
  }
}

std::string_view reply_type(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return "integer";
    case REDIS_REPLY_NIL:
      return "nil";
    case REDIS_REPLY_ARRAY:
      return "list";
    case REDIS_REPLY_STATUS:
      return "status";
    case REDIS_REPLY_ERROR:
      return "error";
    default:
      return base::valid_utf8(reply_text(reply)) ? "string" : "bytes";
  }
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// The command for people: passwords hidden.
Value shown_command(const std::vector<std::string>& command) {
  const std::string verb = upper(command[0]);
  const bool secret = verb == "AUTH" || verb == "HELLO";
  expr::List shown;
  for (size_t i = 0; i < command.size(); ++i)
    shown.emplace_back(secret && i > 0 ? "***" : text_or_base64(command[i]));
  return shown;
}

class RedisAction final : public Action {
 public:
  std::string_view name() const override { return "redis"; }
  ActionOutcome run(const Value& config, ActionContext& context) const override;
};

std::vector<std::string> read_command(ConfigReader& reader) {
  std::vector<std::string> words;
  const Value* command = reader.value("command");
  if (command == nullptr) {
    reader.fail("`command` is missing");
  } else if (command->kind() == expr::Kind::kList) {
    for (const Value& word : command->as_list()) words.push_back(to_wire_text(word));
    if (words.empty() || words[0].empty()) reader.fail("`command` is an empty list");
  } else if (command->kind() == expr::Kind::kString) {
    auto split = split_command(command->as_string());
    if (!split) {
      reader.fail(std::move(split).error());
    } else {
      words = std::move(*split);
    }
  } else {
    reader.fail(
        fmt::format("`command` must be a list or a text, but it is {}", expr::describe(*command, 60)));
  }
  if (!words.empty()) {
    const std::string verb = upper(words[0]);
    for (const std::string_view endless :
         {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"}) {
      if (verb == endless)
        reader.fail(fmt::format("{} has no single answer, so a step cannot wait for it", verb));
    }
  }
  return words;
}

ActionOutcome RedisAction::run(const Value& config, ActionContext& context) const {
  const auto start = std::chrono::steady_clock::now();
  ActionOutcome outcome;
  outcome.span_name = "redis";
  outcome.span_attributes.push_back(attribute("db.system.name", "redis"));
  ConfigReader reader(config);
  const std::string text = reader.required_text("connection");
  const std::vector<std::string> command = read_command(reader);
  const Waiting waiting(context, reader.duration("timeout", 30s));
  expr::Map request;
  request.set("connection", mask_url(text));
  if (!command.empty()) request.set("command", shown_command(command));
  outcome.request = std::move(request);
  expr::Map result;
  auto fail = [&](ActionError error) {
    outcome.span_failed = true;
    outcome.span_attributes.push_back(attribute("error.type", error.code));
    result.set("duration_ms", milliseconds_since(start));
    outcome.result = std::move(result);
    outcome.error = std::move(error);
    return std::move(outcome);
  };
  if (reader.error()) return fail(*reader.error());
  auto url = parse_redis_url(text);
  if (!url) return fail({"invalid_config", std::move(url).error()});
  const std::string verb = upper(command[0]).substr(0, 64);
  outcome.span_name = verb;
  outcome.span_attributes.push_back(attribute("db.operation.name", verb));
  outcome.span_attributes.push_back(attribute("db.namespace", std::to_string(url->database)));
  outcome.span_attributes.push_back(
      attribute("server.address", url->socket.empty() ? url->host : url->socket));
  if (url->socket.empty()) outcome.span_attributes.push_back(attribute("server.port", int64_t{url->port}));

  auto& pool = context.connections.get<RedisPool>();
  std::unique_ptr<RedisConnection> connection = pool.take(text);
  if (connection == nullptr) {
    auto opened = open_redis(*url, context.hosts, waiting);
    if (!opened) return fail(std::move(opened).error());
    connection = std::move(*opened);
  }
  auto reply = connection->call(command, waiting);
  if (connection->usable() && verb != "QUIT" && verb != "RESET") pool.give_back(text, std::move(connection));
  if (!reply) return fail(std::move(reply).error());
  result.set("value", reply_value(**reply));
  result.set("type", reply_type(**reply));
  if ((*reply)->type == REDIS_REPLY_ERROR) {
    const std::string_view message = reply_text(**reply);
    outcome.span_attributes.push_back(
        attribute("db.response.status_code", message.substr(0, message.find(' '))));
    return fail({"query", fmt::format("Redis says: {}", text_or_base64(message))});
  }
  result.set("duration_ms", milliseconds_since(start));
  outcome.result = std::move(result);
  return outcome;
}

}  // namespace

const Action& redis_action() {
  static const RedisAction action;
  return action;
}

}  // namespace testmesh::actions
