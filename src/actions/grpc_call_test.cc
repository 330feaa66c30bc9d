// grpc_call against gRPC's own server, with the reflection that it brings and
// with version 1 of it, which it does not.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <mutex>
#include <thread>

#include "actions/testing/action_run.h"
#include "actions/testing/raw_peer.h"
#include "reflection_v1.grpc.pb.h"
#include "shop.grpc.pb.h"

namespace testmesh::actions {
namespace {

using testing::ActionRun;
using ::testing::AllOf;
using testing::at;
using testing::code;
using ::testing::HasSubstr;
using testing::message;
using ::testing::Not;
using testing::span_attribute;

class Shop final : public shop::Shop::Service {
 public:
  std::map<std::string, std::string> last_metadata() const {
    const std::lock_guard lock(mutex_);
    return metadata_;
  }
  std::atomic<bool> hanging = false;

 private:
  grpc::Status Echo(grpc::ServerContext*, const shop::Everything* request,
                    shop::Everything* answer) override {
    *answer = *request;
    return grpc::Status::OK;
  }
  grpc::Status Greet(grpc::ServerContext* context, const shop::Request* request,
                     shop::Answer* answer) override {
    {
      const std::lock_guard lock(mutex_);
      metadata_.clear();
      for (const auto& [key, value] : context->client_metadata())
        metadata_[std::string(key.data(), key.size())] = std::string(value.data(), value.size());
    }
    if (request->hang()) {
      hanging = true;
      while (!context->IsCancelled()) std::this_thread::yield();
      return grpc::Status::CANCELLED;
    }
    context->AddInitialMetadata("x-head", "h");
    context->AddTrailingMetadata("x-tail", "t");
    context->AddTrailingMetadata("x-data-bin", std::string("\x00\xff", 2));
    if (request->code() != 0) return {static_cast<grpc::StatusCode>(request->code()), "as asked"};
    answer->set_greeting("hello " + request->name());
    answer->set_padding(std::string(static_cast<size_t>(request->size()), 'x'));
    return grpc::Status::OK;
  }
  grpc::Status List(grpc::ServerContext*, const shop::Request* request,
                    grpc::ServerWriter<shop::Answer>* writer) override {
    shop::Answer answer;
    for (int i = 0; i < request->size(); ++i) {
      answer.set_greeting(fmt::format("{} {}", request->name(), i));
      if (!writer->Write(answer)) break;
    }
    return grpc::Status::OK;
  }
  grpc::Status Collect(grpc::ServerContext*, grpc::ServerReader<shop::Request>* reader,
                       shop::Answer* answer) override {
    shop::Request request;
    std::string all;
    while (reader->Read(&request)) all += request.name() + ";";
    answer->set_greeting(all);
    return grpc::Status::OK;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::string> metadata_;
};

// Gives one file at a time, and not those of google/protobuf.
class ReflectionV1 final : public grpc::reflection::v1::ServerReflection::Service {
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
  grpc::Status ServerReflectionInfo(grpc::ServerContext*,
                                    grpc::ServerReaderWriter<Response, Request>* stream) override {
    Request request;
    const auto* pool = google::protobuf::DescriptorPool::generated_pool();
    while (stream->Read(&request)) {
      Response response;
      const google::protobuf::FileDescriptor* file = nullptr;
      if (request.has_list_services()) {
        for (const char* name : {"testmesh.shop.Shop", "grpc.reflection.v1.ServerReflection"})
          response.mutable_list_services_response()->add_service()->set_name(name);
      } else {
        file = request.has_file_by_filename()
                   ? pool->FindFileByName(request.file_by_filename())
                   : pool->FindFileContainingSymbol(request.file_containing_symbol());
        if (file == nullptr || file->name().starts_with("google/")) {
          response.mutable_error_response()->set_error_code(5);
          response.mutable_error_response()->set_error_message("not here");
        } else {
          google::protobuf::FileDescriptorProto proto;
          file->CopyTo(&proto);
          response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
        }
      }
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
};

// gRPC's reflection puts itself into every server that is built once its library
// is there, so it is loaded only when a test wants it.
bool alpha_loaded = false;
void load_alpha() {
  if (alpha_loaded) return;
  EXPECT_NE(dlopen(GRPCPP_REFLECTION_LIBRARY, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  alpha_loaded = true;
}

enum class Describes { kAlpha, kVersion1, kNothing };

std::string pem_of(X509* certificate) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(out);
  return text;
}
std::string pem_of(EVP_PKEY* key) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(out);
  return text;
}

class GrpcPeer {
 public:
  explicit GrpcPeer(Describes describes = Describes::kAlpha, bool tls = false) {
    if (describes == Describes::kAlpha) load_alpha();
    grpc::ServerBuilder builder;
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (tls) {
      SSL_CTX* context = testing::self_signed_context();
      certificate_ = pem_of(SSL_CTX_get0_certificate(context));
      grpc::SslServerCredentialsOptions options;
      options.pem_key_cert_pairs = {{pem_of(SSL_CTX_get0_privatekey(context)), certificate_}};
      credentials = grpc::SslServerCredentials(options);
      SSL_CTX_free(context);
    }
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(&shop);
    if (describes == Describes::kVersion1) builder.RegisterService(&reflection_);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
  }
  ~GrpcPeer() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address(std::string_view host = "127.0.0.1") const { return fmt::format("{}:{}", host, port_); }
  int port() const { return port_; }
  const std::string& certificate() const { return certificate_; }
  Shop shop;

 private:
  ReflectionV1 reflection_;
  std::string certificate_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

expr::Value json(std::string_view text) {
  auto value = expr::parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : expr::Value();
}

TEST(GrpcCall, AServerWithoutReflectionSaysSo) {
  if (alpha_loaded) GTEST_SKIP() << "an earlier test loaded gRPC's own reflection";
  GrpcPeer peer(Describes::kNothing);
  ActionRun run;
  const ActionOutcome got =
      run("grpc_call", {{"address", peer.address()}, {"method", "testmesh.shop.Shop/Greet"}});
  EXPECT_EQ(code(got), "rpc");
  EXPECT_THAT(message(got), HasSubstr("has no server reflection"));
  EXPECT_TRUE(got.span_failed);
}

TEST(GrpcCall, AsksVersion1OfReflectionFileByFile) {
  if (alpha_loaded) GTEST_SKIP() << "an earlier test loaded gRPC's own reflection";
  GrpcPeer peer(Describes::kVersion1);
  ActionRun run;
  const ActionOutcome got =
      run("grpc_call", {{"address", peer.address()},
                        {"service", "Shop"},
                        {"method", "Echo"},
                        {"message", json(R"({"price": {"cents": 5}, "when": "2026-01-02T03:04:05Z"})")}});
  ASSERT_EQ(message(got), "");
  EXPECT_EQ(at(got.result, "message/price"), R"({"cents":5,"currency":""})");
  EXPECT_EQ(at(got.result, "message/when"), "\"2026-01-02T03:04:05Z\"");
  EXPECT_EQ(at(got.request, "service"), "\"testmesh.shop.Shop\"");
  EXPECT_EQ(got.span_name, "testmesh.shop.Shop/Echo");
}

TEST(GrpcCall, CallsAndAnswers) {
  GrpcPeer peer;
  ActionRun run;
  run.trace.trace_state = "v=1";
  const ActionOutcome got =
      run("grpc_call", {{"address", peer.address()},
                        {"service", "testmesh.shop.Shop"},
                        {"method", "Greet"},
                        {"message", expr::Map{{"name", "Ada"}}},
                        {"metadata", expr::Map{{"X-Mine", "m"}, {"authorization", "Bearer s3cret"}}}});
  ASSERT_EQ(message(got), "");
  EXPECT_EQ(at(got.result, "status"), "\"OK\"");
  EXPECT_EQ(at(got.result, "status_code"), "0");
  EXPECT_EQ(at(got.result, "message/greeting"), "\"hello Ada\"");
  EXPECT_EQ(at(got.result, "headers/x-head"), "\"h\"");
  EXPECT_EQ(at(got.result, "trailers/x-tail"), "\"t\"");
  EXPECT_EQ(at(got.result, "metadata/x-data-bin"), "\"AP8=\"");
  EXPECT_EQ(got.result.find("duration_ms")->kind(), expr::Kind::kFloat);
  const auto metadata = peer.shop.last_metadata();
  EXPECT_EQ(metadata.at("traceparent"), traceparent(run.trace));
  EXPECT_EQ(metadata.at("tracestate"), "v=1");
  EXPECT_EQ(metadata.at("x-mine"), "m");
  EXPECT_THAT(expr::to_json(got.request), AllOf(HasSubstr("Ada"), Not(HasSubstr("s3cret"))));
  EXPECT_EQ(got.span_name, "testmesh.shop.Shop/Greet");
  EXPECT_FALSE(got.span_failed);
  EXPECT_EQ(span_attribute(got, "rpc.system"), "grpc");
  EXPECT_EQ(span_attribute(got, "rpc.service"), "testmesh.shop.Shop");
  EXPECT_EQ(span_attribute(got, "rpc.method"), "Greet");
  EXPECT_EQ(span_attribute(got, "rpc.grpc.status_code"), "0");
  EXPECT_EQ(span_attribute(got, "server.address"), "127.0.0.1");
  EXPECT_EQ(span_attribute(got, "server.port"), std::to_string(peer.port()));
}

TEST(GrpcCall, AStatusIsAResult) {
  GrpcPeer peer;
  ActionRun run;
  for (const auto& [number, name] : {std::pair{5, "NOT_FOUND"},
                                     {14, "UNAVAILABLE"},
                                     {4, "DEADLINE_EXCEEDED"},
                                     {12, "UNIMPLEMENTED"},
                                     {8, "RESOURCE_EXHAUSTED"},
                                     {16, "UNAUTHENTICATED"}}) {
    const ActionOutcome got = run("grpc_call", {{"address", peer.address()},
                                                {"method", "/testmesh.shop.Shop/Greet"},
                                                {"message", expr::Map{{"code", number}}}});
    EXPECT_EQ(message(got), "") << name;
    EXPECT_EQ(at(got.result, "status"), fmt::format("\"{}\"", name));
    EXPECT_EQ(at(got.result, "status_code"), std::to_string(number));
    EXPECT_EQ(at(got.result, "status_message"), "\"as asked\"");
    EXPECT_EQ(at(got.result, "message"), "null");
    EXPECT_TRUE(got.span_failed);
    EXPECT_EQ(span_attribute(got, "error.type"), name);
  }
}

TEST(GrpcCall, FieldsOfEveryTypeComeBack) {
  GrpcPeer peer;
  ActionRun run;
  const std::string everything =
      R"({"small":-3,"large":9007199254740993,"huge":"18446744073709551615","ratio":0.5,"exact":0.1,"yes":true,)"
      R"("text":"a\"b\u00e9","data":"AP8=","sizeOfIt":"SIZE_LARGE","price":{"cents":1,"currency":"EUR"},)"
      R"("tags":["x","y"],"counts":{"one":1},"when":"2026-01-02T03:04:05.500Z","wrapped":"w","maybe":0,"right":9,)"
      R"("prices":[{"cents":2,"currency":""}]})";
  ActionOutcome got = run(
      "grpc_call",
      {{"address", peer.address()}, {"method", "testmesh.shop.Shop/Echo"}, {"message", json(everything)}});
  ASSERT_EQ(message(got), "");
  EXPECT_EQ(*got.result.find("message"), json(everything)) << at(got.result, "message");
  got = run("grpc_call", {{"address", peer.address()},
                          {"method", "testmesh.shop.Shop/Echo"},
                          {"message", json(R"({"size_of_it": 7})")}});
  EXPECT_EQ(
      at(got.result, "message"),
      R"({"small":0,"large":0,"huge":0,"ratio":0.0,"exact":0.0,"yes":false,"text":"","data":"","sizeOfIt":7,)"
      R"("tags":[],"counts":{},"prices":[]})");
}

TEST(GrpcCall, NamesWhatThereIs) {
  GrpcPeer peer;
  ActionRun run;
  const auto call = [&](expr::Map config) {
    config.set("address", peer.address());
    return run("grpc_call", config);
  };
  ActionOutcome got = call({{"method", "testmesh.shop.Shop/Great"}});
  EXPECT_EQ(code(got), "rpc");
  EXPECT_THAT(message(got), HasSubstr("it has Echo, Greet, List, Collect"));
  got = call({{"method", "testmesh.shop.Shops/Greet"}});
  EXPECT_EQ(code(got), "rpc");
  EXPECT_THAT(message(got), HasSubstr("testmesh.shop.Shop"));
  got = call({{"method", "testmesh.shop.Shop/Greet"}, {"message", expr::Map{{"nam", "x"}}}});
  EXPECT_EQ(code(got), "invalid_config");
  EXPECT_THAT(message(got), AllOf(HasSubstr("nam"), HasSubstr("its fields are name, code")));
  EXPECT_EQ(code(call({{"method", "testmesh.shop.Shop/Greet"}, {"message", expr::Map{{"code", "many"}}}})),
            "invalid_config");
  EXPECT_EQ(code(call({{"method", "testmesh.shop.Shop/Greet"}, {"message", "text"}})), "invalid_config");
}

TEST(GrpcCall, RefusesWhatIsNoCall) {
  ActionRun run;
  const auto with = [&](std::string_view key, expr::Value value) {
    expr::Map config{{"address", "127.0.0.1:1"}, {"method", "a.B/C"}};
    config.set(key, std::move(value));
    return code(run("grpc_call", config));
  };
  for (const char* address :
       {"", "host", "host:", "host:x", "host:0", "host:99999", ":80", "http://host:80", "::1:80", "a b:80"})
    EXPECT_EQ(with("address", address), "invalid_config") << address;
  EXPECT_EQ(with("method", ""), "invalid_config");
  EXPECT_EQ(with("method", "C"), "invalid_config");
  EXPECT_EQ(with("service", "another.B"), "invalid_config");
  EXPECT_EQ(with("metadata", "x"), "invalid_config");
  for (const char* name : {"", "a b", "grpc-timeout", ":path", "\xc3\xa9"})
    EXPECT_EQ(with("metadata", expr::Map{{name, "x"}}), "invalid_config") << name;
  EXPECT_EQ(with("metadata", expr::Map{{"a", "line\nbreak"}}), "invalid_config");
  EXPECT_EQ(with("tls", expr::Map{{"ca", "/no/such/file"}}), "invalid_config");
  EXPECT_EQ(with("tls", expr::Map{{"cert", "-----BEGIN"}}), "invalid_config");
  EXPECT_EQ(with("tls", expr::Map{{"color", "red"}}), "invalid_config");
  EXPECT_EQ(with("timeout", 3), "invalid_config");
}

TEST(GrpcCall, PropagatesItsContextUnlessTheAuthorDid) {
  GrpcPeer peer;
  ActionRun run;
  const std::string own = "00-11111111111111111111111111111111-2222222222222222-01";
  const ActionOutcome got = run("grpc_call", {{"address", peer.address()},
                                              {"method", "testmesh.shop.Shop/Greet"},
                                              {"metadata", expr::Map{{"TraceParent", own}}}});
  EXPECT_EQ(peer.shop.last_metadata().at("traceparent"), own);
  ASSERT_EQ(got.span_links.size(), 1u);
  EXPECT_EQ(got.span_links[0].span_id.to_hex(), "2222222222222222");
}

TEST(GrpcCall, StreamsAreCollected) {
  GrpcPeer peer;
  ActionRun run;
  const auto call = [&](std::string method, expr::Value message) {
    return run("grpc_call", {{"address", peer.address()},
                             {"service", "testmesh.shop.Shop"},
                             {"method", method},
                             {"message", std::move(message)}});
  };
  ActionOutcome got = call("List", json(R"({"name": "n", "size": 3})"));
  EXPECT_EQ(got.result.find("messages")->as_list().size(), 3u);
  EXPECT_EQ(at(got.result, "message/greeting"), "\"n 0\"");
  EXPECT_EQ(at(call("List", json(R"({"size": 0})")).result, "messages"), "[]");
  EXPECT_EQ(code(call("List", json(R"({"size": 100000})"))), "too_large");
  got = call("Collect", json(R"([{"name": "a"}, {"name": "b"}])"));
  EXPECT_EQ(at(got.result, "message/greeting"), "\"a;b;\"");
  EXPECT_EQ(at(got.result, "messages"), "absent");
  EXPECT_EQ(at(call("Collect", json(R"({"name": "a"})")).result, "message/greeting"), "\"a;\"");
}

TEST(GrpcCall, UnreachableSlowAndCancelled) {
  ActionRun run;
  int port = 0;
  {
    GrpcPeer gone;
    port = gone.port();
  }
  ActionOutcome got = run("grpc_call", {{"address", fmt::format("127.0.0.1:{}", port)}, {"method", "a.B/C"}});
  EXPECT_EQ(code(got), "connection");
  EXPECT_THAT(message(got), AllOf(HasSubstr(fmt::format("127.0.0.1:{}", port)), HasSubstr("refused")));
  got = run("grpc_call", {{"address", "no-such-host.invalid:80"}, {"method", "a.B/C"}});
  EXPECT_EQ(code(got), "connection");

  GrpcPeer peer;
  const auto hang = [&](std::string timeout) {
    return run("grpc_call", {{"address", peer.address()},
                             {"method", "testmesh.shop.Shop/Greet"},
                             {"message", expr::Map{{"hang", true}}},
                             {"timeout", timeout}});
  };
  EXPECT_EQ(code(hang("150ms")), "timeout");
  peer.shop.hanging = false;
  std::thread canceller([&] {
    while (!peer.shop.hanging) std::this_thread::yield();
    run.cancelled = true;
  });
  EXPECT_EQ(code(hang("1h")), "cancelled");
  canceller.join();
  run.cancelled = false;
  testing::RawPeer silent([](testing::PeerConnection& connection) { connection.wait_until_closed(); });
  EXPECT_EQ(code(run("grpc_call", {{"address", fmt::format("127.0.0.1:{}", silent.port())},
                                   {"method", "a.B/C"},
                                   {"timeout", "150ms"}})),
            "timeout");
  testing::RawPeer other([](testing::PeerConnection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  got = run("grpc_call", {{"address", fmt::format("127.0.0.1:{}", other.port())}, {"method", "a.B/C"}});
  EXPECT_TRUE(code(got) == "connection" || code(got) == "protocol") << code(got);
}

TEST(GrpcCall, AnswersThatAreTooLargeAreNotKept) {
  GrpcPeer peer;
  ActionRun run;
  const ActionOutcome got = run("grpc_call", {{"address", peer.address()},
                                              {"method", "testmesh.shop.Shop/Greet"},
                                              {"message", expr::Map{{"size", 5 << 20}}}});
  EXPECT_EQ(code(got), "too_large") << message(got) << expr::to_json(got.result).substr(0, 500);
}

TEST(GrpcCall, KeepsToTheListOfHosts) {
  GrpcPeer peer;
  ActionRun listed{.hosts = HostPolicy({"127.0.0.1"})};
  const auto greet = [&](std::string_view host) {
    return code(
        listed("grpc_call", {{"address", peer.address(host)}, {"method", "testmesh.shop.Shop/Greet"}}));
  };
  EXPECT_EQ(greet("127.0.0.1"), "");
  EXPECT_EQ(greet("localhost"), "");
  EXPECT_EQ(greet("0.0.0.0"), "address_refused");
  EXPECT_EQ(code(listed("grpc_call", {{"address", peer.address()},
                                      {"method", "a.B/C"},
                                      {"tls", expr::Map{{"ca", "/etc/passwd"}}}})),
            "invalid_config");
}

TEST(GrpcCall, Tls) {
  GrpcPeer peer(Describes::kAlpha, /*tls=*/true);
  ActionRun run;
  const auto greet = [&](std::string_view host, expr::Value tls) {
    return run("grpc_call", {{"address", peer.address(host)},
                             {"method", "testmesh.shop.Shop/Greet"},
                             {"tls", std::move(tls)},
                             {"timeout", "10s"}});
  };
  ActionOutcome got = greet("localhost", true);
  EXPECT_EQ(code(got), "tls") << message(got);
  EXPECT_EQ(message(greet("localhost", expr::Map{{"ca", peer.certificate()}})), "");
  EXPECT_EQ(message(greet("127.0.0.1", expr::Map{{"verify", false}})), "");
  EXPECT_NE(code(greet("localhost", false)), "");
}

TEST(GrpcCall, RunsInSeveralThreads) {
  GrpcPeer peer;
  ActionRun run;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i)
        good +=
            at(run("grpc_call", {{"address", peer.address()}, {"method", "testmesh.shop.Shop/Greet"}}).result,
               "status") == "\"OK\"";
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 100);
}

}  // namespace
}  // namespace testmesh::actions
