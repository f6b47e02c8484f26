// Invariants between calls
// - Each page is free or in exactly one row; only running rows have pages.
// - Every running row arrived before every waiting one: rows are admitted in order of arrival, and
//   the one that is preempted is always the youngest running. So a preempted row's old place in
//   line is the front.
// - After Commit a row's pages are exactly those that its computed tokens need.
#include "scheduler/scheduler.h"

#include <algorithm>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace prefixd {

Scheduler::Scheduler(const SchedulerLimits& limits) : limits_(limits) {
  for (int page = limits_.pages - 1; page >= 0; --page) free_pages_.push_back(page);
}

absl::Status Scheduler::Add(const RowSpec& spec) {
  if (spec.prompt_tokens < 1 || spec.max_tokens < spec.prompt_tokens || spec.max_chunk < 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "row %d: a prompt of %d tokens, at most %d tokens, chunks of %d: the prompt must have a "
        "token and fit in the limit, and the chunk must not be negative",
        spec.id, spec.prompt_tokens, spec.max_tokens, spec.max_chunk));
  }
  if (spec.id <= last_id_) {
    return absl::InvalidArgumentError(
        absl::StrFormat("row %d came after row %d: ids must ascend", spec.id, last_id_));
  }
  if (PagesFor(spec.max_tokens) > limits_.pages) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the request may grow to %d tokens, and the cache holds %d: shorten the prompt or ask for "
        "fewer new tokens",
        spec.max_tokens, int64_t{limits_.pages} * limits_.page_size));
  }
  if (QueuedRows() >= limits_.max_queued_rows) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "%d requests are waiting already: try again later", limits_.max_queued_rows));
  }
  last_id_ = spec.id;
  rows_[spec.id] = Row{.spec = spec, .length = spec.prompt_tokens};
  waiting_.push_back(spec.id);
  return absl::OkStatus();
}

StepPlan Scheduler::Plan() {
  StepPlan plan;
  int budget = limits_.step_tokens;
  PlanRunning(budget, plan);
  // Who has just lost pages must not find the cache taken by somebody younger.
  if (plan.preempted.empty()) Admit(budget, plan);
  return plan;
}

// Every running row gets its tokens, oldest first. A prompt's chunk leaves one token for each
// younger row that only decodes, so that a long prompt does not stop the answers behind it, but is
// at least one token, so that they do not stop the prompt either.
void Scheduler::PlanRunning(int& budget, StepPlan& plan) {
  for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
    Row& row = rows_.at(running_[i]);
    const auto younger_decoding =
        std::ranges::count_if(std::span(running_).subspan(i + 1),
                              [this](RowId id) { return MissingTokens(rows_.at(id)) == 1; });
    const int share = std::max(1, budget - static_cast<int>(younger_decoding));
    const int tokens = ChunkOf(row, share);
    const int pages = PagesFor(row.computed + tokens) - static_cast<int>(row.pages.size());
    while (pages > free_pages() && i < running_.size()) PreemptYoungest(plan);
    if (i == running_.size()) return;  // it was the youngest itself
    PlanRow(row, tokens, plan);
    budget -= tokens;
  }
}

// Lets waiting rows in, in order of arrival: nobody passes a row that does not fit yet.
void Scheduler::Admit(int& budget, StepPlan& plan) {
  int promised = 0;  // pages that running rows still need for the tokens they already have
  for (const RowId id : running_) promised += MissingPages(rows_.at(id));

  while (!waiting_.empty() && running_rows() < limits_.max_rows && budget > 0) {
    Row& row = rows_.at(waiting_.front());
    // One page more, or the row's first new tokens might already cost somebody's pages. Alone it
    // has nobody to disturb, and Add made sure that it fits.
    const int headroom = running_.empty() ? 0 : 1;
    if (MissingPages(row) + headroom > free_pages() - promised) return;
    running_.push_back(row.spec.id);
    waiting_.pop_front();
    row.started = true;
    const int tokens = ChunkOf(row, budget);
    PlanRow(row, tokens, plan);
    budget -= tokens;
    promised += MissingPages(row);
  }
}

void Scheduler::PlanRow(Row& row, int tokens, StepPlan& plan) {
  if (tokens == 0) return;
  const int end = row.computed + tokens;
  while (static_cast<int>(row.pages.size()) < PagesFor(end)) {
    row.pages.push_back(free_pages_.back());
    free_pages_.pop_back();
  }
  plan.rows.push_back(
      {.id = row.spec.id, .first = row.computed, .tokens = tokens, .samples = end == row.length});
}

void Scheduler::PreemptYoungest(StepPlan& plan) {
  const RowId id = running_.back();
  running_.pop_back();
  waiting_.push_front(id);
  Row& row = rows_.at(id);
  FreePages(row);
  row.computed = 0;
  plan.preempted.push_back(id);
}

void Scheduler::Commit(const StepPlan& plan) {
  for (const PlannedRow& planned : plan.rows) {
    const auto found = rows_.find(planned.id);
    if (found == rows_.end()) continue;
    Row& row = found->second;
    row.computed = planned.first + planned.tokens;
    if (!planned.samples) continue;
    row.length = std::min(row.length + 1, row.spec.max_tokens);
    row.complete = row.length == row.spec.max_tokens;
  }
}

void Scheduler::Remove(RowId id) {
  const auto found = rows_.find(id);
  if (found == rows_.end()) return;
  FreePages(found->second);
  rows_.erase(found);
  std::erase(running_, id);
  std::erase(waiting_, id);
}

std::span<const int> Scheduler::Pages(RowId id) const {
  const auto found = rows_.find(id);
  if (found == rows_.end()) return {};
  return found->second.pages;
}

int Scheduler::running_rows() const { return static_cast<int>(running_.size()); }

int Scheduler::waiting_rows() const { return static_cast<int>(waiting_.size()); }

int Scheduler::free_pages() const { return static_cast<int>(free_pages_.size()); }

int Scheduler::QueuedRows() const {
  return static_cast<int>(
      std::ranges::count_if(waiting_, [this](RowId id) { return !rows_.at(id).started; }));
}

int Scheduler::PagesFor(int tokens) const {
  return tokens / limits_.page_size + (tokens % limits_.page_size != 0 ? 1 : 0);
}

// A complete row's last token, if it was generated, needs no step: nothing follows it.
int Scheduler::MissingTokens(const Row& row) {
  return row.complete ? 0 : row.length - row.computed;
}

int Scheduler::MissingPages(const Row& row) const {
  return PagesFor(row.computed + MissingTokens(row)) - static_cast<int>(row.pages.size());
}

int Scheduler::ChunkOf(const Row& row, int budget) {
  const int tokens = std::min(MissingTokens(row), budget);
  return row.spec.max_chunk > 0 ? std::min(tokens, row.spec.max_chunk) : tokens;
}

void Scheduler::FreePages(Row& row) {
  free_pages_.insert(free_pages_.end(), row.pages.rbegin(), row.pages.rend());
  row.pages.clear();
}

}  // namespace prefixd
