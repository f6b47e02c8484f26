#include "model/worker_team.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace prefixd {
namespace {

TEST(WorkerTeamTest, SharesCoverEverythingOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    WorkerTeam team(threads);
    for (const int items : {0, 1, 2, 7, 100}) {
      std::vector<int> visits(items, 0);
      team.Run([&](Worker& worker) {
        const Worker::Range share = worker.Share(items);
        for (int i = share.begin; i < share.end; ++i) ++visits[i];
      });
      EXPECT_EQ(visits, std::vector<int>(items, 1)) << threads << " threads";
    }
  }
}

TEST(WorkerTeamTest, ABarrierShowsWhatAllHaveWritten) {
  constexpr int kRounds = 500;
  for (const int threads : {2, 3}) {
    WorkerTeam team(threads);
    std::vector<int> written(threads, 0);
    std::vector<int> wrong(threads, 0);
    team.Run([&](Worker& worker) {
      for (int round = 1; round <= kRounds; ++round) {
        written[worker.index()] = round;
        worker.Barrier();
        const int sum = std::accumulate(written.begin(), written.end(), 0);
        if (sum != round * threads) ++wrong[worker.index()];
        worker.Barrier();
      }
    });
    EXPECT_EQ(wrong, std::vector<int>(threads, 0));
  }
}

TEST(WorkerTeamTest, RunsManyTimes) {
  WorkerTeam team(2);
  std::vector<int> counts(2, 0);
  for (int i = 0; i < 2000; ++i) team.Run([&](Worker& worker) { ++counts[worker.index()]; });
  EXPECT_EQ(counts, std::vector<int>(2, 2000));
}

}  // namespace
}  // namespace prefixd
