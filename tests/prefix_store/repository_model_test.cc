// Random operations on a repository and on a model of it: two maps.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/sha256.h"
#include "base/str_cat.h"
#include "tests/prefix_store/repository_contract.h"

namespace prefixd {
namespace {

struct ModelVersion {
  PrefixRecord record;
  std::string bytes;
};

// The contract of PrefixRepository at its simplest.
class ModelRepository {
 public:
  PrefixRecord Create(const NewPrefix& prefix, const std::string& bytes) {
    Task& task = tasks_[Key(prefix.task)];
    const int64_t version = ++task.last_version;
    if (prefix.activate || task.versions.empty()) task.active = version;
    task.versions[version] = {.record = {.name = {.task = prefix.task, .version = version},
                                         .description = prefix.description,
                                         .positions = prefix.positions,
                                         .position_offset = prefix.position_offset,
                                         .model_fingerprint = prefix.model_fingerprint,
                                         .origin = prefix.origin,
                                         .size_bytes = static_cast<int64_t>(bytes.size()),
                                         .sha256 = Sha256Hex(bytes),
                                         .create_time = prefix.create_time},
                              .bytes = bytes};
    return Find({.task = prefix.task, .version = version})->record;
  }

  std::optional<ModelVersion> Find(const VersionName& name) const {
    const auto task = tasks_.find(Key(name.task));
    if (task == tasks_.end()) return std::nullopt;
    const auto found =
        task->second.versions.find(name.version == 0 ? task->second.active : name.version);
    if (found == task->second.versions.end()) return std::nullopt;
    ModelVersion version = found->second;
    version.record.active = found->first == task->second.active;
    return version;
  }

  void Activate(const VersionName& name) { tasks_[Key(name.task)].active = name.version; }

  void Delete(const VersionName& name) {
    Task& task = tasks_[Key(name.task)];
    if (name.version == 0) {
      task.versions.clear();
    } else {
      task.versions.erase(name.version);
    }
  }

  std::vector<PrefixRecord> List(const std::string& user, const std::string& only) const {
    std::vector<PrefixRecord> records;
    for (const auto& [key, task] : tasks_) {
      if (key.first != user || (!only.empty() && key.second != only)) continue;
      for (const auto& [number, version] : task.versions) {
        records.push_back(version.record);
        records.back().active = number == task.active;
      }
    }
    return records;
  }

 private:
  struct Task {
    int64_t last_version = 0;
    int64_t active = 0;
    std::map<int64_t, ModelVersion> versions;
  };
  using TaskKey = std::pair<std::string, std::string>;
  static TaskKey Key(const TaskName& name) { return {name.user, name.task}; }

  std::map<TaskKey, Task> tasks_;
};

// A random walk over both at once.
class RepositoryWalk {
 public:
  using Reopen = std::function<PrefixRepository*()>;

  RepositoryWalk(Reopen reopen, uint32_t seed)
      : reopen_(std::move(reopen)), repository_(reopen_()), random_(seed) {}

  void Step() {
    const int choice = Below(100);
    if (choice < 30) return CreateOne();
    if (choice < 55) return ReadOne();
    if (choice < 70) return ActivateOne();
    if (choice < 85) return DeleteOne();
    if (choice < 97) return ListSome();
    repository_ = reopen_();
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % bound); }
  TaskName AnyTask() {
    return {.user = Below(2) == 0 ? "ada" : "bob", .task = StrCat("task", Below(3))};
  }
  VersionName AnyName() { return {.task = AnyTask(), .version = Below(9)}; }

  void CreateOne() {
    NewPrefix prefix = SampleNewPrefix(AnyTask(), Below(2) == 0);
    prefix.positions = Below(100);
    prefix.description = StrCat("number ", Below(1000));
    const std::string bytes(Below(20'000), static_cast<char>(Below(256)));
    const auto record = repository_->Create(prefix, bytes);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(*record, model_.Create(prefix, bytes));
  }

  void ReadOne() {
    const VersionName name = AnyName();
    const auto expected = model_.Find(name);
    const auto record = repository_->Get(name);
    const auto bytes = repository_->Read(name);
    ASSERT_EQ(record.ok(), expected.has_value()) << record.status();
    ASSERT_EQ(bytes.ok(), expected.has_value()) << bytes.status();
    if (!expected.has_value()) return;
    EXPECT_EQ(*record, expected->record);
    EXPECT_TRUE(*bytes == expected->bytes);
  }

  void ActivateOne() {
    const VersionName name = AnyName();
    if (name.version == 0) return;
    const auto expected = model_.Find(name);
    const auto record = repository_->Activate(name);
    ASSERT_EQ(record.ok(), expected.has_value()) << record.status();
    if (!expected.has_value()) return;
    model_.Activate(name);
    EXPECT_EQ(*record, model_.Find(name)->record);
  }

  void DeleteOne() {
    const VersionName name = AnyName();
    const auto expected = model_.Find(name);
    absl::StatusCode code = absl::StatusCode::kOk;
    if (!expected.has_value()) {
      code = absl::StatusCode::kNotFound;
    } else if (name.version != 0 && expected->record.active) {
      code = absl::StatusCode::kFailedPrecondition;
    }
    ASSERT_EQ(repository_->Delete(name).code(), code) << name.ToString();
    if (code == absl::StatusCode::kOk) model_.Delete(name);
  }

  void ListSome() {
    const TaskName task = AnyTask();
    PrefixRepository::ListOptions options =
        Below(2) == 0 ? Listing(task.user) : Listing(task.user, task.task);
    options.limit = 1 + Below(5);
    std::vector<PrefixRecord> all;
    while (true) {
      const auto page = repository_->List(options);
      ASSERT_TRUE(page.ok()) << page.status();
      all.insert(all.end(), page->begin(), page->end());
      if (static_cast<int>(page->size()) < options.limit) break;
      options.after = page->back().name;
    }
    EXPECT_EQ(all, model_.List(options.user, options.task));
  }

  const Reopen reopen_;
  PrefixRepository* repository_;
  std::mt19937 random_;
  ModelRepository model_;
};

}  // namespace

TEST_P(RepositoryContractTest, DoesWhatTheModelDoes) {
  RepositoryWalk walk(
      [this] {
        Reopen();
        return repository_.get();
      },
      /*seed=*/1);
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    SCOPED_TRACE(StrCat("step ", step));
    walk.Step();
  }
}

}  // namespace prefixd
