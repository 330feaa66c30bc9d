// `testmesh simulate` as a user types it, where no server is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/run_cli.h"

namespace testmesh::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Simulate : public ::testing::Test {
 protected:
  Simulate() {
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-simulate-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory = name;
  }
  ~Simulate() override {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
  }

  int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"testmesh", "simulate"});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out_stream, err_stream;
    Terminal terminal{.out = out_stream, .err = err_stream};
    const int code = run_cli(static_cast<int>(argv.size()), argv.data(), Hooks(), terminal);
    out = out_stream.str();
    err = err_stream.str();
    return code;
  }
  std::string file(const std::string& name) const { return directory + "/" + name; }
  std::string written(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream stream(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  std::string example() {
    run({"--print-example"});
    return written("shop.yaml", out);
  }

  std::string directory, out, err;
};

TEST_F(Simulate, TheExampleItPrintsRuns) {
  const std::string shop = example();
  ASSERT_EQ(run({shop, "--out", file("a.jsonl"), "--traces", "20", "--start", "2026-01-01T00:00:00Z"}), 0)
      << err;
  EXPECT_THAT(out, HasSubstr("20 traces"));
  EXPECT_THAT(read("a.jsonl"), AllOf(HasSubstr("\"resourceSpans\""), HasSubstr("GET /products/{sku}")));
}

TEST_F(Simulate, TheSameSeedWritesTheSameFile) {
  const std::string shop = example();
  const auto make = [&](const std::string& name, const std::string& seed) {
    EXPECT_EQ(
        run({shop, "--out", file(name), "--traces", "50", "--seed", seed, "--start", "2026-01-01T00:00:00Z"}),
        0);
    return read(name);
  };
  const std::string first = make("a.pb", "7");
  EXPECT_EQ(first, make("b.pb", "7"));
  EXPECT_NE(first, make("c.pb", "8"));
}

TEST_F(Simulate, ADryRunSaysWhatTheFileSays) {
  ASSERT_EQ(run({example(), "--dry-run"}), 0) << err;
  EXPECT_THAT(out, AllOf(HasSubstr("shop: 6 services, 20 requests/s from outside"),
                         HasSubstr("call payment POST /payments, 1.0 ms, fails in 5.0 %, up to 3 attempts"),
                         HasSubstr("gateway GET /api/v1/products, 9.8 % of the traffic"),
                         HasSubstr("by the test 'checkout smoke test'"), HasSubstr("5 to 12 times")));
  ASSERT_EQ(run({file("shop.yaml"), "--dry-run", "--output", "json"}), 0);
  const json described = json::parse(out);
  ASSERT_EQ(described["phases"].size(), 2u);
  double sum = 0;
  for (const json& behaviour : described["phases"][0]["requests"][0]["behaviours"])
    sum += behaviour["probability"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST_F(Simulate, TheTruthAddsUp) {
  ASSERT_EQ(run({example(), "--out", file("a.pb"), "--duration", "10s", "--rate", "50/s", "--truth",
                 file("t.json"), "--output", "json"}),
            0)
      << err;
  const json summary = json::parse(out), truth = json::parse(read("t.json"));
  EXPECT_EQ(summary["traces"], 500);
  EXPECT_EQ(truth["total"]["traces"], 500);
  EXPECT_EQ(truth["total"]["whole"], 500);
  EXPECT_EQ(truth["spans"]["sent"], summary["spans"]);
  uint64_t traces = 0;
  for (const json& behaviour : truth["behaviours"]) traces += behaviour["traces"].get<uint64_t>();
  EXPECT_EQ(traces, 500u);
}

TEST_F(Simulate, ProblemsOfTheFileAreSaidWithTheirPlaces) {
  const std::string bad = written("bad.yaml", "service:\n  a:\nrate: fast\n");
  EXPECT_EQ(run({bad, "--dry-run"}), 1);
  EXPECT_THAT(err, AllOf(HasSubstr(bad + ":1:1: there is no 'service' in file; did you mean 'services'?"),
                         HasSubstr(bad + ":3:7: this is no rate")));
  EXPECT_EQ(run({file("absent.yaml"), "--dry-run"}), 1);
  EXPECT_THAT(err, HasSubstr("cannot be read"));
}

TEST_F(Simulate, WrongUseIsSaidBeforeAnythingHappens) {
  const std::string shop = example();
  EXPECT_EQ(run({}), 2);
  EXPECT_THAT(err, HasSubstr("FILE is missing"));
  EXPECT_EQ(run({shop, "--fast"}), 2);
  EXPECT_THAT(err, HasSubstr("need --traces or --duration"));
  EXPECT_EQ(run({shop, "--to", "http://127.0.0.1:1", "--out", "x.pb", "--traces", "1"}), 2);
  for (const char* option :
       {"--rate=0", "--duration=5", "--start=tomorrow", "--traces=0", "--connections=100"})
    EXPECT_EQ(run({shop, option}), 2) << option;
  EXPECT_EQ(run({shop, "--out", file("x.txt"), "--traces", "1"}), 1);
  EXPECT_EQ(run({shop, "--to", "http://127.0.0.1:1", "--fast", "--traces", "1"}), 1);
  EXPECT_THAT(err, HasSubstr("cannot be reached"));
}

}  // namespace
}  // namespace testmesh::cli
