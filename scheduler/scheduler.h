// What runs next: rows, tokens and cache pages. Pure logic on plain data.
//
// Continuous batching (Yu et al. 2022, "Orca") with chunked prompts over a paged KV cache (Kwon et
// al. 2023, arXiv 2309.06180). A row is a request that was admitted. In each step every running row
// gets one token if it decodes and a chunk of what is missing if it does not, oldest first, within
// the step's budget of tokens. When pages run out, the youngest row gives all its pages back and
// waits at its old place in line; what it had computed is computed again later.
//
// Nobody starves: rows enter in the order of their arrival, the oldest row is never preempted, and
// a row that could never fit is refused at once.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

namespace prefixd {

using RowId = int64_t;

// All positive; whoever makes them checks that.
struct SchedulerLimits {
  int max_rows = 32;          // rows in the batch at once
  int max_queued_rows = 256;  // rows that wait for their first step
  int step_tokens = 128;      // tokens of one step: bounds how long others wait for a long prompt
  int pages = 0;              // pages of the KV cache
  int page_size = 16;         // tokens a page
};

// What the scheduler needs to know of a request.
struct RowSpec {
  RowId id = 0;           // ascending in the order of arrival
  int prompt_tokens = 0;  // at least 1
  int max_tokens = 0;     // prompt and all that may be generated
  int max_chunk = 0;      // most tokens of this row in one step; 0: no limit but the step's
};

// One row's part in a step.
struct PlannedRow {
  RowId id = 0;
  int first = 0;   // the index of the first token to run; all before are in the row's pages
  int tokens = 0;  // how many to run
  // True when the last token of the row is among them, so that its logits give the next token.
  bool samples = false;
};

struct StepPlan {
  std::vector<PlannedRow> rows;  // oldest first
  std::vector<RowId> preempted;  // rows that lost their pages to make this plan
};

// Not thread-safe: the engine thread owns it.
class Scheduler {
 public:
  explicit Scheduler(const SchedulerLimits& limits);

  // Puts a row in line. RESOURCE_EXHAUSTED when the queue is full (try again later);
  // FAILED_PRECONDITION when `max_tokens` could never fit in all pages together.
  absl::Status Add(const RowSpec& spec);

  // Decides the next step and gives its rows their pages. An empty plan: nothing to do. Each
  // non-empty plan must be committed before the next is asked for.
  StepPlan Plan();

  // The plan has run: its tokens are in the pages, and each row that samples has one token more
  // (unless it has been removed meanwhile).
  void Commit(const StepPlan& plan);

  // Takes a row out, wherever it is, and frees its pages. Unknown ids are ignored.
  void Remove(RowId id);

  // The pages of a running row, in order; empty for others. Valid until the next change.
  std::span<const int> Pages(RowId id) const;

  const SchedulerLimits& limits() const { return limits_; }
  int running_rows() const;
  int waiting_rows() const;  // preempted rows included
  int free_pages() const;

 private:
  struct Row {
    RowSpec spec;
    int length = 0;         // tokens known: the prompt and what was generated
    int computed = 0;       // tokens in pages
    bool started = false;   // had a first step
    bool complete = false;  // has all its tokens: nothing is left to run
    std::vector<int> pages = {};
  };

  void PlanRunning(int& budget, StepPlan& plan);
  void Admit(int& budget, StepPlan& plan);
  void PlanRow(Row& row, int tokens, StepPlan& plan);
  void PreemptYoungest(StepPlan& plan);
  void FreePages(Row& row);

  int QueuedRows() const;  // those that wait for their first step
  int PagesFor(int tokens) const;
  int MissingPages(const Row& row) const;
  static int MissingTokens(const Row& row);
  static int ChunkOf(const Row& row, int budget);

  const SchedulerLimits limits_;
  absl::flat_hash_map<RowId, Row> rows_;
  std::deque<RowId> waiting_;   // in order of arrival
  std::vector<RowId> running_;  // in order of arrival
  std::vector<int> free_pages_;
  RowId last_id_ = std::numeric_limits<RowId>::min();
};

}  // namespace prefixd
