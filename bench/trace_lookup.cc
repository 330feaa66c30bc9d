// testmesh_lookup: reads traces by id over one keep-alive connection, one after
// the other, and prints how long each took. Ids come from a file (one of 32 hex
// digits a line), or are made up with --absent.
#include <CLI/CLI.hpp>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "bench/latency.h"
#include "bench/loopback.h"
#include "bench/workload.h"

namespace testmesh::bench {
namespace {

struct Options {
  std::string endpoint = "http://127.0.0.1:5016";
  std::string workspace = "00000000-0000-4000-8000-000000000001";
  std::string ids, output = "table", query;
  uint64_t count = 1000, absent = 0, seed = 1, warm_up = 0;
  double seconds = 60;
};

uint64_t now() { return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }

// Blocking; any trouble ends the program's run with a sentence.
class Reader {
 public:
  bool connect(const LoopbackEndpoint& endpoint) {
    socket_ = connect_loopback(endpoint);
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    if (socket_ >= 0) setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return socket_ >= 0;
  }
  ~Reader() {
    if (socket_ >= 0) close(socket_);
  }
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The status, or 0 when no whole answer came; `body` is the answer's length.
  int get(const std::string& request, size_t& body) {
    for (size_t sent = 0; sent < request.size();) {
      const ssize_t n = send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return 0;
      sent += static_cast<size_t>(n);
    }
    input_.clear();
    size_t head = 0;
    while ((head = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return 0;
    }
    std::string lower = input_.substr(0, head);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    constexpr std::string_view kName = "\r\ncontent-length:";
    const size_t at = lower.find(kName);
    if (at == std::string::npos || !lower.starts_with("http/1.1 ")) return 0;
    body = std::strtoull(lower.c_str() + at + kName.size(), nullptr, 10);
    while (input_.size() < head + 4 + body) {
      if (!read_more()) return 0;
    }
    return std::atoi(lower.c_str() + 9);
  }

 private:
  bool read_more() {
    char chunk[65536];
    const ssize_t got = recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    input_.append(chunk, static_cast<size_t>(got));
    return true;
  }

  int socket_ = -1;
  std::string input_;
};

std::string made_up_id(Random& random) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(random.next() | 1),
                static_cast<unsigned long long>(random.next()));
  return text;
}

std::vector<std::string> choose_ids(const Options& options) {
  Random random(options.seed);
  std::vector<std::string> ids;
  if (options.absent > 0) {
    while (ids.size() < options.absent) ids.push_back(made_up_id(random));
    return ids;
  }
  std::ifstream file(options.ids);
  std::vector<std::string> known;
  for (std::string line; std::getline(file, line);) {
    if (line.size() == 32) known.push_back(line);
  }
  while (!known.empty() && ids.size() < options.count) {
    const size_t at = random.next() % known.size();  // without repetition: each is cold when read
    ids.push_back(known[at]);
    known[at] = known.back();
    known.pop_back();
  }
  return ids;
}

int look_up(const Options& options) {
  const auto endpoint = parse_loopback(options.endpoint);
  if (!endpoint) {
    std::fprintf(stderr, "testmesh_lookup: %s: only loopback is served\n", options.endpoint.c_str());
    return 2;
  }
  const std::vector<std::string> ids = choose_ids(options);
  if (ids.empty()) {
    std::fprintf(stderr, "testmesh_lookup: no trace ids in '%s'\n", options.ids.c_str());
    return 2;
  }
  Reader reader;
  if (!reader.connect(*endpoint)) {
    std::fprintf(stderr, "testmesh_lookup: cannot connect to %s\n", options.endpoint.c_str());
    return 1;
  }
  const uint64_t deadline = now() + static_cast<uint64_t>(options.seconds * 1e9);
  Latency latency;
  std::map<int, uint64_t> statuses;
  uint64_t bytes = 0, skipped = 0;
  for (const std::string& id : ids) {
    const std::string request = "GET /api/v1/workspaces/" + options.workspace + "/telemetry/traces/" + id +
                                options.query + " HTTP/1.1\r\nHost: " + endpoint->host + "\r\n\r\n";
    size_t body = 0;
    const uint64_t before = now();
    const int status = reader.get(request, body);
    const uint64_t after = now();
    if (status == 0) {
      std::fprintf(stderr, "testmesh_lookup: the connection broke at trace %s\n", id.c_str());
      return 1;
    }
    if (skipped < options.warm_up) {
      ++skipped;
      continue;
    }
    latency.add(after - before);
    ++statuses[status];
    bytes += body;
    if (after > deadline) break;
  }
  std::string counts;
  for (const auto& [status, count] : statuses) {
    counts += (counts.empty() ? "\"" : ", \"") + std::to_string(status) + "\": " + std::to_string(count);
  }
  std::printf(
      options.output == "json"
          ? "{\"lookups\": %llu, \"ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}, "
            "\"bytes_per_answer\": %.0f, \"statuses\": {%s}}\n"
          : "look-ups      %llu\nlatency       p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, max %.3f ms\n"
            "bytes         %.0f an answer\nstatuses      {%s}\n",
      static_cast<unsigned long long>(latency.count()), latency.quantile_ms(0.5), latency.quantile_ms(0.9),
      latency.quantile_ms(0.99), latency.max_ms(),
      static_cast<double>(bytes) / std::max(1.0, static_cast<double>(latency.count())), counts.c_str());
  return 0;
}

}  // namespace
}  // namespace testmesh::bench

int main(int argc, char** argv) {
  testmesh::bench::Options options;
  CLI::App app("Reads traces by id from a server on this machine and measures each look-up.");
  app.add_option("--endpoint", options.endpoint, "http://127.0.0.1:PORT")->capture_default_str();
  app.add_option("--workspace", options.workspace)->capture_default_str();
  app.add_option("--ids", options.ids, "file with one trace id a line (testmesh_load --record-ids)");
  app.add_option("--count", options.count, "how many of them, chosen at random")->capture_default_str();
  app.add_option("--absent", options.absent, "instead: so many ids that no trace has")->capture_default_str();
  app.add_option("--warm-up", options.warm_up, "first look-ups that are not counted")->capture_default_str();
  app.add_option("--query", options.query, "appended to the path, as in ?format=otlp");
  app.add_option("--seconds", options.seconds, "stop after so long")->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--output", options.output)->check(CLI::IsMember({"table", "json"}))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return testmesh::bench::look_up(options);
}
