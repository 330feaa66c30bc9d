#include "actions/connection_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/hex.h"

namespace testmesh::actions {
namespace {

using base::from_hex;

std::expected<std::string, std::string> decode(std::string_view text, std::string_view part) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    std::array<uint8_t, 1> byte{};
    if (i + 2 >= text.size() || !from_hex(text.substr(i + 1, 2), byte))
      return std::unexpected(
          fmt::format("the {} of the connection URL has a % without two hexadecimal digits after "
                      "it; a percent sign itself is written %25",
                      part));
    if (byte[0] == 0)
      return std::unexpected(fmt::format("the {} of the connection URL has a zero byte", part));
    out += static_cast<char>(byte[0]);
    i += 2;
  }
  return out;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
         });
}

std::optional<std::string> read_host_and_port(std::string_view text, ConnectionUrl& url) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return "the host of the connection URL begins with [ and has no ]";
    url.host = text.substr(1, close - 1);
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':')
      return "after the ] of the connection URL's host only a :port may stand";
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const size_t colon = text.rfind(':');
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    auto host = decode(text.substr(0, colon), "host");
    if (!host) return host.error();
    url.host = std::move(*host);
    if (url.host.find(',') != std::string::npos)
      return "the connection URL names several hosts; write one (a step talks to one server)";
    if (!url.host.starts_with('/') && url.host.find(':') != std::string::npos)
      return "an IPv6 address in a connection URL stands in brackets: [::1]";
  }
  if (has_port && !port.empty()) {
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (problem != std::errc() || end != port.data() + port.size() || url.port == 0)
      return fmt::format(
          "\"{}\" is no port; the connection URL wants a number from 1 to 65535 after the host's colon "
          "(a password with : / ? # or @ in it is %-encoded)",
          port.substr(0, 20));
  }
  return std::nullopt;
}

std::optional<std::string> read_params(std::string_view text, ConnectionUrl& url) {
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view one = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (one.empty()) continue;
    const size_t equals = one.find('=');
    auto name = decode(one.substr(0, equals), "parameters");
    auto value =
        decode(equals == std::string_view::npos ? std::string_view() : one.substr(equals + 1), "parameters");
    if (!name) return name.error();
    if (!value) return value.error();
    url.params.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

}  // namespace

const std::string* ConnectionUrl::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::expected<ConnectionUrl, std::string> parse_connection_url(std::string_view text) {
  if (text.size() > 8192) return std::unexpected("the connection URL is longer than 8192 bytes");
  if (text.find('\0') != std::string_view::npos) return std::unexpected("the connection URL has a zero byte");
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon)))
    return std::unexpected("the connection is no URL: it begins with no scheme such as postgres://");
  ConnectionUrl url;
  for (const char c : text.substr(0, colon))
    url.scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = text.substr(colon + 1);
  if (const size_t question = rest.find('?'); question != std::string_view::npos) {
    if (auto problem = read_params(rest.substr(question + 1), url))
      return std::unexpected(std::move(*problem));
    rest = rest.substr(0, question);
  }
  if (rest.starts_with("//")) {
    url.has_authority = true;
    rest.remove_prefix(2);
    const size_t slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
    if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
      const std::string_view who = authority.substr(0, at);
      const size_t divider = who.find(':');
      auto user = decode(who.substr(0, divider), "user");
      if (!user) return std::unexpected(std::move(user).error());
      url.user = std::move(*user);
      if (divider != std::string_view::npos) {
        auto password = decode(who.substr(divider + 1), "password");
        if (!password) return std::unexpected(std::move(password).error());
        url.password = std::move(*password);
      }
      authority.remove_prefix(at + 1);
    }
    // sqlite://:memory: has no host, and what looks like one is a name.
    if (url.scheme == "sqlite" || url.scheme == "sqlite3") {
      auto path = decode(std::string(authority) + std::string(rest), "path");
      if (!path) return std::unexpected(std::move(path).error());
      url.path = std::move(*path);
      return url;
    }
    if (auto problem = read_host_and_port(authority, url)) return std::unexpected(std::move(*problem));
  }
  auto path = decode(rest, "path");
  if (!path) return std::unexpected(std::move(path).error());
  url.path = std::move(*path);
  return url;
}

std::string mask_url(std::string_view text) {
  std::string shown(text);
  // A raw "@" or "/" in a password is a mistake that must not show the rest of
  // it: all up to the last @ before the parameters is taken as the password.
  const size_t question = shown.find('?');
  const size_t slashes = shown.find("//");
  if (slashes != std::string::npos && slashes < question) {
    const size_t begin = slashes + 2;
    const size_t colon = shown.find(':', begin);
    // With a raw "?" in the password the @ comes after it.
    const size_t path = shown.find('/', begin);
    size_t at = std::min(question, shown.size()) == 0 ? std::string::npos : shown.rfind('@', question);
    if (at == std::string::npos || at < begin) {
      at = path == std::string::npos || question < path ? shown.find('@', begin) : std::string::npos;
    }
    if (at != std::string::npos && colon != std::string::npos && colon < at)
      shown.replace(colon + 1, at - colon - 1, "***");
  }
  for (const std::string_view name : {"password=", "pass=", "sslpassword="}) {
    for (size_t at = shown.find(name); at != std::string::npos; at = shown.find(name, at + 1)) {
      if (at == 0 || (shown[at - 1] != '?' && shown[at - 1] != '&')) continue;
      const size_t begin = at + name.size();
      const size_t end = std::min(shown.find('&', begin), shown.size());
      shown.replace(begin, end - begin, "***");
    }
  }
  return shown;
}

}  // namespace testmesh::actions
