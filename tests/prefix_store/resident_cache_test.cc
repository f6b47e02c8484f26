#include "prefix_store/resident_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace prefixd {
namespace {

VersionName Name(int64_t version) {
  return {.task = {.user = "ada", .task = "support"}, .version = version};
}

// A segment that only counts: itself in `alive` as long as it lives.
class FakeSegment final : public PrefixSegment {
 public:
  FakeSegment(int64_t version, int64_t bytes, std::atomic<int64_t>* alive)
      : version_(version), bytes_(bytes), alive_(alive) {
    *alive_ += bytes_;
  }
  ~FakeSegment() override { *alive_ -= bytes_; }

  int positions() const override { return static_cast<int>(version_); }
  int position_offset() const override { return 0; }
  int64_t bytes() const override { return bytes_; }

 private:
  const int64_t version_;
  const int64_t bytes_;
  std::atomic<int64_t>* const alive_;
};

class ResidentCacheTest : public testing::Test {
 protected:
  // A cache whose versions all take `bytes`, unless `sizes_` says otherwise.
  std::unique_ptr<ResidentCache> NewCache(int64_t budget, int64_t bytes = 10) {
    return std::make_unique<ResidentCache>(
        budget, [this, bytes](const VersionName& name) -> absl::StatusOr<PrefixHandle> {
          ++loads_;
          if (on_load_) on_load_(name);
          if (failing_.load()) return absl::DataLossError("damaged");
          const auto size = sizes_.find(name.version);
          return std::make_shared<FakeSegment>(
              name.version, size == sizes_.end() ? bytes : size->second, &alive_);
        });
  }

  std::map<int64_t, int64_t> sizes_;
  std::function<void(const VersionName&)> on_load_;
  std::atomic<bool> failing_ = false;
  std::atomic<int> loads_ = 0;
  std::atomic<int64_t> alive_ = 0;  // bytes
};

TEST_F(ResidentCacheTest, LoadsAVersionOnce) {
  const auto cache = NewCache(100);
  const auto first = cache->Acquire(Name(1));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->positions(), 1);
  EXPECT_EQ(cache->Acquire(Name(1)).value(), *first);
  EXPECT_NE(cache->Acquire(Name(2)).value(), *first);
  EXPECT_EQ(loads_, 2);
  EXPECT_EQ(cache->stats().prefixes, 2);
  EXPECT_EQ(cache->stats().bytes, 20);
  EXPECT_EQ(cache->Acquire(Name(0)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ResidentCacheTest, EvictsTheLeastRecentlyUsed) {
  const auto cache = NewCache(30);
  for (const int64_t version : {1, 2, 3, 1, 4}) ASSERT_TRUE(cache->Acquire(Name(version)).ok());
  EXPECT_EQ(loads_, 4);
  EXPECT_EQ(alive_, 30);
  for (const int64_t version : {1, 3, 4}) ASSERT_TRUE(cache->Acquire(Name(version)).ok());
  EXPECT_EQ(loads_, 4);  // 2 had gone
  ASSERT_TRUE(cache->Acquire(Name(2)).ok());
  EXPECT_EQ(loads_, 5);
}

TEST_F(ResidentCacheTest, WhatIsPinnedStays) {
  const auto cache = NewCache(30);
  PrefixHandle pinned = cache->Acquire(Name(1)).value();
  for (int64_t version = 2; version < 10; ++version) {
    ASSERT_TRUE(cache->Acquire(Name(version)).ok());
  }
  EXPECT_EQ(cache->Acquire(Name(1)).value(), pinned);
  EXPECT_EQ(loads_, 9);
  EXPECT_EQ(alive_, 30);

  pinned.reset();
  for (int64_t version = 20; version < 23; ++version) {
    ASSERT_TRUE(cache->Acquire(Name(version)).ok());
  }
  ASSERT_TRUE(cache->Acquire(Name(1)).ok());
  EXPECT_EQ(loads_, 13);
}

TEST_F(ResidentCacheTest, RefusesWhatDoesNotFitBesideThePinned) {
  const auto cache = NewCache(30);
  sizes_ = {{8, 31}, {9, 25}};
  std::vector<PrefixHandle> pinned = {cache->Acquire(Name(1)).value()};
  ASSERT_TRUE(cache->Acquire(Name(2)).ok());
  EXPECT_EQ(cache->Acquire(Name(9)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(cache->stats().prefixes, 2);  // nothing was evicted in vain
  EXPECT_EQ(alive_, 20);

  pinned.clear();
  EXPECT_TRUE(cache->Acquire(Name(9)).ok());
  EXPECT_EQ(cache->Acquire(Name(8)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(cache->stats().bytes, 25);
}

TEST_F(ResidentCacheTest, DoesNotRememberFailures) {
  const auto cache = NewCache(30);
  failing_ = true;
  EXPECT_EQ(cache->Acquire(Name(1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(cache->stats().prefixes, 0);
  failing_ = false;
  EXPECT_TRUE(cache->Acquire(Name(1)).ok());
  EXPECT_EQ(loads_, 2);
}

TEST_F(ResidentCacheTest, ADroppedVersionIsFreedWithItsLastHandle) {
  const auto cache = NewCache(30);
  PrefixHandle handle = cache->Acquire(Name(1)).value();
  ASSERT_TRUE(cache->Acquire(Name(2)).ok());
  cache->Drop(Name(1));
  cache->Drop(Name(2));
  cache->Drop(Name(3));  // was never there
  EXPECT_EQ(alive_, 10);
  EXPECT_EQ(handle->positions(), 1);
  EXPECT_EQ(cache->stats().prefixes, 0);
  EXPECT_EQ(cache->stats().bytes, 10);  // still costs

  sizes_ = {{4, 25}};
  EXPECT_EQ(cache->Acquire(Name(4)).status().code(), absl::StatusCode::kResourceExhausted);
  handle.reset();
  EXPECT_EQ(alive_, 0);
  EXPECT_TRUE(cache->Acquire(Name(4)).ok());
  EXPECT_EQ(cache->stats().bytes, 25);
}

TEST_F(ResidentCacheTest, ADropDuringALoadLeavesNothingResident) {
  const auto cache = NewCache(30);
  on_load_ = [&](const VersionName& name) { cache->Drop(name); };
  PrefixHandle handle = cache->Acquire(Name(1)).value();
  EXPECT_EQ(handle->positions(), 1);
  EXPECT_EQ(cache->stats().prefixes, 0);
  EXPECT_EQ(cache->stats().bytes, 10);
  handle.reset();
  EXPECT_EQ(cache->stats().bytes, 0);
  on_load_ = nullptr;
  EXPECT_TRUE(cache->Acquire(Name(1)).ok());
  EXPECT_EQ(loads_, 2);
}

TEST_F(ResidentCacheTest, CallersAtOnceLoadOnce) {
  constexpr int kThreads = 8;
  const auto cache = NewCache(100);
  std::vector<PrefixHandle> handles(kThreads);
  std::vector<std::thread> threads;
  // The first load starts the others: they find it under way, or its result.
  on_load_ = [&](const VersionName& name) {
    for (int i = 1; i < kThreads; ++i) {
      threads.emplace_back([&, i, name] { handles[i] = cache->Acquire(name).value(); });
    }
  };
  handles[0] = cache->Acquire(Name(1)).value();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads_, 1);
  EXPECT_EQ(std::count(handles.begin(), handles.end(), handles[0]), kThreads);
}

// A plain list of versions, most recently used first, against the cache, at random.
TEST_F(ResidentCacheTest, DoesWhatAPlainListDoes) {
  constexpr int64_t kBudget = 100;
  std::mt19937 random(1);
  for (int64_t version = 1; version <= 20; ++version) sizes_[version] = 1 + random() % 40;
  const auto cache = NewCache(kBudget);
  std::list<int64_t> resident;
  std::map<int64_t, std::vector<PrefixHandle>> pins;
  std::vector<std::pair<int64_t, PrefixHandle>> orphans;

  const auto is_pinned = [&](int64_t version) { return !pins[version].empty(); };
  const auto used = [&](bool pinned_only) {
    int64_t bytes = 0;
    for (const int64_t version : resident) {
      if (!pinned_only || is_pinned(version)) bytes += sizes_[version];
    }
    std::vector<const PrefixSegment*> counted;
    for (const auto& [version, handle] : orphans) {
      if (std::count(counted.begin(), counted.end(), handle.get()) != 0) continue;
      counted.push_back(handle.get());
      bytes += sizes_[version];
    }
    return bytes;
  };
  // Whether the version can be had; what has to go for it goes.
  const auto acquire = [&](int64_t version) {
    const auto found = std::find(resident.begin(), resident.end(), version);
    if (found != resident.end()) {
      resident.splice(resident.begin(), resident, found);
      return true;
    }
    if (used(/*pinned_only=*/true) + sizes_[version] > kBudget) return false;
    while (used(false) + sizes_[version] > kBudget) {
      const auto oldest = std::find_if_not(resident.rbegin(), resident.rend(),
                                           [&](int64_t v) { return is_pinned(v); });
      resident.erase(std::next(oldest).base());
    }
    resident.push_front(version);
    return true;
  };

  for (int step = 0; step < 5000; ++step) {
    const int64_t version = 1 + random() % 20;
    const int choice = random() % 10;
    if (choice < 6) {
      auto handle = cache->Acquire(Name(version));
      ASSERT_EQ(handle.ok(), acquire(version)) << "step " << step << ": " << handle.status();
      if (handle.ok() && choice < 3) pins[version].push_back(*std::move(handle));
    } else if (choice < 8) {
      if (is_pinned(version)) pins[version].pop_back();
    } else if (choice < 9) {
      cache->Drop(Name(version));
      const bool was_resident = std::erase(resident, version) != 0;
      for (PrefixHandle& handle : pins[version]) {
        ASSERT_TRUE(was_resident);
        orphans.emplace_back(version, std::move(handle));
      }
      pins[version].clear();
    } else if (!orphans.empty()) {
      orphans.erase(orphans.begin() + random() % orphans.size());
    }
    ASSERT_EQ(cache->stats().prefixes, static_cast<int>(resident.size())) << "step " << step;
    ASSERT_EQ(cache->stats().bytes, used(false)) << "step " << step;
    ASSERT_EQ(alive_, used(false)) << "step " << step;
  }
}

TEST_F(ResidentCacheTest, KeepsItsBudgetUnderManyThreads) {
  constexpr int kThreads = 4;
  constexpr int64_t kBudget = 60;
  const auto cache = NewCache(kBudget);
  std::atomic<int> refused = 0;
  std::atomic<bool> over_budget = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(i);
      std::vector<PrefixHandle> held;
      for (int step = 0; step < 2000; ++step) {
        const int64_t version = 1 + random() % 12;
        auto handle = cache->Acquire(Name(version));
        if (handle.ok()) {
          EXPECT_EQ((*handle)->positions(), version);
          held.push_back(*std::move(handle));
        } else {
          EXPECT_EQ(handle.status().code(), absl::StatusCode::kResourceExhausted);
          ++refused;
        }
        if (random() % 16 == 0) cache->Drop(Name(version));
        if (held.size() > 2 || random() % 2 == 0) held.clear();
        if (cache->stats().bytes > kBudget) over_budget = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(over_budget);
  EXPECT_LE(alive_, kBudget);
  EXPECT_EQ(cache->stats().bytes, alive_);
  EXPECT_LT(refused, kThreads * 2000);
}

}  // namespace
}  // namespace prefixd
