// A small blocking HTTP/1.1 client for the command line and for tests.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "transport/http/server.h"

namespace testmesh::http {

// One keep-alive connection to one origin ("http://127.0.0.1:5016", a path
// behind it becomes a prefix); reconnects when it was closed. Not thread-safe.
class Client {
 public:
  static base::Result<Client> open(std::string_view url,
                                   std::chrono::seconds timeout = std::chrono::seconds(30));
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // kUnavailable with a sentence when the server cannot be reached.
  base::Result<Response> send(std::string_view method, std::string_view target, std::string_view body = {},
                              const Headers& headers = {});

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::http
