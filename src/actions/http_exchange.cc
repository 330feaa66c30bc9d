#include "actions/http_exchange.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "actions/host_policy.h"

namespace testmesh::actions {
namespace {

constexpr size_t kMaxHeaderBytes = 256 << 10;  // libcurl has a limit of its own a little above
constexpr long kKeptConnections = 8;           // of a handle, idle ones too

void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(started == CURLE_OK);
}

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, UrlDeleter>;

std::optional<std::string> part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string copy = text;
  curl_free(text);
  return copy;
}

base::Result<HttpUrl> take_url(CURLU* url) {
  const auto bad = [](std::string message) {
    return base::fail(base::ErrorCode::kInvalidArgument, std::move(message));
  };
  HttpUrl result;
  result.scheme = part(url, CURLUPART_SCHEME).value_or("");
  if (result.scheme != "http" && result.scheme != "https")
    return bad(fmt::format("the scheme is \"{}\", but only http and https can be requested", result.scheme));
  result.host = part(url, CURLUPART_HOST).value_or("");
  if (result.host.starts_with('[')) result.host = result.host.substr(1, result.host.size() - 2);
  if (result.host.empty()) return bad("the URL has no host");
  // libcurl would convert it by the process's locale, or not at all.
  if (std::any_of(result.host.begin(), result.host.end(), [](char c) { return (c & 0x80) != 0; }))
    return bad("the host is not ASCII; write its ASCII form (xn--…)");
  if (const auto zone = part(url, CURLUPART_ZONEID)) result.host += "%" + *zone;
  const std::string port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("");
  std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (result.port == 0) return bad("the port is 0");
  // An empty name before the "@" is no user.
  if (auto user = part(url, CURLUPART_USER, CURLU_URLDECODE)) {
    result.user = std::move(user);
    result.password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE).value_or("");
  }
  for (const CURLUPart unsent : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_FRAGMENT})
    curl_url_set(url, unsent, nullptr, 0);
  result.full = part(url, CURLUPART_URL).value_or("");
  return result;
}

base::Result<HttpUrl> set_and_take(CURLU* url, std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return base::fail(base::ErrorCode::kInvalidArgument, "the URL holds a control character");
  const CURLUcode code =
      curl_url_set(url, CURLUPART_URL, std::string(text).c_str(), CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_BAD_SCHEME)
    return base::fail(base::ErrorCode::kInvalidArgument, "the URL must begin with http:// or https://");
  if (code != CURLUE_OK)
    return base::fail(base::ErrorCode::kInvalidArgument,
                      fmt::format("it is no URL: {}", curl_url_strerror(code)));
  return take_url(url);
}

}  // namespace

std::string HttpUrl::host_and_port() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

bool HttpUrl::same_origin(const HttpUrl& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

base::Result<HttpUrl> parse_http_url(std::string_view text) {
  start_curl();
  const CurlUrl url(curl_url());
  return set_and_take(url.get(), text);
}

base::Result<HttpUrl> follow_http_url(const HttpUrl& from, std::string_view location) {
  const CurlUrl url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, from.full.c_str(), 0) != CURLUE_OK)
    return base::fail(base::ErrorCode::kInternal, "the URL does not read back");
  return set_and_take(url.get(), location);
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

namespace {

// What the callbacks of one transfer see.
struct Transfer {
  CURL* easy = nullptr;
  const HostPolicy* policy = nullptr;
  std::string host;
  std::string refusal;
  HttpAnswer answer;
  size_t header_bytes = 0;
  std::string too_large;
};

curl_socket_t open_socket(void* pointer, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  if (auto refused = transfer.policy->refuses_address(address->addr, transfer.host)) {
    transfer.refusal = std::move(*refused);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

size_t take_header(char* data, size_t, size_t size, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  const std::string_view line(data, size);
  transfer.header_bytes += size;
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_large = "the headers of the answer are larger than 256 KiB";
    return 0;
  }
  HeaderList& headers = transfer.answer.headers;
  if (line.starts_with("HTTP/")) {  // of an answer, or of the next after a 100 Continue
    headers.clear();
  } else if ((line[0] == ' ' || line[0] == '\t') && !headers.empty()) {  // folded
    headers.back().second += " " + std::string(trimmed(line));
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    std::string name(trimmed(line.substr(0, colon)));
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
  }
  return size;
}

size_t take_body(char* data, size_t, size_t size, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  std::string& body = transfer.answer.body;
  curl_off_t announced = -1;
  if (body.empty()) curl_easy_getinfo(transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  const bool by_header = announced > static_cast<curl_off_t>(kMaxHttpBody);
  if (by_header || body.size() + size > kMaxHttpBody) {
    transfer.too_large =
        by_header ? fmt::format("the body of the answer has {} bytes, more than the {} MiB that are kept",
                                announced, kMaxHttpBody >> 20)
                  : fmt::format("the body of the answer is larger than the {} MiB that are kept",
                                kMaxHttpBody >> 20);
    body.clear();
    body.shrink_to_fit();
    return 0;
  }
  body.append(data, size);
  return size;
}

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

void add_line(std::unique_ptr<curl_slist, ListDeleter>& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  CHECK(longer != nullptr);
  (void)list.release();
  list.reset(longer);
}

bool has_header(const HeaderList& headers, std::string_view lower_case) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) {
    return std::equal(header.first.begin(), header.first.end(), lower_case.begin(), lower_case.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b; });
  });
}

std::string_view doing(CURL* easy, const Transfer& transfer) {
  curl_off_t connected = 0, ready = 0, first_byte = 0;
  curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
  curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
  curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte);
  if (!transfer.answer.body.empty() || first_byte > 0) return "reading the answer of";
  if (ready > 0) return "waiting for an answer from";
  return connected > 0 ? "agreeing on TLS with" : "connecting to";
}

ActionError curl_error(CURLcode code, CURL* easy, const Transfer& transfer, const HttpExchange& exchange,
                       std::string_view detail) {
  const std::string where = exchange.url.host_and_port();
  if (!transfer.too_large.empty()) return {"too_large", transfer.too_large};
  if (!transfer.refusal.empty() && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK))
    return {"address_refused", transfer.refusal};
  if (detail.empty()) detail = curl_easy_strerror(code);
  long system_error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &system_error);
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return {"invalid_config", fmt::format("{} cannot be requested: {}", where, detail)};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {"connection", fmt::format("the host of {} cannot be resolved: {}", where, detail)};
    case CURLE_COULDNT_CONNECT:
      return {"connection",
              fmt::format("cannot connect to {}: {}", where,
                          system_error ? std::string(std::strerror(static_cast<int>(system_error)))
                                       : std::string(detail))};
    case CURLE_GOT_NOTHING:
      return {"connection", fmt::format("{} closed the connection without an answer", where)};
    case CURLE_PARTIAL_FILE:
      return {"connection",
              fmt::format("{} closed the connection in the middle of its answer, after {} bytes of body: {}",
                          where, transfer.answer.body.size(), detail)};
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      if (detail.find("chunked") != std::string_view::npos)
        return {"protocol", fmt::format("{} does not answer as HTTP has it: {}", where, detail)};
      return {"connection", fmt::format("the connection to {} broke: {}", where, detail)};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {"tls", fmt::format("the certificate of {} is not accepted: {}; `verify_ssl: false` accepts any",
                                 where, detail)};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return {"tls", fmt::format("TLS with {} failed: {}", where, detail)};
    case CURLE_OUT_OF_MEMORY:
      // What this version says of a header line past its own limit.
      return {"too_large", fmt::format("a header of the answer of {} is too large: {}", where, detail)};
    default:
      return {"protocol", fmt::format("{} does not answer as HTTP has it: {}", where, detail)};
  }
}

// One easy handle and the multi handle that keeps its connections.
struct Handle {
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();

  Handle() {
    CHECK(easy != nullptr && multi != nullptr);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kKeptConnections);
  }
  ~Handle() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Handle(const Handle&) = delete;
};

}  // namespace

struct HttpConnections::Impl {
  CURLSH* share = nullptr;
  std::mutex share_mutex;
  std::mutex idle_mutex;
  std::vector<std::unique_ptr<Handle>> idle;

  static void lock(CURL*, curl_lock_data, curl_lock_access, void* self) {
    static_cast<Impl*>(self)->share_mutex.lock();
  }
  static void unlock(CURL*, curl_lock_data, void* self) { static_cast<Impl*>(self)->share_mutex.unlock(); }

  std::unique_ptr<Handle> take() {
    const std::lock_guard guard(idle_mutex);
    if (idle.empty()) return std::make_unique<Handle>();
    auto handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }
  void give_back(std::unique_ptr<Handle> handle) {
    const std::lock_guard guard(idle_mutex);
    idle.push_back(std::move(handle));
  }
};

HttpConnections::HttpConnections() : impl_(std::make_unique<Impl>()) {
  start_curl();
  impl_->share = curl_share_init();
  CHECK(impl_->share != nullptr);
  curl_share_setopt(impl_->share, CURLSHOPT_LOCKFUNC, &Impl::lock);
  curl_share_setopt(impl_->share, CURLSHOPT_UNLOCKFUNC, &Impl::unlock);
  curl_share_setopt(impl_->share, CURLSHOPT_USERDATA, impl_.get());
  curl_share_setopt(impl_->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
}

HttpConnections::~HttpConnections() {
  impl_->idle.clear();
  curl_share_cleanup(impl_->share);
}

HttpAnswer HttpConnections::send(const HttpExchange& exchange, const HostPolicy& policy,
                                 const Waiting& waiting) {
  Transfer transfer;
  if (auto refused = policy.refuses_host(exchange.url.host, exchange.url.port)) {
    transfer.answer.error = ActionError{"address_refused", std::move(*refused)};
    return std::move(transfer.answer);
  }
  auto handle = impl_->take();
  CURL* easy = handle->easy;
  transfer.easy = easy;
  transfer.policy = &policy;
  transfer.host = exchange.url.host;

  std::array<char, CURL_ERROR_SIZE> detail{};
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_SHARE, impl_->share);
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name server that hangs holds up no cancelled run
  curl_easy_setopt(easy, CURLOPT_URL, exchange.url.full.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  // A proxy would connect where the policy cannot look, so the environment's are not used.
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "testmesh");
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, exchange.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, exchange.verify ? 2L : 0L);
  if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0')
    curl_easy_setopt(easy, CURLOPT_CAINFO, file);
  if (!exchange.cookies.empty()) curl_easy_setopt(easy, CURLOPT_COOKIE, exchange.cookies.c_str());

  if (exchange.body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange.body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange.body->data());
  }
  if (exchange.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange.method.c_str());

  std::unique_ptr<curl_slist, ListDeleter> lines;
  for (const auto& [name, value] : exchange.headers)
    add_line(lines, value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  // Not what libcurl would put in their place.
  if (!has_header(exchange.headers, "expect")) add_line(lines, "Expect:");
  if (!has_header(exchange.headers, "content-type")) add_line(lines, "Content-Type:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines.get());

  curl_multi_add_handle(handle->multi, easy);
  std::optional<CURLcode> ended;
  while (true) {
    int running = 0, left = 0;
    const CURLMcode state = curl_multi_perform(handle->multi, &running);
    while (const CURLMsg* message = curl_multi_info_read(handle->multi, &left))
      if (message->msg == CURLMSG_DONE) ended = message->data.result;
    if (state != CURLM_OK && !ended) ended = CURLE_FAILED_INIT;
    if (ended || waiting.over()) break;
    curl_multi_poll(handle->multi, nullptr, 0, static_cast<int>(waiting.slice().count()), nullptr);
  }

  HttpAnswer& answer = transfer.answer;
  long status = 0, version = 0, peer_port = 0;
  const char* peer = nullptr;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &peer_port);
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &peer);
  answer.status = static_cast<int>(status);
  answer.version = version == CURL_HTTP_VERSION_1_0   ? "1.0"
                   : version == CURL_HTTP_VERSION_1_1 ? "1.1"
                   : version == CURL_HTTP_VERSION_2_0 ? "2"
                                                      : "";
  answer.peer = peer == nullptr ? "" : peer;
  answer.peer_port = static_cast<uint16_t>(peer_port);
  if (!ended) {
    answer.error = waiting.error(fmt::format("{} {}", doing(easy, transfer), exchange.url.host_and_port()));
  } else if (*ended != CURLE_OK) {
    answer.error = curl_error(*ended, easy, transfer, exchange, detail.data());
  }
  curl_multi_remove_handle(handle->multi, easy);
  // Nothing of this call may be reached through the handle any more; a closing
  // connection would still ask.
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, nullptr);  // a reset loses the list of files without freeing it
  curl_easy_reset(easy);
  impl_->give_back(std::move(handle));
  return std::move(answer);
}

}  // namespace testmesh::actions
