// Secrets do not come out.
#include "runner/masker.h"

#include <chrono>
#include <random>

#include "otlp/base64.h"
#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using actions::ActionOutcome;
using expr::List;
using expr::Map;
using expr::Value;
using testing::HasSubstr;
using testing::Not;

TEST(Masker, MasksAValueWhereverItStands) {
  Masker masker;
  masker.add("s3cr3t");
  EXPECT_EQ(masker.mask("a s3cr3t and s3cr3ts3cr3t."), "a *** and ***.") << "neighbours become one";
  EXPECT_EQ(masker.mask("s3cr3"), "s3cr3");
  EXPECT_EQ(masker.mask(""), "");
}

TEST(Masker, ShortOnesAreMaskedByNameOnly) {
  Masker masker;
  masker.add("abc");
  EXPECT_EQ(masker.mask("abc"), "abc");
  EXPECT_EQ(expr::to_json(masker.shown(Map{{"API_KEY", "abc"}, {"x", "abc"}}, 1000)),
            R"({"API_KEY":"***","x":"abc"})");
}

TEST(Masker, EncodedForms) {
  const std::string secret = "p@ss \"w/rd\"\n+1";
  Masker masker;
  masker.add(secret);
  EXPECT_EQ(masker.mask("x=p%40ss%20%22w%2Frd%22%0A%2B1&y"), "x=***&y");
  EXPECT_EQ(masker.mask("x=p%40ss%20%22w%2frd%22%0a%2b1&y"), "x=***&y");
  EXPECT_EQ(masker.mask("x=p%40ss+%22w%2Frd%22%0A%2B1&y"), "x=***&y");
  EXPECT_EQ(masker.mask(expr::to_json(Value(secret))), "\"***\"");
  EXPECT_EQ(masker.mask(R"("p@ss \"w\/rd\"\n+1")"), "\"***\"");
  for (const std::string before : {"", "u", "us", "user:", "someone:"})
    for (const std::string after : {"", ":", "!?", "more"}) {
      const std::string text = otlp::to_base64(before + secret + after);
      EXPECT_THAT(masker.mask("Basic " + text), HasSubstr("***")) << before << "|" << after;
    }
}

TEST(Masker, OverlappingSecretsLeaveNothing) {
  Masker masker;
  masker.add("abcdef");
  masker.add("defghi");
  masker.add("abcd");
  EXPECT_EQ(masker.mask("-abcdefghi-abcd-"), "-***-***-");
}

TEST(Masker, PasswordsOfUrls) {
  Masker masker;
  EXPECT_EQ(masker.mask("postgres://u:pw@db:5432/x and http://host/a:b@c"),
            "postgres://u:***@db:5432/x and http://host/a:b@c");
  masker.learn_exchange(Map{{"connection", "redis://:l0ng%40pw@cache:6379"}});
  EXPECT_EQ(masker.mask("could not log in with l0ng@pw or l0ng%40pw"), "could not log in with *** or ***");
}

TEST(Masker, NumbersAndKeys) {
  Masker masker;
  masker.learn_variable("PASSWORD", Value(123456));
  EXPECT_EQ(expr::to_json(masker.shown(Map{{"n", 123456}, {"123456", 1}, {"m", 1234567}}, 1000)),
            R"({"n":"***","***":1,"m":1234567})");
}

TEST(Masker, TruthAndNothingAreNoSecrets) {
  Masker masker;
  masker.learn_variable("USE_KEY", Value(true));
  masker.learn_variable("NO_KEY", Value());
  EXPECT_EQ(expr::to_json(masker.shown(Map{{"USE_KEY", true}, {"NO_KEY", nullptr}, {"x", "true"}}, 1000)),
            R"({"USE_KEY":true,"NO_KEY":null,"x":"true"})");
}

TEST(Masker, CredentialsOfARequest) {
  Masker masker;
  const Value request = Map{
      {"headers", Map{{"Authorization", "Basic " + otlp::to_base64("me:pa55word")},
                      {"cookie", "sid=0123456789; lang=en"},
                      {"X-Api-Key", "k-123456789"},
                      {"accept", "text/plain"}}},
      {"auth", Map{{"bearer", "b3arer-t0ken"}}},
      {"cookies", Map{{"theme", "dark"}, {"session", "abcdefgh1"}}},
  };
  masker.learn_exchange(request);
  const std::string shown = expr::to_json(masker.shown(request, 10'000));
  for (const char* secret : {"pa55word", "0123456789", "k-123456789", "b3arer", "dark", "abcdefgh1"})
    EXPECT_THAT(shown, Not(HasSubstr(secret)));
  EXPECT_THAT(shown, HasSubstr("text/plain"));
  EXPECT_EQ(masker.mask("got pa55word and sid 0123456789 in English, en, dark"),
            "got *** and sid *** in English, en, dark");
}

TEST(Masker, WhatHasNothingToHideIsTheSameValue) {
  Masker masker;
  masker.add("s3cr3t");
  const Value value = Map{{"a", List{1, "text", Map{{"b", nullptr}}}}};
  EXPECT_TRUE(masker.shown(value, 1000).is_same_object(value));
}

TEST(Masker, ShowsNoMoreThanAskedForAndCutsNoSecretInTwo) {
  Masker masker;
  masker.add("the-secret-of-secrets");
  for (size_t before = 80; before < 130; ++before) {
    const Value shown =
        masker.shown(Value(std::string(before, 'x') + "the-secret-of-secrets" + std::string(1000, 'y')), 100);
    EXPECT_THAT(std::string(shown.as_string()), Not(HasSubstr("the-")));
    EXPECT_LT(shown.as_string().size(), 140u);
  }
  const Value list = masker.shown(Value(List(5000, Value("1234567890"))), 1000);
  EXPECT_LT(list.as_list().size(), 100u);
  EXPECT_THAT(std::string(list.as_list().back().as_string()), HasSubstr("5000 items"));
  Map big;
  for (int i = 0; i < 5000; ++i) big.set(std::to_string(i), "1234567890");
  EXPECT_LT(masker.shown(Value(big), 1000).as_map().size(), 100u);
}

TEST(Masker, MaskingTwiceChangesNothing) {
  Masker masker;
  masker.add("s3cr3t");
  const Value once = masker.shown(Map{{"API_KEY", "x"}, {"t", "a s3cr3t"}, {"u", "http://a:b@c"}}, 1000);
  EXPECT_TRUE(masker.shown(once, 1000).is_same_object(once)) << expr::to_json(once);
}

TEST(Masker, TooManySecretsMaskEverything) {
  Masker masker;
  for (int i = 0; i < 4'000; ++i) masker.add("secret number " + std::to_string(i) + std::string(2000, 'x'));
  EXPECT_EQ(masker.mask("anything"), "***");
}

// Whatever is hidden in whatever: not a byte sequence of it is left.
TEST(Masker, RandomTexts) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto text = [&](size_t least, size_t most) {
    std::string made;
    for (size_t i = least + random() % (most - least + 1); i > 0; --i) made += "ab:/@%\"\\ "[random() % 9];
    return made;
  };
  for (int round = 0; round < 3000; ++round) {
    Masker masker;
    std::vector<std::string> secrets;
    for (size_t i = 1 + random() % 4; i > 0; --i) {
      secrets.push_back(text(4, 9));
      masker.add(secrets.back());
    }
    std::string all;
    for (int i = 0; i < 6; ++i) all += text(0, 6) + secrets[random() % secrets.size()];
    std::string rest = masker.mask(all);
    for (size_t at = rest.find(kMask); at != std::string::npos; at = rest.find(kMask))
      rest.replace(at, kMask.size(), "|");
    for (const std::string& secret : secrets) ASSERT_EQ(rest.find(secret), std::string::npos) << all;
  }
}

// ---- in a run

class Secrets : public FlowRun, public testing::Test {
 protected:
  // Everything that leaves the run.
  std::string everything() {
    std::string all;
    for (const StepResult& one : result.steps) {
      for (const Value* value : {&one.request, &one.result, &one.output}) all += expr::to_json(*value) + "\n";
      if (one.error) all += one.error->message + "\n";
      for (const FailedAssertion& failed : one.failed_assertions)
        all += failed.expression + expr::to_json(failed.actual) +
               (failed.expected ? expr::to_json(*failed.expected) : "") + failed.error.value_or("") + "\n";
    }
    if (result.error) all += result.error->message;
    for (const model::Span& span : spans) {
      all += span.name + span.status_message;
      for (const auto& attribute : span.attributes)
        if (const auto* text = std::get_if<std::string>(&attribute.value.data))
          all += attribute.key + "=" + *text + "\n";
    }
    return all;
  }
};

TEST_F(Secrets, AreNowhereInWhatARunShows) {
  on("http_request", [](const Value& config, ActionContext&, int) {
    EXPECT_THAT(std::string(config.find("url")->as_string()), HasSubstr("k-12345678"))
        << "the run itself uses it";
    ActionOutcome outcome = answers({{"status", 401},
                                     {"body", Map{{"echo", "you sent k-12345678"}}},
                                     {"headers", Map{{"set-cookie", "sid=abcdefgh99; Path=/"}}}});
    outcome.span_name = "GET /k-12345678";
    outcome.span_attributes = {{"url.full", {std::string("http://h/k-12345678")}}};
    return outcome;
  });
  variables = {{"db_password", "pa55word"}};
  run(R"(
  env: {API_KEY: k-12345678, message: "has {{API_KEY}}"}
  steps:
    - id: a
      action: http_request
      config: {url: "http://h/{{API_KEY}}", headers: {Authorization: "Bearer tok-987654321"}, body: "{{db_password}}"}
      assert: [body.echo == "ok", "API_KEY == 'other'", "headers['set-cookie'] contains 'nothing'"]
      on_error: continue
    - {id: l, action: log, config: {message: "{{message}} {{db_password}} tok-987654321 abcdefgh99"}}
)");
  for (const char* secret : {"k-12345678", "pa55word", "tok-987654321", "abcdefgh99"})
    EXPECT_THAT(everything(), Not(HasSubstr(secret)));
  EXPECT_EQ(step("l").result.find("message")->as_string(), "has *** *** *** ***");
  EXPECT_EQ(step("a").failed_assertions.size(), 3u);
}

TEST_F(Secrets, ThatBecomeKnownLaterAreTakenOutOfWhatWasKept) {
  on("http_request", [](const Value&, ActionContext&, int) {
    return answers({{"body", Map{{"token", "fresh-token-1"}, {"again", "fresh-token-1"}}}});
  });
  run(R"(
  steps:
    - {id: login, action: http_request, config: {url: u}}
    - {id: use, action: http_request, config: {url: u, headers: {authorization: "Bearer {{login.body.token}}"}}}
)");
  EXPECT_THAT(everything(), Not(HasSubstr("fresh-token-1")));
}

TEST_F(Secrets, OutputsOfASecretNameAreSecrets) {
  on("http_request",
     [](const Value&, ActionContext&, int) { return answers({{"body", Map{{"t", "fresh-token-1"}}}}); });
  run(R"(
  steps:
    - {id: login, action: http_request, config: {url: u}, output: {auth_token: $.body.t}}
    - {id: l, action: log, config: {message: "{{auth_token}}"}}
)");
  EXPECT_THAT(everything(), Not(HasSubstr("fresh-token-1")));
}

TEST_F(Secrets, OfAFailedActionsMessageToo) {
  on("http_request", [](const Value&, ActionContext&, int) {
    return fails("connection", "cannot reach postgres://u:pa55word@h");
  });
  run("  env: {dsn: 'postgres://u:pa55word@h/x'}\n  steps: [{id: a, action: http_request, config: {url: "
      "'{{dsn}}'}}]\n");
  EXPECT_THAT(everything(), Not(HasSubstr("pa55word")));
  EXPECT_THAT(result.error->message, HasSubstr("***"));
}

}  // namespace
}  // namespace testmesh::runner
