#include "server/options.h"

#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <thread>

namespace testmesh::server {
namespace {

constexpr const char* kExamples = R"(
Examples:
  testmesh serve
  testmesh serve --data-dir /var/lib/testmesh --trace-idle-timeout 5s
  testmesh serve --listen 127.0.0.1:0 --otlp-http off      (a free port, printed once ready)
  TESTMESH_LISTEN=127.0.0.1:8080 testmesh serve --config testmesh.yaml

A configuration file has the flags' names as keys:
  listen: 127.0.0.1:5016
  data-dir: /var/lib/testmesh
  trace-idle-timeout: 10s

Point any OpenTelemetry SDK here:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)";

std::string environment_name(std::string flag) {
  std::ranges::replace(flag, '-', '_');
  std::ranges::transform(flag, flag.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return "TESTMESH_" + flag;
}

// "10s", "250ms", "2m", "10" (seconds).
std::string parse_duration(const std::string& text, std::chrono::milliseconds& out) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double scale = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : 0;
  if (end == text.c_str() || scale == 0 || !(number >= 0) || number * scale > 600'000 || number * scale < 100)
    return "'" + text + "' is no duration from 100ms to 10m; write it like 10s, 250ms or 2m";
  out = std::chrono::milliseconds(static_cast<int64_t>(number * scale));
  return {};
}

// The file's values become the defaults, so that flags and environment win.
std::string apply_file(CLI::App& app, const std::string& path) {
  YAML::Node file;
  try {
    file = YAML::LoadFile(path);
  } catch (const YAML::Exception& error) {
    return "cannot read the configuration file " + path + ": " + error.what();
  }
  if (file.IsNull()) return {};
  if (!file.IsMap()) return path + ": the configuration file must be a map of flag names to values";
  for (const auto& entry : file) {
    std::string name;
    try {
      name = entry.first.as<std::string>();
      CLI::Option* option = app.get_option_no_throw("--" + name);
      if (!option || name == "config" || name == "help")
        return path + ": there is no setting '" + name + "'; see testmesh serve --help";
      if (option->count() == 0) option->default_val(entry.second.as<std::string>());
    } catch (const std::exception& error) {
      return path + ": setting '" + name + "': " + error.what();
    }
  }
  return {};
}

}  // namespace

bool parse_serve_options(int argc, const char* const* argv, ServeOptions& options, int& exit_code) {
  CLI::App app("Starts the server: OTLP in, flows out, one port, one data directory.", "testmesh serve");
  app.footer(kExamples);
  std::string idle = "10s", config, graph = "on", run_hosts;
  const auto add = [&](const std::string& name, auto& value, const std::string& text) {
    return app.add_option("--" + name, value, text)->envname(environment_name(name))->capture_default_str();
  };
  add("listen", options.listen,
      "address of the REST API, which takes OTLP/HTTP too; port 0 takes a free one");
  add("otlp-http", options.otlp_http, "a further address for OTLP/HTTP, or off");
  add("otlp-grpc", options.otlp_grpc,
      "address for OTLP/gRPC, or off (this version serves OTLP/HTTP only and says so)");
  add("data-dir", options.data_dir, "where everything is kept; made when missing");
  add("trace-idle-timeout", idle,
      "a trace is complete when nothing arrived for this long (workspaces may set their own)");
  add("config", config, "YAML file with these settings");
  add("auth", options.auth, "off (loopback only)")->check(CLI::IsMember({"off"}));
  add("store", options.store, "embedded")->check(CLI::IsMember({"embedded"}));
  add("threads", options.threads, "threads for connections; 0: one a core");
  add("shards", options.shards, "shards of a new data directory; 0: one a core");
  add("max-open-mib", options.max_open_mib,
      "memory for the rows of open traces; past it the oldest close early")
      ->check(CLI::Range(16, 1 << 20));
  add("graph", graph, "on, or off: new traces do not count in the System Graph; what it holds stays")
      ->check(CLI::IsMember({"on", "off"}));
  add("max-flows", options.max_flows, "flows of one workspace; past it rare ones give way to new ones")
      ->check(CLI::Range(100, 10'000'000));
  add("run-hosts", run_hosts,
      "what runs in this server may reach, comma-separated: names with *, addresses, networks, each with or "
      "without a port (*.shop.test,10.0.0.0/8,db:5432); empty: everything but link-local and metadata "
      "addresses");
  add("run-concurrency", options.run_concurrency, "runs at once; others wait")->check(CLI::Range(1, 1000));
  add("log-level", options.log_level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.add_flag("--require-workspace", options.require_workspace,
               "refuse OTLP requests that name no workspace")
      ->envname("TESTMESH_REQUIRE_WORKSPACE");
  const auto usage = [&](const std::string& message) {
    std::cerr << "testmesh serve: " << message << "\n";
    exit_code = 2;
    return false;
  };
  // The file must be known before the flags are read: it gives the defaults.
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--config" && i + 1 < argc) config = argv[i + 1];
    if (argument.starts_with("--config=")) config = argument.substr(9);
  }
  if (config.empty())
    if (const char* named = std::getenv("TESTMESH_CONFIG")) config = named;
  if (!config.empty())
    if (const std::string problem = apply_file(app, config); !problem.empty()) return usage(problem);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    exit_code = 0;
    return false;
  } catch (const CLI::ParseError& error) {
    return usage(std::string(error.what()) + "\nSee testmesh serve --help");
  }
  if (const std::string problem = parse_duration(idle, options.trace_idle_timeout); !problem.empty())
    return usage("--trace-idle-timeout: " + problem);
  options.graph = graph == "on";
  for (size_t begin = 0; begin < run_hosts.size();) {
    const size_t end = std::min(run_hosts.find(',', begin), run_hosts.size());
    std::string pattern = run_hosts.substr(begin, end - begin);
    std::erase(pattern, ' ');
    if (!pattern.empty()) options.run_hosts.push_back(std::move(pattern));
    begin = end + 1;
  }
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  if (options.threads == 0) options.threads = cores;
  options.shards_given = options.shards != 0;
  if (options.shards == 0) options.shards = std::min(cores, 16u);
  if (options.threads > 256 || options.shards > 64)
    return usage("--threads goes up to 256, --shards up to 64");
  return true;
}

}  // namespace testmesh::server
