#include "prefix_store/sqlite_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "prefix_store/sqlite.h"
#include "tests/base/temp_directory.h"
#include "tests/prefix_store/repository_contract.h"

namespace prefixd {
namespace {

using ::testing::HasSubstr;

const TaskName kTask = {.user = "ada", .task = "support"};

class SqlitePlace final : public RepositoryPlace {
 public:
  absl::StatusOr<std::unique_ptr<PrefixRepository>> Open() override {
    return OpenSqliteRepository(directory_.File("store.db"));
  }

 private:
  const TempDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoryContractTest,
                         testing::Values([] { return std::make_unique<SqlitePlace>(); }));

class SqliteRepositoryTest : public testing::Test {
 protected:
  void Open(const SqliteOptions& options = {}) {
    repository_.reset();
    auto opened = OpenSqliteRepository(path_, options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    repository_ = *std::move(opened);
  }

  // Changes the file behind the repository's back.
  void Tamper(const std::string& sql) {
    auto connection = SqliteConnection::Open(path_);
    ASSERT_TRUE(connection.ok()) << connection.status();
    const absl::Status done = connection->RunScript(sql.c_str());
    ASSERT_TRUE(done.ok()) << done;
  }

  absl::StatusOr<PrefixRecord> Create(const std::string& bytes) {
    return repository_->Create(SampleNewPrefix(kTask), bytes);
  }
  absl::StatusCode ReadCode(int64_t version) {
    return repository_->Read({.task = kTask, .version = version}).status().code();
  }
  absl::StatusCode GetCode(int64_t version) {
    return repository_->Get({.task = kTask, .version = version}).status().code();
  }
  std::vector<int64_t> Versions(int limit = 100) {
    PrefixRepository::ListOptions options = Listing("ada");
    options.limit = limit;
    const auto records = repository_->List(options);
    EXPECT_TRUE(records.ok()) << records.status();
    std::vector<int64_t> versions;
    for (const PrefixRecord& record : records.value()) {
      versions.push_back(record.name.version);
    }
    return versions;
  }

  const TempDirectory directory_;
  const std::string path_ = directory_.File("store.db");
  std::unique_ptr<PrefixRepository> repository_;
};

TEST_F(SqliteRepositoryTest, BelongsToOneOwner) {
  Open();
  const absl::Status second = OpenSqliteRepository(path_).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable) << second;
  Open();  // closes the first
  EXPECT_TRUE(Create("x").ok());
}

TEST_F(SqliteRepositoryTest, OnlyTheOwnerOfTheFilesMayReadThem) {
  Open();
  ASSERT_TRUE(Create("x").ok());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat info = {};
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);  // the file, its log and the lock
}

TEST_F(SqliteRepositoryTest, RefusesWhatIsNotItsFile) {
  const auto code = [&] { return OpenSqliteRepository(path_).status().code(); };
  EXPECT_EQ(OpenSqliteRepository("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenSqliteRepository(":memory:").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenSqliteRepository(directory_.File("missing/store.db")).status().code(),
            absl::StatusCode::kNotFound);

  std::ofstream(path_) << std::string(5000, 'x');
  EXPECT_EQ(code(), absl::StatusCode::kFailedPrecondition);

  std::filesystem::remove(path_);
  std::ofstream(path_) << "";
  Tamper("CREATE TABLE recipes (name TEXT)");
  EXPECT_EQ(code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SqliteRepositoryTest, RefusesANewerSchema) {
  Open();
  ASSERT_TRUE(Create("x").ok());
  repository_.reset();
  Tamper("PRAGMA user_version = 1000");
  const absl::Status newer = OpenSqliteRepository(path_).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(ToStd(newer.message())), HasSubstr("newer prefixd"));
  Tamper("PRAGMA user_version = 1");
  Open();
  EXPECT_EQ(repository_->Read({.task = kTask}).value(), "x");
}

TEST_F(SqliteRepositoryTest, AFullStoreChangesNothing) {
  Open({.max_bytes = 400'000});
  ASSERT_TRUE(Create("first").ok());
  const absl::Status full = Create(std::string(1'000'000, 'x')).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_EQ(Versions(), std::vector<int64_t>{1});
  EXPECT_EQ(repository_->Read({.task = kTask}).value(), "first");

  // Fill it to the brim; what was acknowledged stays, and deleting makes room.
  int64_t last = 1;
  while (true) {
    const auto record = Create(std::string(50'000, 'y'));
    if (!record.ok()) break;
    ASSERT_EQ(record->name.version, ++last);
  }
  Open({.max_bytes = 400'000});
  EXPECT_EQ(Versions().back(), last);
  EXPECT_EQ(Create(std::string(50'000, 'y')).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(repository_->Delete({.task = kTask, .version = 2}).ok());
  const auto next = Create(std::string(50'000, 'y'));
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->name.version, last + 1);
}

// Writes beyond the limit fail with EFBIG, which SQLite takes for a disk that fails.
TEST_F(SqliteRepositoryTest, AFailingDiskChangesNothing) {
  Open();
  ASSERT_TRUE(Create("first").ok());
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {.rlim_cur = 300'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status failed = Create(std::string(1'000'000, 'x')).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal) << failed;
  EXPECT_EQ(Versions(), std::vector<int64_t>{1});
  EXPECT_EQ(Create("second").value().name.version, 2);
  Open();
  EXPECT_EQ(Versions(), (std::vector<int64_t>{1, 2}));
}

TEST_F(SqliteRepositoryTest, RefusesMoreThanSqliteTakes) {
  Open();
  constexpr size_t kSize = 1'000'000'001;  // never touched, so it costs no memory
  void* const address =
      mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(address, MAP_FAILED);
  const absl::Status status =
      repository_->Create(SampleNewPrefix(kTask), {static_cast<const char*>(address), kSize})
          .status();
  munmap(address, kSize);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ToStd(status.message())), HasSubstr("1000000001 bytes"));
}

TEST_F(SqliteRepositoryTest, DamageStaysWithItsVersion) {
  Open();
  for (const char* bytes : {"one", "two", "three", "four", "five"}) ASSERT_TRUE(Create(bytes).ok());
  Tamper(
      "UPDATE version_bytes SET bytes = x'00' WHERE version_id = 1;"
      "DELETE FROM version_bytes WHERE version_id = 2;"
      "UPDATE versions SET origin = 'nowhere' WHERE version = 3;"
      "UPDATE versions SET sha256 = 'ab' WHERE version = 4;");
  for (const int64_t damaged : {1, 2, 4}) {
    EXPECT_EQ(ReadCode(damaged), absl::StatusCode::kDataLoss) << damaged;
  }
  EXPECT_EQ(repository_->Read({.task = kTask, .version = 5}).value(), "five");

  EXPECT_EQ(GetCode(1), absl::StatusCode::kOk);
  EXPECT_EQ(GetCode(3), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetCode(4), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Versions(), (std::vector<int64_t>{1, 2, 5}));
  EXPECT_EQ(Versions(/*limit=*/3), (std::vector<int64_t>{1, 2, 5}));

  EXPECT_EQ(repository_->Activate({.task = kTask, .version = 3}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(repository_->Get({.task = kTask}).value().name.version, 5);
  for (const int64_t damaged : {1, 2, 3, 4}) {
    EXPECT_TRUE(repository_->Delete({.task = kTask, .version = damaged}).ok());
  }
}

TEST_F(SqliteRepositoryTest, DeletedBytesLeaveTheFile) {
  Open();
  ASSERT_TRUE(Create("one").ok());
  ASSERT_TRUE(repository_->Delete({.task = kTask}).ok());
  auto connection = SqliteConnection::Open(path_);
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ(connection->QueryInteger("SELECT count(*) FROM version_bytes").value(), 0);
  EXPECT_EQ(connection->QueryInteger("SELECT count(*) FROM versions").value(), 0);
}

// Somebody holds the writers' lock for as long as he likes; readers go on.
TEST_F(SqliteRepositoryTest, ReadersDoNotWaitForAWriter) {
  Open();
  ASSERT_TRUE(Create("one").ok());
  auto other = SqliteConnection::Open(path_);
  ASSERT_TRUE(other.ok());
  auto transaction = SqliteTransaction::Begin(&*other);
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  ASSERT_TRUE(other->Run("UPDATE tasks SET active_version = NULL").ok());
  EXPECT_EQ(repository_->Read({.task = kTask}).value(), "one");
  EXPECT_EQ(Versions(), std::vector<int64_t>{1});
}

// The child writes a byte for every version that was acknowledged, until it is killed.
TEST_F(SqliteRepositoryTest, WhatWasAcknowledgedSurvivesAKill) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    auto repository = OpenSqliteRepository(path_);
    while (repository.ok()) {
      if (!(*repository)->Create(SampleNewPrefix(kTask), std::string(30'000, 'x')).ok()) break;
      if (write(ends[1], "x", 1) != 1) break;
    }
    _exit(1);
  }
  close(ends[1]);
  size_t acknowledged = 0;
  char byte = 0;
  while (acknowledged < 20 && read(ends[0], &byte, 1) == 1) ++acknowledged;
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  while (read(ends[0], &byte, 1) == 1) ++acknowledged;
  close(ends[0]);

  Open();
  ASSERT_GE(acknowledged, 20U);
  const std::vector<int64_t> versions = Versions(/*limit=*/100'000);
  EXPECT_GE(versions.size(), acknowledged);
  EXPECT_LE(versions.size(), acknowledged + 1);  // one may have been cut off before its byte
  for (const int64_t version : versions) EXPECT_EQ(ReadCode(version), absl::StatusCode::kOk);
}

}  // namespace
}  // namespace prefixd
