#include "server/task_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace prefixd {
namespace {

TEST(TaskPoolTest, RunsAllThatWasPostedBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    TaskPool pool(3, 100);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(pool.Post([&] { ++ran; }).ok());
    }
  }
  EXPECT_EQ(ran, 100);
}

TEST(TaskPoolTest, RefusesWhatItCannotQueue) {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> ran = 0;
  {
    TaskPool pool(1, 1);
    ASSERT_TRUE(pool.Post([&] {
                      started.set_value();
                      release.get_future().wait();
                    })
                    .ok());
    started.get_future().wait();
    EXPECT_TRUE(pool.Post([&] { ++ran; }).ok());
    EXPECT_EQ(pool.Post([&] { ++ran; }).code(), absl::StatusCode::kResourceExhausted);
    release.set_value();
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace prefixd
