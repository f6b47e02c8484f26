// The scheduler against a random crowd: rows of all shapes come, are cancelled and end, and after
// each call what the scheduler promises is checked against a model of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "scheduler/scheduler.h"

namespace prefixd {
namespace {

struct SimulatedRow {
  RowSpec spec;
  int length = 0;
  int computed = 0;
  bool started = false;
  bool running = false;
};

class Simulation {
 public:
  explicit Simulation(uint32_t seed)
      : random_(seed),
        limits_{.max_rows = Between(1, 12),
                .max_queued_rows = Between(1, 20),
                .step_tokens = Between(1, 40),
                .pages = Between(1, 60),
                .page_size = Between(1, 9)},
        scheduler_(limits_) {}

  // `cancels`: rows are also taken out at random.
  void Run(int arrivals, bool cancels) {
    int steps = 0;
    while (arrivals > 0 || !rows_.empty()) {
      if (arrivals > 0 && Between(0, 2) == 0) {
        Arrive();
        --arrivals;
      }
      if (cancels && !rows_.empty() && Between(0, 9) == 0) RemoveOne();
      Step(cancels);
      if (testing::Test::HasFatalFailure()) return;
      ASSERT_LT(++steps, 1000000) << "a row does not end";
    }
    EXPECT_EQ(scheduler_.free_pages(), limits_.pages);
    EXPECT_EQ(scheduler_.running_rows(), 0);
    EXPECT_EQ(scheduler_.waiting_rows(), 0);
  }

  int preemptions() const { return preemptions_; }

 private:
  int Between(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<uint32_t>(high - low + 1));
  }

  int PagesFor(int tokens) const { return (tokens + limits_.page_size - 1) / limits_.page_size; }

  void Arrive() {
    RowSpec spec;
    spec.id = ++last_id_;
    spec.prompt_tokens = Between(1, 60);
    spec.max_tokens = spec.prompt_tokens + Between(0, 40);
    if (Between(0, 2) == 0) spec.max_chunk = Between(1, 10);
    const auto queued =
        std::ranges::count_if(rows_, [](const auto& r) { return !r.second.started; });
    const absl::StatusCode code = scheduler_.Add(spec).code();
    if (PagesFor(spec.max_tokens) > limits_.pages) {
      EXPECT_EQ(code, absl::StatusCode::kFailedPrecondition);
    } else if (queued >= limits_.max_queued_rows) {
      EXPECT_EQ(code, absl::StatusCode::kResourceExhausted);
    } else {
      EXPECT_EQ(code, absl::StatusCode::kOk);
      rows_[spec.id] = {.spec = spec, .length = spec.prompt_tokens};
    }
  }

  void RemoveOne() {
    const auto row = std::next(rows_.begin(), Between(0, static_cast<int>(rows_.size()) - 1));
    scheduler_.Remove(row->first);
    rows_.erase(row);
  }

  void Step(bool cancels) {
    const StepPlan plan = scheduler_.Plan();
    ASSERT_EQ(plan.rows.empty(), rows_.empty()) << "there is always a row that can go on";
    CheckPreempted(plan);
    CheckRows(plan);
    if (cancels && !rows_.empty() && Between(0, 9) == 0) RemoveOne();
    scheduler_.Commit(plan);
    Advance(plan);
    CheckPages();
  }

  void CheckPreempted(const StepPlan& plan) {
    for (const RowId id : plan.preempted) {
      SimulatedRow& row = rows_.at(id);
      ASSERT_TRUE(row.running);
      for (const auto& [other_id, other] : rows_) {
        ASSERT_TRUE(other_id <= id || !other.running) << "a younger row was running";
      }
      ASSERT_NE(id, rows_.begin()->first) << "the oldest";
      row.running = false;
      row.computed = 0;
    }
    preemptions_ += static_cast<int>(plan.preempted.size());
  }

  void CheckRows(const StepPlan& plan) {
    int tokens = 0;
    RowId last = 0;
    for (const PlannedRow& planned : plan.rows) {
      SimulatedRow& row = rows_.at(planned.id);
      ASSERT_GT(planned.id, last) << "oldest first";
      last = planned.id;
      ASSERT_EQ(planned.first, row.computed);
      ASSERT_GT(planned.tokens, 0);
      ASSERT_LE(planned.first + planned.tokens, row.length);
      ASSERT_EQ(planned.samples, planned.first + planned.tokens == row.length);
      if (row.spec.max_chunk > 0) {
        ASSERT_LE(planned.tokens, row.spec.max_chunk);
      }
      ASSERT_EQ(static_cast<int>(scheduler_.Pages(planned.id).size()),
                PagesFor(planned.first + planned.tokens));
      tokens += planned.tokens;
      ASSERT_TRUE(row.running || plan.preempted.empty());
      row.running = row.started = true;
    }
    ASSERT_LE(tokens, limits_.step_tokens);
    CheckOrder(plan);
  }

  void CheckOrder(const StepPlan& plan) {
    int running = 0;
    bool waiting_seen = false;
    for (const auto& [id, row] : rows_) {
      ASSERT_FALSE(row.running && waiting_seen) << "row " << id << " passed an older one";
      waiting_seen = waiting_seen || !row.running;
      running += row.running ? 1 : 0;
    }
    ASSERT_LE(running, limits_.max_rows);
    ASSERT_EQ(scheduler_.running_rows(), running);
    ASSERT_EQ(scheduler_.waiting_rows(), static_cast<int>(rows_.size()) - running);
    ASSERT_TRUE(rows_.empty() || plan.rows[0].id == rows_.begin()->first) << "the oldest waits";
    CheckDecodingRowsGoOn(plan);
  }

  // A row that only decodes waits only when rows as good as it, or older, fill the step.
  void CheckDecodingRowsGoOn(const StepPlan& plan) {
    std::set<RowId> planned;
    for (const PlannedRow& row : plan.rows) planned.insert(row.id);
    int older = 0;
    for (const auto& [id, row] : rows_) {
      if (!row.running) break;
      ++older;
      if (row.length - row.computed == 1 && older <= limits_.step_tokens) {
        ASSERT_TRUE(planned.contains(id)) << "row " << id << " only decodes and has no token";
      }
    }
  }

  // Rows that have all their tokens leave.
  void Advance(const StepPlan& plan) {
    for (const PlannedRow& planned : plan.rows) {
      const auto found = rows_.find(planned.id);
      if (found == rows_.end()) continue;
      SimulatedRow& row = found->second;
      row.computed += planned.tokens;
      if (!planned.samples) continue;
      row.length = std::min(row.length + 1, row.spec.max_tokens);
      if (row.length == row.spec.max_tokens) {
        scheduler_.Remove(planned.id);
        rows_.erase(found);
      }
    }
  }

  void CheckPages() {
    std::set<int> used;
    for (const auto& [id, row] : rows_) {
      const std::span<const int> pages = scheduler_.Pages(id);
      ASSERT_EQ(static_cast<int>(pages.size()), row.running ? PagesFor(row.computed) : 0);
      for (const int page : pages) {
        ASSERT_GE(page, 0);
        ASSERT_LT(page, limits_.pages);
        ASSERT_TRUE(used.insert(page).second) << "page " << page << " is in two rows";
      }
    }
    ASSERT_EQ(scheduler_.free_pages(), limits_.pages - static_cast<int>(used.size()));
  }

  std::mt19937 random_;
  const SchedulerLimits limits_;
  Scheduler scheduler_;
  std::map<RowId, SimulatedRow> rows_;  // in order of arrival
  RowId last_id_ = 0;
  int preemptions_ = 0;
};

TEST(SchedulerSimulationTest, EveryRowEnds) {
  int preemptions = 0;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Simulation simulation(seed);
    simulation.Run(/*arrivals=*/60, /*cancels=*/false);
    if (HasFatalFailure()) return;
    preemptions += simulation.preemptions();
  }
  EXPECT_GT(preemptions, 100);
}

TEST(SchedulerSimulationTest, CancelledRowsLeaveNothingBehind) {
  int preemptions = 0;
  for (uint32_t seed = 1000; seed < 1400; ++seed) {
    SCOPED_TRACE(seed);
    Simulation simulation(seed);
    simulation.Run(/*arrivals=*/60, /*cancels=*/true);
    if (HasFatalFailure()) return;
    preemptions += simulation.preemptions();
  }
  EXPECT_GT(preemptions, 100);
}

}  // namespace
}  // namespace prefixd
