#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "server/running_server.h"
#include "server/serve.h"

namespace testmesh::server {
namespace {

class LocalServer final : public cli::LocalServer {
 public:
  LocalServer(std::filesystem::path directory, std::unique_ptr<RunningServer> server)
      : directory_(std::move(directory)), server_(std::move(server)) {}
  ~LocalServer() override {
    server_.reset();
    std::error_code error;  // what remains is for the system to clean up
    std::filesystem::remove_all(directory_, error);
  }
  const std::string& url() const override { return server_->url(); }
  const std::string& otlp_http() const override { return server_->otlp_http(); }

 private:
  const std::filesystem::path directory_;
  std::unique_ptr<RunningServer> server_;
};

}  // namespace

base::Result<std::unique_ptr<cli::LocalServer>> start_local_server(const cli::LocalServerOptions& wanted) {
  std::error_code error;
  std::string directory = (std::filesystem::temp_directory_path(error) / "testmesh-run-XXXXXX").string();
  if (error || mkdtemp(directory.data()) == nullptr)
    return base::fail(base::ErrorCode::kUnavailable, "No temporary directory can be made at " + directory +
                                                         ": " +
                                                         (error ? error.message() : std::strerror(errno)));
  std::signal(SIGPIPE, SIG_IGN);
  ServeOptions options;
  options.listen = "127.0.0.1:0";
  options.otlp_http = wanted.otlp_http;
  options.otlp_grpc = wanted.otlp_grpc;
  options.data_dir = directory;
  options.threads = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  options.shards = 1;
  auto server = RunningServer::start(options);
  if (!server) {
    std::filesystem::remove_all(directory, error);
    return std::unexpected(server.error());
  }
  return std::make_unique<LocalServer>(directory, std::move(*server));
}

}  // namespace testmesh::server
