#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "actions/config_reader.h"
#include "actions/host_policy.h"
#include "actions/http_exchange.h"
#include "actions/propagation.h"
#include "actions/registry.h"
#include "base/utf8.h"

namespace testmesh::actions {
namespace {

using namespace std::chrono_literals;

constexpr int kMaxRedirects = 10;
constexpr size_t kShownBody = 64 << 10;      // of the request, in the history
constexpr size_t kMaxJsonParts = 2'000'000;  // of an answer: a value takes far more memory than its text
constexpr std::string_view kMasked = "***";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return result;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

constexpr std::array<std::string_view, 9> kMethods = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                      "CONNECT", "OPTIONS", "TRACE", "PATCH"};

bool known_method(std::string_view method) {
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

// What a step asks for, read from its config.
struct Request {
  HttpExchange first;
  std::string body;
  expr::Value shown_body;
  std::vector<std::string> secret_headers;  // of an api_key, lower case
  std::vector<std::string> secret_params;
  bool follow = true;
};

bool secret_param(std::string_view name, const std::vector<std::string>& own) {
  const std::string plain = lower(name);
  if (std::find(own.begin(), own.end(), plain) != own.end()) return true;
  for (const std::string_view word : {"token", "secret", "passw", "apikey", "api_key", "api-key", "accesskey",
                                      "access_key", "signature", "credential"})
    if (plain.find(word) != std::string::npos) return true;
  return plain == "sig" || plain == "key" || plain == "auth" || plain == "authorization" || plain == "pwd";
}

// The URL as it may be shown: values of parameters that are named like secrets
// as "REDACTED", the word of the semantic conventions.
std::string shown_url(std::string_view url, const std::vector<std::string>& own) {
  const size_t mark = url.find('?');
  if (mark == std::string_view::npos) return std::string(url);
  std::string shown(url.substr(0, mark + 1));
  std::string_view rest = url.substr(mark + 1);
  while (true) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && equals + 1 < pair.size() &&
        secret_param(pair.substr(0, equals), own)) {
      shown += fmt::format("{}=REDACTED", pair.substr(0, equals));
    } else {
      shown += pair;
    }
    if (end == rest.size()) return shown;
    shown += '&';
    rest.remove_prefix(end + 1);
  }
}

bool header_value_ok(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

class RequestReader {
 public:
  explicit RequestReader(const expr::Value& config) : reader_(config) {}

  std::optional<Request> read(std::chrono::nanoseconds& timeout) {
    Request request;
    HttpExchange& first = request.first;
    first.method = reader_.text("method", "GET");
    std::string upper = first.method;
    for (char& c : upper)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c & ~0x20);
    if (known_method(upper))
      first.method = upper;  // names are case-sensitive; nobody means another one by "post"
    if (!is_token(first.method))
      reader_.fail(fmt::format("`method` is no method: {}", expr::describe(first.method, 60)));
    if (first.method == "CONNECT")
      reader_.fail("`method` CONNECT asks a proxy for a tunnel, which is no request");

    read_headers(request);
    std::string query;
    read_params(query);
    read_auth(request, query);
    read_url(request, query);
    read_cookies(request);
    read_body(request);
    timeout = reader_.duration("timeout", 30s);
    request.follow = reader_.boolean("follow_redirects", true);
    first.verify = reader_.boolean("verify_ssl", true);
    if (reader_.error()) return std::nullopt;
    return request;
  }
  const ActionError& error() const { return *reader_.error(); }

 private:
  // A value that goes into one line of text.
  bool scalar(std::string_view where, const expr::Value& value) {
    if (value.kind() != expr::Kind::kList && value.kind() != expr::Kind::kMap) return true;
    reader_.fail(fmt::format("{} must be a text, but it is a {}", where, expr::kind_name(value.kind())));
    return false;
  }

  const expr::Map* map(std::string_view key) {
    const expr::Value* found = reader_.value(key);
    if (found == nullptr) return nullptr;
    if (found->kind() == expr::Kind::kMap) return &found->as_map();
    reader_.fail(fmt::format("`{}` must be a map, but it is a {}", key, expr::kind_name(found->kind())));
    return nullptr;
  }

  // Calls `add` with every value: a list gives several, nil none.
  template <typename Add>
  void each(std::string_view key, Add&& add) {
    const expr::Map* entries = map(key);
    if (entries == nullptr) return;
    for (const auto& [name, value] : *entries) {
      const std::string text = expr::to_text(name);
      const std::string where = fmt::format("`{}.{}`", key, text);
      if (value.is_nil()) continue;
      if (value.kind() == expr::Kind::kList) {
        for (const expr::Value& one : value.as_list())
          if (scalar(where, one)) add(text, expr::to_text(one));
      } else if (scalar(where, value)) {
        add(text, expr::to_text(value));
      }
    }
  }

  void read_headers(Request& request) {
    each("headers", [&](const std::string& name, const std::string& value) {
      if (!is_token(name)) reader_.fail(fmt::format("{} is no name of a header", expr::describe(name, 60)));
      if (!header_value_ok(value))
        reader_.fail(
            fmt::format("the header `{}` holds a line break, which would begin another header", name));
      // One Cookie header: libcurl joins it with what the jar has.
      if (lower(name) == "cookie") {
        request.first.cookies += (request.first.cookies.empty() ? "" : "; ") + value;
      } else {
        request.first.headers.emplace_back(name, value);
      }
    });
  }

  void read_params(std::string& query) {
    each("params", [&](const std::string& name, const std::string& value) { append(query, name, value); });
  }

  static void append(std::string& query, std::string_view name, std::string_view value) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", percent_encoded(name), percent_encoded(value));
  }

  void read_url(Request& request, const std::string& query) {
    std::string text = reader_.required_text("url");
    if (text.empty()) return;
    if (!query.empty()) {
      const size_t fragment = std::min(text.find('#'), text.size());
      const size_t mark = text.find('?');
      const bool begun = mark < fragment;
      const bool open = begun && (fragment == mark + 1 || text[fragment - 1] == '&');
      text.insert(fragment, (!begun ? "?" : open ? "" : "&") + query);
    }
    auto url = parse_http_url(text);
    if (!url) {
      // The text itself may hold a password, so only its beginning is shown where it can hold none.
      const bool secret = text.find('@') != std::string::npos;
      reader_.fail(
          fmt::format("`url`{}: {}", secret ? "" : " " + expr::describe(text, 100), url.error().message));
      return;
    }
    request.first.url = std::move(*url);
    if (request.first.url.user) {
      authorize(request, "Basic " + to_base64(*request.first.url.user + ":" +
                                              request.first.url.password.value_or("")));
    }
  }

  void authorize(Request& request, std::string value) {
    const bool own = std::any_of(request.first.headers.begin(), request.first.headers.end(),
                                 [](const auto& header) { return lower(header.first) == "authorization"; });
    if (!header_value_ok(value)) reader_.fail("`auth` holds a line break");
    if (!own) request.first.headers.emplace_back("Authorization", std::move(value));
  }

  void read_auth(Request& request, std::string& query) {
    const expr::Map* auth = map("auth");
    if (auth == nullptr) return;
    std::string type;
    const expr::Value* fields = reader_.value("auth");
    if (const expr::Value* named = auth->find("type")) {
      type = lower(expr::to_text(*named));
    } else if (auth->size() == 1) {
      type = lower(expr::to_text(auth->begin()->first));
      fields = &auth->begin()->second;
    }
    const auto field = [&](std::initializer_list<std::string_view> names) -> std::optional<std::string> {
      for (const std::string_view name : names)
        if (const expr::Value* found = fields->find(name); found != nullptr && !found->is_nil())
          return expr::to_text(*found);
      return std::nullopt;
    };
    if (type == "basic") {
      const auto user = field({"username", "user"}), password = field({"password"});
      if (!user || !password) return reader_.fail("`auth` basic needs `username` and `password`");
      if (user->find(':') != std::string::npos) return reader_.fail("`auth.username` cannot hold a colon");
      authorize(request, "Basic " + to_base64(*user + ":" + *password));
    } else if (type == "bearer") {
      const auto token =
          fields->kind() == expr::Kind::kMap ? field({"token"}) : std::optional(expr::to_text(*fields));
      if (!token || token->empty()) return reader_.fail("`auth` bearer needs a `token`");
      authorize(request, "Bearer " + *token);
    } else if (type == "api_key") {
      const auto name = field({"name", "key"}), value = field({"value"});
      const std::string in = lower(field({"in"}).value_or("header"));
      if (!name || !value) return reader_.fail("`auth` api_key needs `name` and `value`");
      if (in == "query") {
        append(query, *name, *value);
        request.secret_params.push_back(lower(percent_encoded(*name)));
      } else if (in != "header") {
        reader_.fail(fmt::format("`auth.in` is header or query, but it is {}", expr::describe(in, 60)));
      } else if (!is_token(*name) || !header_value_ok(*value)) {
        reader_.fail("`auth` api_key has a name or value that no header can have");
      } else {
        request.secret_headers.push_back(lower(*name));
        request.first.headers.emplace_back(*name, *value);
      }
    } else {
      reader_.fail(
          "`auth` is {basic: {username, password}}, {bearer: token} or {api_key: {name, value, in}}");
    }
  }

  void read_cookies(Request& request) {
    each("cookies", [&](const std::string& name, const std::string& value) {
      if (!is_token(name) || !header_value_ok(value) || value.find(';') != std::string::npos)
        return reader_.fail(fmt::format("the cookie {} has a name or value that no cookie can have",
                                        expr::describe(name, 60)));
      request.first.cookies += fmt::format("{}{}={}", request.first.cookies.empty() ? "" : "; ", name, value);
    });
  }

  void read_body(Request& request) {
    HttpExchange& first = request.first;
    const expr::Value* body = reader_.value("body");
    const bool empty_body = first.method == "POST" || first.method == "PUT" || first.method == "PATCH";
    if (body == nullptr) {
      if (empty_body) first.body = std::string_view();
      return;
    }
    if (first.method == "HEAD" || first.method == "TRACE")
      return reader_.fail(fmt::format("a {} request has no `body`", first.method));
    std::string type;
    for (const auto& [name, value] : first.headers)
      if (lower(name) == "content-type") type = lower(value);
    const bool tree = body->kind() == expr::Kind::kMap || body->kind() == expr::Kind::kList;
    if (tree && body->kind() == expr::Kind::kMap && type.starts_with("application/x-www-form-urlencoded")) {
      each("body",
           [&](const std::string& name, const std::string& value) { append(request.body, name, value); });
    } else {
      request.body = tree ? expr::to_json(*body) : expr::to_text(*body);
      if (type.empty())
        first.headers.emplace_back("Content-Type", tree ? "application/json" : "text/plain; charset=utf-8");
    }
    if (request.body.size() > kMaxHttpBody)
      return reader_.fail(
          fmt::format("`body` has {} bytes; {} MiB can be sent", request.body.size(), kMaxHttpBody >> 20));
    first.body = request.body;  // run() sets the view again, as the text moves with the request
    request.shown_body = tree && request.body.size() <= kShownBody
                             ? *body
                             : expr::Value(base::utf8_prefix(request.body, kShownBody));
  }

  ConfigReader reader_;
};

expr::Value shown_request(const Request& request, const HttpExchange& sent) {
  expr::Map headers;
  for (const auto& [name, value] : sent.headers) {
    const std::string plain = lower(name);
    const bool own = std::find(request.secret_headers.begin(), request.secret_headers.end(), plain) !=
                     request.secret_headers.end();
    const bool secret = own || plain == "authorization" || plain == "proxy-authorization";
    const expr::Value* before = headers.find(name);
    headers.set(name, secret              ? expr::Value(kMasked)
                      : before == nullptr ? expr::Value(value)
                                          : expr::Value(fmt::format("{}, {}", before->as_string(), value)));
  }
  if (!sent.cookies.empty()) headers.set("Cookie", kMasked);
  expr::Map shown{{"method", sent.method},
                  {"url", shown_url(sent.url.full, request.secret_params)},
                  {"headers", std::move(headers)}};
  if (sent.body && !request.shown_body.is_nil()) {
    shown.set("body", request.shown_body);
    if (request.body.size() > kShownBody) shown.set("body_bytes", static_cast<int64_t>(request.body.size()));
  }
  return shown;
}

std::string_view first_header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

expr::Value header_map(const HeaderList& headers) {
  expr::Map map;
  for (const auto& [name, value] : headers) {
    const expr::Value* before = map.find(name);
    if (name == "set-cookie") {  // may hold commas, so they are not joined
      expr::List list = before == nullptr ? expr::List{} : before->as_list();
      list.emplace_back(value);
      map.set(name, std::move(list));
    } else {
      map.set(name,
              before == nullptr ? expr::Value(value) : fmt::format("{}, {}", before->as_string(), value));
    }
  }
  return map;
}

bool is_json(std::string_view content_type) {
  const std::string type = lower(content_type.substr(0, content_type.find_first_of("; \t,")));
  return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

std::string from_latin1(std::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | byte >> 6);
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

// Sets `body`, and `body_encoding` where it is no text.
void set_body(expr::Map& result, HttpAnswer& answer, std::optional<ActionError>& error) {
  const std::string_view type = first_header(answer.headers, "content-type");
  if (!base::valid_utf8(answer.body)) {
    if (lower(type).find("charset=iso-8859-1") != std::string::npos) {
      result.set("body", from_latin1(answer.body));
    } else {
      result.set("body", to_base64(answer.body));
      result.set("body_encoding", "base64");
    }
    return;
  }
  std::string_view text = answer.body;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (is_json(type) && !text.empty()) {
    const auto parts =
        std::count_if(text.begin(), text.end(), [](char c) { return c == ',' || c == '[' || c == '{'; });
    if (static_cast<size_t>(parts) > kMaxJsonParts) {
      if (!error)
        error = ActionError{"too_large",
                            fmt::format("the JSON of the answer has more than {} values", kMaxJsonParts)};
      return;
    }
    if (auto parsed = expr::parse_json(text)) {
      result.set("body", std::move(*parsed));
      return;
    }
  }
  result.set("body", std::move(answer.body));
}

// What the next request of a redirect is; an error for what cannot be followed.
std::optional<ActionError> redirect(const Request& request, const HttpAnswer& answer,
                                    HttpExchange& exchange) {
  const std::string_view location = first_header(answer.headers, "location");
  auto target = follow_http_url(exchange.url, location);
  if (!target)
    return ActionError{
        "invalid_redirect",
        fmt::format("{} redirects to {}, which cannot be followed: {}", exchange.url.host_and_port(),
                    expr::describe(location, 100), target.error().message)};
  const bool becomes_get = (answer.status == 303 && exchange.method != "HEAD") ||
                           ((answer.status == 301 || answer.status == 302) && exchange.method == "POST");
  const auto drop = [&](auto&& which) {
    std::erase_if(exchange.headers, [&](const auto& header) { return which(lower(header.first)); });
  };
  if (becomes_get) {
    exchange.method = "GET";
    exchange.body.reset();
    drop([](const std::string& name) { return name.starts_with("content-") || name == "transfer-encoding"; });
  }
  if (!target->same_origin(exchange.url)) {
    // What was meant for one server is not told to another.
    exchange.cookies.clear();
    drop([&](const std::string& name) {
      return name == "authorization" || name == "host" || name == "proxy-authorization" ||
             std::find(request.secret_headers.begin(), request.secret_headers.end(), name) !=
                 request.secret_headers.end();
    });
  }
  exchange.url = std::move(*target);
  return std::nullopt;
}

bool is_redirect(const HttpAnswer& answer) {
  return (answer.status == 301 || answer.status == 302 || answer.status == 303 || answer.status == 307 ||
          answer.status == 308) &&
         !first_header(answer.headers, "location").empty();
}

class HttpRequestAction final : public Action {
 public:
  std::string_view name() const override { return "http_request"; }

  ActionOutcome run(const expr::Value& config, ActionContext& context) const override {
    const auto start = std::chrono::steady_clock::now();
    ActionOutcome outcome;
    std::chrono::nanoseconds timeout{};
    RequestReader reader(config);
    std::optional<Request> request = reader.read(timeout);
    if (!request) {
      outcome.error = reader.error();
      outcome.span_name = "HTTP";
      outcome.span_failed = true;
      outcome.span_attributes.push_back(attribute("error.type", outcome.error->code));
      return outcome;
    }
    HttpExchange& exchange = request->first;
    if (exchange.body) exchange.body = request->body;
    Propagation context_headers = propagate(context.trace, exchange.headers);
    outcome.span_links = std::move(context_headers.links);
    for (auto& header : context_headers.headers) exchange.headers.push_back(std::move(header));

    outcome.request = shown_request(*request, exchange);
    const std::string method = exchange.method;
    const HttpUrl first_url = exchange.url;
    const std::string first_shown = shown_url(first_url.full, request->secret_params);

    const Waiting waiting(context, timeout);
    auto& connections = context.connections.get<HttpConnections>();
    HttpAnswer answer;
    int redirects = 0;
    while (true) {
      answer = connections.send(exchange, context.hosts, waiting);
      if (answer.error || !request->follow || !is_redirect(answer)) break;
      if (redirects == kMaxRedirects) {
        answer.error = ActionError{
            "too_many_redirects",
            fmt::format("{} redirects more than {} times, the last time to {}", first_shown, kMaxRedirects,
                        expr::describe(first_header(answer.headers, "location"), 100))};
        break;
      }
      if (auto error = redirect(*request, answer, exchange)) {
        answer.error = std::move(*error);
        break;
      }
      ++redirects;
    }

    outcome.error = std::move(answer.error);
    expr::Map result;
    if (answer.status != 0) {
      result.set("status", answer.status);
      result.set("headers", header_map(answer.headers));
      if (!outcome.error) set_body(result, answer, outcome.error);
      result.set("url", shown_url(exchange.url.full, request->secret_params));
      result.set("redirects", redirects);
    }
    result.set("duration_ms", milliseconds_since(start));
    outcome.result = std::move(result);
    describe_span(outcome, method, first_url, first_shown, answer, redirects);
    return outcome;
  }

 private:
  // Semantic conventions for HTTP client spans, 1.23 and later.
  static void describe_span(ActionOutcome& outcome, const std::string& method, const HttpUrl& url,
                            const std::string& shown, const HttpAnswer& answer, int redirects) {
    const bool known = known_method(method);
    outcome.span_name = known ? method : "HTTP";
    auto& attributes = outcome.span_attributes;
    attributes.push_back(attribute("http.request.method", known ? std::string_view(method) : "_OTHER"));
    if (!known) attributes.push_back(attribute("http.request.method_original", method));
    attributes.push_back(attribute("url.full", shown));
    attributes.push_back(attribute("server.address", url.host));
    attributes.push_back(attribute("server.port", int64_t{url.port}));
    if (redirects > 0) attributes.push_back(attribute("http.request.resend_count", int64_t{redirects}));
    if (answer.status != 0)
      attributes.push_back(attribute("http.response.status_code", int64_t{answer.status}));
    if (!answer.version.empty() && answer.status != 0)
      attributes.push_back(attribute("network.protocol.version", answer.version));
    if (!answer.peer.empty()) {
      attributes.push_back(attribute("network.peer.address", answer.peer));
      attributes.push_back(attribute("network.peer.port", int64_t{answer.peer_port}));
    }
    outcome.span_failed = outcome.error.has_value() || answer.status >= 400;
    if (outcome.error) {
      attributes.push_back(attribute("error.type", outcome.error->code));
    } else if (answer.status >= 400) {
      attributes.push_back(attribute("error.type", std::to_string(answer.status)));
    }
  }
};

}  // namespace

const Action& http_request_action() {
  static const HttpRequestAction action;
  return action;
}

}  // namespace testmesh::actions
