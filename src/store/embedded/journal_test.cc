#include "store/embedded/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace testmesh::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Entries = std::vector<std::string>;

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-journal-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    journal_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  // Opens and replays; `entries_` holds what came back, `ends_` where each ended.
  base::Result<void> open(JournalPosition from = {}) {
    journal_.reset();
    entries_.clear();
    ends_.clear();
    TRY_ASSIGN(journal_, Journal::open(directory_.string()));
    return journal_->replay(from, [&](const JournalEntry& entry) -> base::Result<void> {
      entries_.emplace_back(entry.content);
      ends_.push_back(entry.end);
      return {};
    });
  }
  void append(const std::string& content) {
    // In two pieces and an empty one: what an entry is made of leaves no trace.
    const auto half = static_cast<std::ptrdiff_t>(content.size() / 2);
    const std::string_view whole(content);
    const auto appended = journal_->append({whole.substr(0, half), {}, whole.substr(half)});
    ASSERT_TRUE(appended) << appended.error().message;
  }
  std::filesystem::path path(uint64_t number) const {
    std::string digits = std::to_string(number);
    return directory_ / ("journal-" + std::string(12 - digits.size(), '0') + digits);
  }
  std::string bytes(uint64_t number, uint64_t size) const {
    std::string read(size, '\0');
    std::ifstream(path(number), std::ios::binary).read(read.data(), static_cast<std::streamsize>(size));
    return read;
  }
  // A directory with that one file.
  void put(uint64_t number, const std::string& content) {
    journal_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    std::ofstream(path(number), std::ios::binary) << content;
  }

  std::filesystem::path directory_;
  std::unique_ptr<Journal> journal_;
  Entries entries_;
  std::vector<JournalPosition> ends_;
};

TEST_F(JournalTest, EntriesComeBackInOrder) {
  ASSERT_TRUE(open());
  EXPECT_THAT(entries_, IsEmpty());
  append("one");
  append("");
  append(std::string(100'000, 'x'));
  ASSERT_TRUE(open());
  append("four");  // into a file of its own
  ASSERT_TRUE(open());
  EXPECT_THAT(entries_, ElementsAre("one", "", std::string(100'000, 'x'), "four"));
}

TEST_F(JournalTest, AReplayStartsWhereItIsTold) {
  ASSERT_TRUE(open());
  for (const char* content : {"one", "two", "three"}) append(content);
  ASSERT_TRUE(open());
  const JournalPosition behind_first = ends_[0], behind_last = ends_[2];
  ASSERT_TRUE(open(behind_first));
  EXPECT_THAT(entries_, ElementsAre("two", "three"));
  ASSERT_TRUE(open(behind_last));
  EXPECT_THAT(entries_, IsEmpty());
}

TEST_F(JournalTest, ALastEntryTornAtAnyByteIsNotThereAndTheJournalGoesOn) {
  ASSERT_TRUE(open());
  append("the first");
  const uint64_t good = journal_->end().offset;
  append("the last");
  const uint64_t size = journal_->end().offset;
  const std::string whole = bytes(1, size);
  for (uint64_t cut = good; cut < size; ++cut) {
    std::string torn = whole.substr(0, cut);
    if (cut % 2 == 0)
      torn.resize(size + 100, '\0');  // behind the cut: the zeros of a reserved file, or nothing
    put(1, torn);
    ASSERT_TRUE(open()) << cut;
    ASSERT_THAT(entries_, ElementsAre("the first")) << cut;
    if (cut % 8 != 0) continue;
    append("another");
    ASSERT_TRUE(open()) << cut;
    ASSERT_THAT(entries_, ElementsAre("the first", "another")) << cut;
  }
}

TEST_F(JournalTest, AnyDamagedByteWithAGoodEntryBehindItStopsTheStart) {
  ASSERT_TRUE(open());
  append("the first");
  const uint64_t first = journal_->end().offset;
  append("the last");
  const std::string whole = bytes(1, journal_->end().offset);
  for (uint64_t at = 0; at < first; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    put(1, damaged);
    const auto opened = open();
    ASSERT_FALSE(opened) << at;
    EXPECT_EQ(opened.error().code, base::ErrorCode::kCorrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("is damaged at byte 0"));
  }
}

TEST_F(JournalTest, AMissingFileBetweenOthersStopsTheStart) {
  ASSERT_TRUE(open());
  append("one");
  ASSERT_TRUE(open());
  append("two");
  ASSERT_TRUE(open());
  append("three");
  std::filesystem::remove(path(2));
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("is missing"));
}

TEST_F(JournalTest, AnEntryLargerThanAFileGetsOneOfItsOwn) {
  ASSERT_TRUE(open());
  append("small");
  const std::string large(Journal::kFileBytes + 5, 'l');
  append(large);
  append("small again");
  ASSERT_TRUE(open());
  ASSERT_EQ(entries_.size(), 3u);
  EXPECT_EQ(entries_[0], "small");
  EXPECT_TRUE(entries_[1] == large);
  EXPECT_EQ(entries_[2], "small again");
}

TEST_F(JournalTest, FilesBehindTheSlowestAreRemovedOrUsedAgainAndTheirOldEntriesStayDead) {
  ASSERT_TRUE(open());
  const std::string large(Journal::kFileBytes / 2 + 1, 'x');
  append("old");
  append(large);  // the first file
  for (int file = 2; file <= 5; ++file) append(large);
  EXPECT_EQ(journal_->bytes_on_disk(), 5 * Journal::kFileBytes);
  journal_->drop_before(journal_->end());
  EXPECT_EQ(journal_->bytes_on_disk(), 3 * Journal::kFileBytes);  // this one and two spare ones
  append(large);                                                  // into a spare file
  append("new");
  EXPECT_EQ(journal_->bytes_on_disk(), 3 * Journal::kFileBytes);
  journal_->drop_before(journal_->end());
  ASSERT_TRUE(open());
  ASSERT_EQ(entries_.size(), 2u);
  EXPECT_TRUE(entries_[0] == large);
  EXPECT_EQ(entries_[1], "new");
}

TEST_F(JournalTest, NothingIsDroppedThatIsStillNeeded) {
  ASSERT_TRUE(open());
  append("one");
  const JournalPosition position = journal_->end();
  append("two");
  ASSERT_TRUE(open());
  append("three");
  journal_->drop_before(position);
  ASSERT_TRUE(open(position));
  EXPECT_THAT(entries_, ElementsAre("two", "three"));
}

TEST_F(JournalTest, AVisitorThatFailsEndsTheReplay) {
  ASSERT_TRUE(open());
  append("one");
  auto again = Journal::open(directory_.string());
  ASSERT_TRUE(again);
  const auto replayed = (*again)->replay({}, [](const JournalEntry&) -> base::Result<void> {
    return base::fail(base::ErrorCode::kCorrupt, "no");
  });
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().message, "no");
}

}  // namespace
}  // namespace testmesh::store
