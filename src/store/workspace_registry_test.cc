#include "store/workspace_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "store/map_store.h"

namespace testmesh::store {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

class FakeClock final : public base::Clock {
 public:
  base::UnixNanos now() const override { return time++; }
  mutable std::atomic<base::UnixNanos> time{1'700'000'000'000'000'000};
};

class Registry : public ::testing::Test {
 protected:
  Registry() { restart(); }
  void restart() {
    auto opened = WorkspaceRegistry::open(documents, clock);
    ASSERT_TRUE(opened) << opened.error().message;
    registry = std::move(*opened);
  }
  model::WorkspaceId made(std::string name) {
    return registry->create(std::nullopt, std::move(name)).value().id;
  }

  MapStore documents;
  FakeClock clock;
  std::unique_ptr<WorkspaceRegistry> registry;
};

TEST_F(Registry, AlwaysHasTheDefaultWorkspace) {
  ASSERT_EQ(registry->list().size(), 1u);
  const auto first = registry->list().front();
  EXPECT_EQ(first.id.to_string(), "00000000-0000-4000-8000-000000000001");
  restart();
  EXPECT_EQ(registry->list().front().created_at, first.created_at);
  const auto removed = registry->remove(model::kDefaultWorkspace);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(Registry, KeepsWorkspacesAcrossARestart) {
  const auto id = model::WorkspaceId::parse("ABCDEF00-0000-4000-8000-0000000000FF").value();
  ASSERT_TRUE(registry->create(id, "Żółć"));
  EXPECT_EQ(registry->create(id, "again").error().code, ErrorCode::kAlreadyExists);
  const auto other = made("other");
  EXPECT_EQ(other.to_string()[14], '4');
  ASSERT_TRUE(registry->rename(other, "renamed"));
  restart();
  EXPECT_EQ(registry->find(id)->name, "Żółć");
  EXPECT_EQ(registry->find(other)->name, "renamed");
  EXPECT_EQ(registry->list().size(), 3u);
  EXPECT_EQ(registry->list().back().id, other);
  ASSERT_TRUE(registry->remove(id));
  EXPECT_EQ(registry->remove(id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry->rename(id, "x").error().code, ErrorCode::kNotFound);
  restart();
  EXPECT_FALSE(registry->find(id));
}

TEST_F(Registry, RefusesNamesNobodyCouldRead) {
  for (const std::string& name :
       {std::string(), std::string(" \t"), std::string(201, 'x'), std::string("a\nb"), std::string("\xff"),
        std::string("\xed\xa0\x80"), std::string("\xc3")})
    EXPECT_EQ(registry->create(std::nullopt, name).error().code, ErrorCode::kInvalidArgument) << name;
  EXPECT_EQ(registry->list().size(), 1u);
}

TEST_F(Registry, KeepsEverySettingAcrossARestart) {
  const auto id = made("w");
  const model::TelemetrySettings settings{.enabled = false,
                                          .auto_discovery = false,
                                          .auto_validation = false,
                                          .retention_days = 0,
                                          .default_timeout_ms = 1000,
                                          .drift_min_baseline = 7,
                                          .trace_idle_timeout_ms = 100};
  ASSERT_TRUE(registry->put_settings(id, settings));
  restart();
  EXPECT_EQ(registry->settings(id), settings);
  EXPECT_EQ(registry->settings(model::kDefaultWorkspace), model::TelemetrySettings{});
  ASSERT_TRUE(registry->remove(id));
  ASSERT_TRUE(registry->create(id, "again"));
  restart();
  EXPECT_EQ(registry->settings(id), model::TelemetrySettings{}) << "settings went with their workspace";
}

TEST_F(Registry, ShowsASecretOnceAndStoresOnlyItsHash) {
  const auto id = made("w");
  const auto created = registry->create_key(id, "ci").value();
  EXPECT_EQ(created.secret.size(), 3u + 43u);
  EXPECT_TRUE(created.secret.starts_with("tm_"));
  for (const auto& [key, value] : documents.documents) EXPECT_THAT(value, Not(HasSubstr(created.secret)));
  restart();
  const auto key = registry->authenticate(created.secret);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->id, created.key.id);
  EXPECT_EQ(key->workspace, id);
  EXPECT_FALSE(registry->authenticate(created.secret + "x"));
  EXPECT_FALSE(registry->authenticate(""));
  ASSERT_EQ(registry->keys(id).size(), 1u);
  EXPECT_EQ(registry->remove_key(model::kDefaultWorkspace, created.key.id).error().code,
            ErrorCode::kNotFound);
  ASSERT_TRUE(registry->remove_key(id, created.key.id));
  EXPECT_FALSE(registry->authenticate(created.secret));
  restart();
  EXPECT_FALSE(registry->authenticate(created.secret));
}

TEST_F(Registry, KeysGoWithTheirWorkspace) {
  const auto id = made("w");
  const auto created = registry->create_key(id, "ci").value();
  ASSERT_TRUE(registry->remove(id));
  EXPECT_FALSE(registry->authenticate(created.secret));
  EXPECT_EQ(documents.documents.size(), 1u) << "only the default workspace is left";
  EXPECT_EQ(registry->create_key(id, "late").error().code, ErrorCode::kNotFound);
}

TEST_F(Registry, ShowsNothingThatCouldNotBeStored) {
  documents.broken = true;
  EXPECT_EQ(registry->create(std::nullopt, "w").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(registry->list().size(), 1u);
  EXPECT_FALSE(registry->put_settings(model::kDefaultWorkspace, {.enabled = false}));
  EXPECT_TRUE(registry->settings(model::kDefaultWorkspace).enabled);
}

TEST_F(Registry, ResolvesWhereARequestGoes) {
  const auto id = made("w");
  const auto key = registry->create_key(id, "ci").value();
  const std::string bearer = "Bearer " + key.secret;
  const auto code = [&](std::string_view header, std::string_view authorization, bool require = false) {
    return registry->resolve_ingest(header, authorization, require).error().code;
  };
  EXPECT_EQ(registry->resolve_ingest("", "", false).value(), model::kDefaultWorkspace);
  EXPECT_EQ(registry->resolve_ingest("  ", "", false).value(), model::kDefaultWorkspace);
  EXPECT_EQ(code("", "", true), ErrorCode::kInvalidArgument);
  std::string upper = id.to_string();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(registry->resolve_ingest(upper, "", true).value(), id);
  EXPECT_EQ(registry->resolve_ingest("", bearer, true).value(), id);
  EXPECT_EQ(registry->resolve_ingest("", "bearer  " + key.secret, true).value(), id);
  EXPECT_EQ(registry->resolve_ingest(id.to_string(), bearer, false).value(), id);
  EXPECT_EQ(registry->resolve_ingest("", "Basic dXNlcg==", false).value(), model::kDefaultWorkspace);
  EXPECT_EQ(code("nonsense", ""), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("11111111-1111-4111-8111-111111111111", ""), ErrorCode::kNotFound);
  EXPECT_EQ(code("", "Bearer tm_wrong"), ErrorCode::kUnauthenticated);
  EXPECT_EQ(code(model::kDefaultWorkspace.to_string(), bearer), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(registry->put_settings(id, {.enabled = false}));
  EXPECT_EQ(code(id.to_string(), ""), ErrorCode::kPermissionDenied);
}

TEST_F(Registry, RefusesDamagedAndNewerDocuments) {
  const auto intact = documents.documents;
  const std::string key = "workspace/" + model::kDefaultWorkspace.to_string();
  for (const char* damage : {"", "{", "[]", "{\"schema\":1}", "{\"schema\":1,\"name\":3,\"created_at\":1}"}) {
    documents.documents[key] = damage;
    const auto opened = WorkspaceRegistry::open(documents, clock);
    ASSERT_FALSE(opened) << damage;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(opened.error().message, HasSubstr(key));
  }
  documents.documents[key] = "{\"schema\":2}";
  EXPECT_EQ(WorkspaceRegistry::open(documents, clock).error().code, ErrorCode::kUnsupported);
  documents.documents = intact;
  restart();
}

TEST_F(Registry, ReadersSeeWholeStatesWhileWritersChange) {
  const auto id = made("w");
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      const auto settings = registry->settings(id);
      EXPECT_EQ(settings.drift_min_baseline == 10, settings.retention_days == 30);
    }
  });
  for (int i = 0; i < 2000; ++i)
    EXPECT_TRUE(registry->put_settings(
        id, i % 2 ? model::TelemetrySettings{}
                  : model::TelemetrySettings{.retention_days = 5, .drift_min_baseline = 11}));
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace testmesh::store
