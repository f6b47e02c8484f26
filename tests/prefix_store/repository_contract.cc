#include "tests/prefix_store/repository_contract.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/sha256.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TaskName kSupport = {.user = "ada", .task = "support"};
const TaskName kPoems = {.user = "ada", .task = "poems"};

std::vector<std::string> Names(const absl::StatusOr<std::vector<PrefixRecord>>& records) {
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<std::string> names;
  for (const PrefixRecord& record : records.value()) names.push_back(record.name.ToString());
  return names;
}

absl::StatusCode CodeOf(const absl::Status& status) { return status.code(); }

}  // namespace

PrefixRepository::ListOptions Listing(const std::string& user, const std::string& task) {
  PrefixRepository::ListOptions options;
  options.user = user;
  options.task = task;
  return options;
}

NewPrefix SampleNewPrefix(const TaskName& task, bool activate) {
  return {.task = task,
          .description = std::string("it's \"x\" \xC3\xA4\0;--\n", 16),
          .positions = 20,
          .position_offset = 7,
          .model_fingerprint = std::string(64, 'a'),
          .origin = PrefixOrigin::kCaptured,
          .activate = activate,
          .create_time = absl::FromUnixMicros(1'700'000'000'123'456)};
}

PrefixRecord RepositoryContractTest::Create(const TaskName& task, const std::string& bytes,
                                            bool activate) {
  auto record = repository_->Create(SampleNewPrefix(task, activate), bytes);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.value_or(PrefixRecord());
}

TEST_P(RepositoryContractTest, KeepsWhatItWasGiven) {
  NewPrefix prefix = SampleNewPrefix(kSupport);
  prefix.create_time += absl::Nanoseconds(789);
  const auto created = repository_->Create(prefix, "bytes");
  ASSERT_TRUE(created.ok()) << created.status();
  const PrefixRecord expected = {.name = {.task = kSupport, .version = 1},
                                 .active = true,
                                 .description = prefix.description,
                                 .positions = 20,
                                 .position_offset = 7,
                                 .model_fingerprint = std::string(64, 'a'),
                                 .origin = PrefixOrigin::kCaptured,
                                 .size_bytes = 5,
                                 .sha256 = Sha256Hex("bytes"),
                                 .create_time = SampleNewPrefix(kSupport).create_time};
  EXPECT_EQ(*created, expected);
  Reopen();
  EXPECT_EQ(repository_->Get(expected.name).value(), expected);
}

TEST_P(RepositoryContractTest, KeepsTheBytes) {
  std::string large(3'000'000, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 24);
  const std::vector<std::string> contents = {"", std::string("\0a\0", 3), large};
  for (const std::string& bytes : contents) Create(kSupport, bytes);
  Reopen();
  for (size_t i = 0; i < contents.size(); ++i) {
    const auto read = repository_->Read({.task = kSupport, .version = static_cast<int64_t>(i) + 1});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == contents[i]);
  }
  EXPECT_TRUE(repository_->Read({.task = kSupport}).value() == large);  // the active one
}

TEST_P(RepositoryContractTest, CountsTheVersionsOfEachTask) {
  EXPECT_EQ(Create(kSupport, "a").name.version, 1);
  EXPECT_EQ(Create(kSupport, "b").name.version, 2);
  EXPECT_EQ(Create(kPoems, "c").name.version, 1);
  EXPECT_EQ(Create({.user = "bob", .task = "support"}, "d").name.version, 1);
  EXPECT_EQ(Create(kSupport, "e").name.version, 3);
}

TEST_P(RepositoryContractTest, OneVersionIsActive) {
  EXPECT_TRUE(Create(kSupport, "1", /*activate=*/false).active);  // the first, all the same
  EXPECT_TRUE(Create(kSupport, "2").active);
  EXPECT_FALSE(Create(kSupport, "3", /*activate=*/false).active);
  EXPECT_EQ(repository_->Get({.task = kSupport}).value().name.version, 2);
  EXPECT_FALSE(repository_->Get({.task = kSupport, .version = 1}).value().active);

  const auto activated = repository_->Activate({.task = kSupport, .version = 1});
  ASSERT_TRUE(activated.ok()) << activated.status();
  EXPECT_TRUE(activated->active);
  Reopen();
  EXPECT_EQ(repository_->Get({.task = kSupport}).value(), *activated);
  EXPECT_FALSE(repository_->Get({.task = kSupport, .version = 2}).value().active);
  EXPECT_EQ(repository_->Read({.task = kSupport}).value(), "1");
  EXPECT_EQ(Create(kPoems, "other").name.version, 1);
  EXPECT_EQ(repository_->Get({.task = kSupport}).value().name.version, 1);
}

TEST_P(RepositoryContractTest, WhatIsNotThereIsNotFound) {
  Create(kSupport, "1");
  const VersionName missing[] = {{.task = kSupport, .version = 2},
                                 {.task = kPoems},
                                 {.task = kPoems, .version = 1},
                                 {.task = {.user = "bob", .task = "support"}, .version = 1}};
  for (const VersionName& name : missing) {
    EXPECT_EQ(CodeOf(repository_->Get(name).status()), absl::StatusCode::kNotFound);
    EXPECT_EQ(CodeOf(repository_->Read(name).status()), absl::StatusCode::kNotFound);
    EXPECT_EQ(CodeOf(repository_->Delete(name)), absl::StatusCode::kNotFound);
    if (name.version == 0) continue;
    EXPECT_EQ(CodeOf(repository_->Activate(name).status()), absl::StatusCode::kNotFound);
  }
  EXPECT_EQ(CodeOf(repository_->Activate({.task = kSupport}).status()),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Names(repository_->List(Listing("ada"))),
              ElementsAre("users/ada/tasks/support/versions/1"));
}

TEST_P(RepositoryContractTest, RefusesWhatIsNoTask) {
  for (const TaskName& task :
       {TaskName{.user = "ada", .task = ""}, TaskName{.user = "", .task = "support"},
        TaskName{.user = "ada", .task = "a/b"}}) {
    EXPECT_EQ(CodeOf(repository_->Create(SampleNewPrefix(task), "x").status()),
              absl::StatusCode::kInvalidArgument);
  }
  NewPrefix negative = SampleNewPrefix(kSupport);
  negative.positions = -1;
  EXPECT_EQ(CodeOf(repository_->Create(negative, "x").status()),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Names(repository_->List(Listing("ada"))), IsEmpty());
}

TEST_P(RepositoryContractTest, ListsInOrder) {
  for (int i = 0; i < 11; ++i) Create(kSupport, "s");
  Create({.user = "ada", .task = "Zoo"}, "z");
  Create({.user = "ada2", .task = "poems"}, "other user");
  Create(kPoems, "p");

  const std::vector<std::string> all = Names(repository_->List(Listing("ada")));
  ASSERT_EQ(all.size(), 13U);
  EXPECT_EQ(all[0], "users/ada/tasks/Zoo/versions/1");  // by the bytes of the name
  EXPECT_EQ(all[1], "users/ada/tasks/poems/versions/1");
  EXPECT_EQ(all[3], "users/ada/tasks/support/versions/2");
  EXPECT_EQ(all[11], "users/ada/tasks/support/versions/10");  // by number, not by digits
  EXPECT_EQ(all[12], "users/ada/tasks/support/versions/11");

  EXPECT_EQ(Names(repository_->List(Listing("ada", "support"))),
            std::vector<std::string>(all.begin() + 2, all.end()));
  EXPECT_THAT(Names(repository_->List(Listing("ada", "supp"))), IsEmpty());
  EXPECT_THAT(Names(repository_->List(Listing("nobody"))), IsEmpty());
  const auto records = repository_->List(Listing("ada", "support")).value();
  EXPECT_FALSE(records[9].active);
  EXPECT_TRUE(records[10].active);
}

TEST_P(RepositoryContractTest, ListsInPages) {
  for (int i = 0; i < 4; ++i) Create(kSupport, "s");
  for (int i = 0; i < 3; ++i) Create(kPoems, "p");
  const std::vector<std::string> all = Names(repository_->List(Listing("ada")));
  for (int limit = 1; limit <= 8; ++limit) {
    std::vector<std::string> paged;
    PrefixRepository::ListOptions options = Listing("ada");
    options.limit = limit;
    while (true) {
      const auto page = repository_->List(options);
      for (const std::string& name : Names(page)) paged.push_back(name);
      if (page->size() < static_cast<size_t>(limit)) break;
      options.after = page->back().name;
    }
    EXPECT_EQ(paged, all) << limit;
  }
  // The place of a version that is gone is still a place.
  const VersionName gone = {.task = kSupport, .version = 2};
  ASSERT_TRUE(repository_->Delete(gone).ok());
  PrefixRepository::ListOptions after_gone = Listing("ada");
  after_gone.after = gone;
  after_gone.limit = 1;
  EXPECT_THAT(Names(repository_->List(after_gone)),
              ElementsAre("users/ada/tasks/support/versions/3"));
}

TEST_P(RepositoryContractTest, DeletesVersions) {
  for (const char* bytes : {"1", "2", "3"}) Create(kSupport, bytes);
  const absl::Status active = repository_->Delete({.task = kSupport, .version = 3});
  EXPECT_EQ(active.code(), absl::StatusCode::kFailedPrecondition) << active;

  EXPECT_TRUE(repository_->Delete({.task = kSupport, .version = 1}).ok());
  EXPECT_EQ(CodeOf(repository_->Read({.task = kSupport, .version = 1}).status()),
            absl::StatusCode::kNotFound);
  Reopen();
  EXPECT_THAT(
      Names(repository_->List(Listing("ada"))),
      ElementsAre("users/ada/tasks/support/versions/2", "users/ada/tasks/support/versions/3"));
  EXPECT_EQ(repository_->Read({.task = kSupport, .version = 2}).value(), "2");
}

TEST_P(RepositoryContractTest, NeverUsesANumberAgain) {
  Create(kSupport, "1");
  Create(kSupport, "2", /*activate=*/false);
  EXPECT_TRUE(repository_->Delete({.task = kSupport, .version = 2}).ok());
  EXPECT_EQ(Create(kSupport, "3", /*activate=*/false).name.version, 3);
  EXPECT_TRUE(repository_->Delete({.task = kSupport, .version = 3}).ok());
  Reopen();
  EXPECT_EQ(Create(kSupport, "4").name.version, 4);

  EXPECT_TRUE(repository_->Delete({.task = kSupport}).ok());
  EXPECT_THAT(Names(repository_->List(Listing("ada"))), IsEmpty());
  EXPECT_EQ(CodeOf(repository_->Delete({.task = kSupport})), absl::StatusCode::kNotFound);
  Reopen();
  const PrefixRecord next = Create(kSupport, "5", /*activate=*/false);
  EXPECT_EQ(next.name.version, 5);
  EXPECT_TRUE(next.active);
}

TEST_P(RepositoryContractTest, DeletingATaskLeavesTheOthers) {
  Create(kSupport, "s");
  Create(kPoems, "p");
  Create({.user = "bob", .task = "support"}, "b");
  EXPECT_TRUE(repository_->Delete({.task = kSupport}).ok());
  EXPECT_EQ(repository_->Read({.task = kPoems}).value(), "p");
  EXPECT_EQ(repository_->Read({.task = {.user = "bob", .task = "support"}}).value(), "b");
}

TEST_P(RepositoryContractTest, ServesSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kVersions = 10;
  Mutex mutex;
  std::set<int64_t> numbers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kVersions; ++j) {
        const std::string bytes = StrCat(i, " ", j);
        const auto record = repository_->Create(SampleNewPrefix(kSupport), bytes);
        ASSERT_TRUE(record.ok()) << record.status();
        EXPECT_EQ(repository_->Read(record->name).value(), bytes);
        EXPECT_TRUE(repository_->Get({.task = kSupport}).ok());
        EXPECT_TRUE(repository_->List(Listing("ada")).ok());
        MutexLock lock(&mutex);
        numbers.insert(record->name.version);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(numbers.size(), size_t{kThreads * kVersions});
  EXPECT_EQ(*numbers.rbegin(), kThreads * kVersions);
}

}  // namespace prefixd
