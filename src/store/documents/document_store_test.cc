#include "store/documents/document_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

namespace testmesh::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class DocumentStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-documents-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    documents_.reset();
    std::error_code error;
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, error);
    std::filesystem::remove_all(directory_, error);
  }
  void open() {
    documents_.reset();
    auto opened = open_document_store(directory_ / "documents");
    ASSERT_TRUE(opened) << opened.error().message;
    documents_ = std::move(*opened);
  }
  std::vector<std::pair<std::string, std::string>> under(std::string_view prefix, size_t at_most = 100) {
    std::vector<std::pair<std::string, std::string>> found;
    auto scanned = documents_->scan(prefix, [&](std::string_view key, std::string_view value) {
      found.emplace_back(key, value);
      return found.size() < at_most;
    });
    EXPECT_TRUE(scanned);
    return found;
  }

  std::filesystem::path directory_;
  std::unique_ptr<DocumentStore> documents_;
};

TEST_F(DocumentStoreTest, KeepsBatchesAcrossARestart) {
  open();
  ASSERT_TRUE(documents_->write({{"a/1", "one"}, {"a/2", std::string("t\0wo", 4)}, {"b/1", ""}}));
  ASSERT_TRUE(documents_->write({{"a/1", std::nullopt}, {"a/3", "three"}, {"missing", std::nullopt}}));
  open();
  EXPECT_THAT(under("a/"), ElementsAre(Pair("a/2", std::string("t\0wo", 4)), Pair("a/3", "three")));
  EXPECT_EQ(documents_->get("b/1").value(), "");
  EXPECT_EQ(documents_->get("a/1").value(), std::nullopt);
}

TEST_F(DocumentStoreTest, ScansInKeyOrderAndStopsWhenTold) {
  open();
  ASSERT_TRUE(documents_->write(
      {{"k\xff", "d"}, {"k2", "b"}, {"k1", "a"}, {"k\xff\xff", "e"}, {"l", "x"}, {"k", "0"}}));
  EXPECT_THAT(under("k"), ElementsAre(Pair("k", "0"), Pair("k1", "a"), Pair("k2", "b"), Pair("k\xff", "d"),
                                      Pair("k\xff\xff", "e")));
  EXPECT_THAT(under("k\xff"), ElementsAre(Pair("k\xff", "d"), Pair("k\xff\xff", "e")));
  EXPECT_THAT(under("k", 2), ElementsAre(Pair("k", "0"), Pair("k1", "a")));
  EXPECT_EQ(under("").size(), 6u) << "the store's own documents stay hidden";
}

TEST_F(DocumentStoreTest, RemovesExactlyThePrefix) {
  open();
  ASSERT_TRUE(documents_->write({{"a", "1"}, {"a/1", "2"}, {"a/\xff", "3"}, {"a0", "4"}, {"b", "5"}}));
  ASSERT_TRUE(documents_->remove_prefix("a/"));
  EXPECT_THAT(under(""), ElementsAre(Pair("a", "1"), Pair("a0", "4"), Pair("b", "5")));
  ASSERT_TRUE(documents_->remove_prefix(""));
  EXPECT_TRUE(under("").empty());
  open();
  EXPECT_TRUE(under("").empty());
}

TEST_F(DocumentStoreTest, RefusesANewerFormatPolitely) {
  open();
  ASSERT_TRUE(documents_->write({{"_format", "2"}}));
  documents_.reset();
  const auto opened = open_document_store(directory_ / "documents");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, base::ErrorCode::kUnsupported);
  EXPECT_THAT(opened.error().message, HasSubstr("newer testmesh"));
}

TEST_F(DocumentStoreTest, NamesTheProcessThatHoldsTheDirectory) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = open_document_store(directory_ / "documents");
    const char answer = held ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  const auto second = open_document_store(directory_ / "documents");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message,
              HasSubstr("is in use by another testmesh server (pid " + std::to_string(child) + ")"));
  open();  // the lock died with its holder
}

TEST_F(DocumentStoreTest, SurvivesKillNineAfterEachAcknowledgedWrite) {
  int acknowledged[2];
  ASSERT_EQ(pipe(acknowledged), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto held = open_document_store(directory_ / "documents");
    if (!held) _exit(1);
    for (int i = 0;; ++i) {
      if (!(*held)->write({{"n/" + std::to_string(i), "v"}, {"latest", std::to_string(i)}})) _exit(1);
      if (write(acknowledged[1], &i, sizeof i) != sizeof i) _exit(1);
    }
  }
  int last = -1;
  while (last < 40) ASSERT_EQ(read(acknowledged[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(acknowledged[0]);
  close(acknowledged[1]);
  open();
  const int latest = std::stoi(documents_->get("latest").value().value());
  EXPECT_GE(latest, last);
  for (int i = 0; i <= latest; ++i) EXPECT_TRUE(documents_->get("n/" + std::to_string(i)).value()) << i;
}

TEST_F(DocumentStoreTest, SaysWhyADirectoryCannotBeUsed) {
  const auto file = directory_ / "file";
  {
    std::unique_ptr<FILE, int (*)(FILE*)> made(fopen(file.c_str(), "w"), fclose);
  }
  const auto at_file = open_document_store(file);
  ASSERT_FALSE(at_file);
  EXPECT_THAT(at_file.error().message, HasSubstr(file.string()));
  const auto below_file = open_document_store(file / "below");
  ASSERT_FALSE(below_file);
  EXPECT_THAT(below_file.error().message, HasSubstr("cannot be created"));
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const auto sealed = directory_ / "sealed";
  std::filesystem::create_directory(sealed);
  std::filesystem::permissions(sealed,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const auto unwritable = open_document_store(sealed);
  ASSERT_FALSE(unwritable);
  EXPECT_THAT(unwritable.error().message, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace testmesh::store
