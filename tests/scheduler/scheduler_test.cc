#include "scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

MATCHER_P4(Planned, id, first, tokens, samples, "") {
  return arg.id == id && arg.first == first && arg.tokens == tokens && arg.samples == samples;
}

StepPlan Step(Scheduler& scheduler) {
  StepPlan plan = scheduler.Plan();
  scheduler.Commit(plan);
  return plan;
}

class SchedulerTest : public testing::Test {
 protected:
  SchedulerLimits limits_ = {
      .max_rows = 4, .max_queued_rows = 4, .step_tokens = 16, .pages = 20, .page_size = 4};
};

TEST_F(SchedulerTest, RunsAPromptInChunksThenOneTokenAStep) {
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 20, .max_tokens = 22}).ok());
  EXPECT_EQ(scheduler.waiting_rows(), 1);
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 0, 16, false)));
  EXPECT_EQ(scheduler.running_rows(), 1);
  EXPECT_THAT(scheduler.Pages(1), SizeIs(4));
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 16, 4, true)));
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 20, 1, true)));
  EXPECT_THAT(scheduler.Pages(1), SizeIs(6));
  // It has all its tokens; whoever owns it takes it out.
  EXPECT_THAT(Step(scheduler).rows, IsEmpty());
  scheduler.Remove(1);
  EXPECT_EQ(scheduler.free_pages(), 20);
  EXPECT_EQ(scheduler.running_rows(), 0);
}

TEST_F(SchedulerTest, APromptAloneSamplesAndKeepsItsPagesUntilItIsRemoved) {
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 5}).ok());
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 0, 5, true)));
  EXPECT_THAT(Step(scheduler).rows, IsEmpty());
  EXPECT_THAT(scheduler.Pages(1), SizeIs(2));
}

TEST_F(SchedulerTest, HonoursARowsOwnChunk) {
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 9, .max_chunk = 2}).ok());
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 0, 2, false)));
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 2, 2, false)));
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 4, 1, true)));
}

TEST_F(SchedulerTest, RefusesWhatIsWrongOrCanNeverFit) {
  Scheduler scheduler(limits_);
  EXPECT_EQ(scheduler.Add({.id = 1, .prompt_tokens = 0, .max_tokens = 4}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 4}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 81}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(scheduler.waiting_rows(), 0);
  EXPECT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 80}).ok());
  EXPECT_EQ(scheduler.Add({.id = 1, .prompt_tokens = 5, .max_tokens = 6}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SchedulerTest, TheQueueIsBounded) {
  Scheduler scheduler(limits_);
  for (RowId id = 1; id <= 4; ++id) {
    ASSERT_TRUE(scheduler.Add({.id = id, .prompt_tokens = 1, .max_tokens = 2}).ok());
  }
  const RowSpec late = {.id = 5, .prompt_tokens = 1, .max_tokens = 2};
  EXPECT_EQ(scheduler.Add(late).code(), absl::StatusCode::kResourceExhausted);
  Step(scheduler);
  EXPECT_TRUE(scheduler.Add(late).ok());
}

TEST_F(SchedulerTest, RowsEnterInTheOrderOfArrivalUpToTheLimits) {
  Scheduler scheduler(limits_);
  for (RowId id = 1; id <= 4; ++id) {
    ASSERT_TRUE(scheduler.Add({.id = id, .prompt_tokens = 6, .max_tokens = 9}).ok());
  }
  EXPECT_THAT(Step(scheduler).rows,
              ElementsAre(Planned(1, 0, 6, true), Planned(2, 0, 6, true), Planned(3, 0, 4, false)));
  ASSERT_TRUE(scheduler.Add({.id = 5, .prompt_tokens = 6, .max_tokens = 9}).ok());
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 6, 1, true), Planned(2, 6, 1, true),
                                                Planned(3, 4, 2, true), Planned(4, 0, 6, true)));
  EXPECT_EQ(scheduler.waiting_rows(), 1);  // five rows are one too many
  scheduler.Remove(2);
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 7, 1, true), Planned(3, 6, 1, true),
                                                Planned(4, 6, 1, true), Planned(5, 0, 6, true)));
}

TEST_F(SchedulerTest, ALongPromptLeavesATokenForEachYoungerRowThatDecodes) {
  limits_.pages = 100;
  Scheduler scheduler(limits_);
  ASSERT_TRUE(
      scheduler.Add({.id = 1, .prompt_tokens = 90, .max_tokens = 91, .max_chunk = 14}).ok());
  ASSERT_TRUE(scheduler.Add({.id = 2, .prompt_tokens = 1, .max_tokens = 50}).ok());
  ASSERT_TRUE(scheduler.Add({.id = 3, .prompt_tokens = 1, .max_tokens = 50}).ok());
  ASSERT_TRUE(scheduler.Add({.id = 4, .prompt_tokens = 50, .max_tokens = 51}).ok());
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 0, 14, false), Planned(2, 0, 1, true),
                                                Planned(3, 0, 1, true)));
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 14, 14, false), Planned(2, 1, 1, true),
                                                Planned(3, 1, 1, true)));
}

TEST_F(SchedulerTest, RowsThatDecodeDoNotStopAnOlderPrompt) {
  limits_.step_tokens = 2;
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 9, .max_tokens = 10, .max_chunk = 1}).ok());
  ASSERT_TRUE(scheduler.Add({.id = 2, .prompt_tokens = 1, .max_tokens = 9}).ok());
  Step(scheduler);
  scheduler.Remove(2);
  ASSERT_TRUE(scheduler.Add({.id = 3, .prompt_tokens = 1, .max_tokens = 9}).ok());
  for (int first = 1; first < 9; ++first) {
    EXPECT_THAT(Step(scheduler).rows,
                ElementsAre(Planned(1, first, 1, first == 8), Planned(3, first - 1, 1, true)));
  }
}

TEST_F(SchedulerTest, TheYoungestRowGivesItsPagesBackAndReturnsToItsPlace) {
  limits_.pages = 6;
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 7, .max_tokens = 20}).ok());
  ASSERT_TRUE(scheduler.Add({.id = 2, .prompt_tokens = 7, .max_tokens = 20}).ok());
  EXPECT_THAT(Step(scheduler).rows, SizeIs(2));
  ASSERT_TRUE(scheduler.Add({.id = 3, .prompt_tokens = 1, .max_tokens = 2}).ok());
  Step(scheduler);  // 8 tokens each; row 3 has one page and one of headroom
  EXPECT_THAT(scheduler.Pages(3), SizeIs(1));
  scheduler.Remove(3);
  Step(scheduler);  // 9 tokens each: three pages each
  EXPECT_EQ(scheduler.free_pages(), 0);
  Step(scheduler);
  Step(scheduler);
  ASSERT_TRUE(scheduler.Add({.id = 4, .prompt_tokens = 1, .max_tokens = 2}).ok());
  Step(scheduler);  // 12 tokens each
  const StepPlan plan = scheduler.Plan();
  EXPECT_THAT(plan.preempted, ElementsAre(2));
  EXPECT_THAT(plan.rows, ElementsAre(Planned(1, 12, 1, true)));
  EXPECT_THAT(scheduler.Pages(2), IsEmpty());
  scheduler.Commit(plan);
  // Row 2 needs four pages for its 13 tokens, so row 4 behind it waits too.
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(1, 13, 1, true)));
  EXPECT_EQ(scheduler.waiting_rows(), 2);
  scheduler.Remove(1);
  EXPECT_THAT(Step(scheduler).rows, ElementsAre(Planned(2, 0, 13, true), Planned(4, 0, 1, true)));
}

TEST_F(SchedulerTest, ARowRemovedWhileItsStepRunsStaysRemoved) {
  Scheduler scheduler(limits_);
  ASSERT_TRUE(scheduler.Add({.id = 1, .prompt_tokens = 3, .max_tokens = 9}).ok());
  const StepPlan plan = scheduler.Plan();
  scheduler.Remove(1);
  scheduler.Commit(plan);
  scheduler.Remove(1);
  EXPECT_EQ(scheduler.free_pages(), 20);
  EXPECT_THAT(scheduler.Pages(1), IsEmpty());
  EXPECT_THAT(Step(scheduler).rows, IsEmpty());
}

}  // namespace
}  // namespace prefixd
