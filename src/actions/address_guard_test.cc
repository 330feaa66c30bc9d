// What no run may reach, asked through the actions over real sockets. Run by
// src/actions/testing/address_guard.py in a network namespace with nothing but
// loopback, where traps listen at the refused addresses; skipped anywhere else.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "actions/testing/action_run.h"
#include "actions/testing/raw_peer.h"

namespace testmesh::actions {
namespace {

using testing::ActionRun;
using testing::code;
using testing::message;
using testing::PeerConnection;
using testing::RawPeer;

// Hosts of TESTMESH_GUARD_<kind>, by spaces; URLs want brackets around IPv6.
std::vector<std::string> hosts(const char* kind) {
  std::vector<std::string> all;
  const char* text = std::getenv(kind);
  std::istringstream words(text == nullptr ? "" : text);
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

#define IN_THE_NAMESPACE_ONLY()                         \
  if (std::getenv("TESTMESH_GUARD_REFUSED") == nullptr) \
  GTEST_SKIP() << "run by src/actions/testing/address_guard.py"

TEST(AddressGuard, HttpRequestsToWhatIsRefused) {
  IN_THE_NAMESPACE_ONLY();
  ActionRun run, anything{.hosts = HostPolicy({"*", "0.0.0.0/0", "[::/0]"})};
  const auto refused = hosts("TESTMESH_GUARD_REFUSED");
  ASSERT_GT(refused.size(), 20u);
  for (const std::string& host : refused)
    for (ActionRun* one : {&run, &anything}) {
      const ActionOutcome got =
          (*one)("http_request", {{"url", fmt::format("http://{}/", host)}, {"timeout", "5s"}});
      EXPECT_EQ(code(got), "address_refused") << host << " " << message(got);
    }
}

TEST(AddressGuard, RedirectsToWhatIsRefused) {
  IN_THE_NAMESPACE_ONLY();
  ActionRun run;
  std::string where;
  RawPeer peer([&](PeerConnection& connection) {
    connection.read_request();
    connection.send(fmt::format(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", where));
  });
  const std::string url = fmt::format("http://127.0.0.1:{}/", peer.port());
  for (const std::string& host : hosts("TESTMESH_GUARD_REFUSED"))
    for (const char* scheme : {"http:", "https:", ""}) {
      where = fmt::format("{}//{}/latest/meta-data", scheme, host);
      const ActionOutcome got = run("http_request", {{"url", url}, {"timeout", "5s"}});
      EXPECT_EQ(code(got), "address_refused") << where << " " << message(got);
    }
}

TEST(AddressGuard, GrpcCallsToWhatIsRefused) {
  IN_THE_NAMESPACE_ONLY();
  ActionRun run;
  for (const std::string& host : hosts("TESTMESH_GUARD_REFUSED")) {
    const ActionOutcome got =
        run("grpc_call", {{"address", host + ":80"}, {"method", "a.B/C"}, {"timeout", "5s"}});
    EXPECT_EQ(code(got), "address_refused") << host << " " << message(got);
  }
}

TEST(AddressGuard, WhatIsAllowedIsReached) {
  IN_THE_NAMESPACE_ONLY();
  ActionRun run;
  RawPeer peer([](PeerConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  for (const std::string& host : hosts("TESTMESH_GUARD_ALLOWED"))
    EXPECT_EQ(message(run("http_request", {{"url", fmt::format("http://{}:{}/", host, peer.port())}})), "")
        << host;
}

}  // namespace
}  // namespace testmesh::actions
