#include "engine/engine_loop.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

SchedulerLimits ToSchedulerLimits(const EngineOptions& options) {
  return {
      .max_rows = options.max_rows,
      // Submit bounds the line; preempted rows come on top.
      .max_queued_rows = options.max_queued_rows + options.max_rows,
      .step_tokens = options.step_tokens,
      .pages = options.pages,
      .page_size = kPageSize,
  };
}

absl::Status ShuttingDown() {
  return absl::UnavailableError("the server is shutting down: send the request elsewhere");
}

}  // namespace

EngineLoop::EngineLoop(const Model* model, const Tokenizer* tokenizer, const EngineOptions& options,
                       Engine::Clock clock)
    : model_(*model),
      tokenizer_(*tokenizer),
      options_(options),
      clock_(std::move(clock)),
      team_(options.threads),
      scheduler_(ToSchedulerLimits(options)) {
  stats_.total_pages = stats_.free_pages = options.pages;
}

EngineLoop::Active::Active(GenerationRequest request, const EngineLoop& loop,
                           std::shared_ptr<GenerationSink> output)
    : sequence(std::move(request), loop.model_.config(), &loop.tokenizer_),
      sink(std::move(output)),
      submit_time(loop.clock_()) {}

absl::Status EngineLoop::Init() {
  const RunnerOptions runner_options{
      .pages = options_.pages,
      .max_step_tokens = options_.step_tokens,
      .max_step_logits = options_.step_tokens,
  };
  PREFIXD_ASSIGN_OR_RETURN(runner_, model_.NewRunner(runner_options, &team_));
  return absl::OkStatus();
}

void EngineLoop::Run() {
  while (TakeMail()) Step();
}

absl::StatusOr<RowId> EngineLoop::Submit(GenerationRequest request,
                                         std::shared_ptr<GenerationSink> sink) {
  PREFIXD_RETURN_IF_ERROR(CheckGenerationRequest(request, model_.config()));
  const int64_t tokens = static_cast<int64_t>(request.prompt.size()) + request.max_new_tokens;
  if (tokens > int64_t{options_.pages} * kPageSize) {
    return absl::FailedPreconditionError(
        StrCat("prompt and new tokens need room for ", tokens, " tokens, but the KV cache holds ",
               int64_t{options_.pages} * kPageSize,
               ": shorten the request, or start the server with more --kv-memory"));
  }
  // Made here, so that its work is not the engine thread's.
  auto active = std::make_unique<Active>(std::move(request), *this, std::move(sink));

  const MutexLock lock(&mutex_);
  if (draining_ || stopping_) {
    return ShuttingDown();
  }
  if (queued_ >= options_.max_queued_rows) {
    return absl::ResourceExhaustedError(
        StrCat(queued_, " requests are in line, which is the limit: try again later"));
  }
  const RowId id = ++last_id_;
  active->id = id;
  submitted_.push_back(std::move(active));
  ++open_;
  ++queued_;
  mail_.Signal();
  return id;
}

void EngineLoop::Cancel(RowId id) {
  const MutexLock lock(&mutex_);
  cancelled_.push_back(id);
  mail_.Signal();
}

void EngineLoop::Drain(absl::Time deadline) {
  const MutexLock lock(&mutex_);
  draining_ = true;
  while (open_ > 0) {
    const absl::Duration left = deadline - clock_();
    if (left <= absl::ZeroDuration()) break;
    ended_.WaitWithTimeout(&mutex_, left);
  }
  stop_reason_ = ShuttingDown();
  mail_.Signal();
  while (open_ > 0) ended_.Wait(&mutex_);
}

void EngineLoop::Stop() {
  const MutexLock lock(&mutex_);
  stopping_ = true;
  stop_reason_ = ShuttingDown();
  mail_.Signal();
}

EngineStats EngineLoop::stats() {
  const absl::Time now = clock_();
  const MutexLock lock(&mutex_);
  EngineStats stats = stats_;
  stats.waiting_rows = std::max(stats.waiting_rows, queued_);
  stats.tokens_per_second = rate_.PerSecond(now);
  return stats;
}

// Waits for work. Returns false when the engine shall end.
bool EngineLoop::TakeMail() {
  std::vector<std::unique_ptr<Active>> submitted;
  std::vector<RowId> cancelled;
  absl::Status stop_reason;
  bool stopping = false;
  {
    const MutexLock lock(&mutex_);
    while (active_.empty() && submitted_.empty() && !stopping_) {
      cancelled_.clear();
      mail_.Wait(&mutex_);
    }
    submitted.swap(submitted_);
    cancelled.swap(cancelled_);
    stop_reason = stop_reason_;
    stopping = stopping_;
  }
  for (std::unique_ptr<Active>& active : submitted) Admit(std::move(active));
  for (const RowId id : cancelled) {
    if (const auto it = active_.find(id); it != active_.end()) {
      Finish(*it->second, absl::CancelledError("the request was cancelled"));
    }
  }
  while (!stop_reason.ok() && !active_.empty()) Finish(*active_.begin()->second, stop_reason);
  EndExpired();
  return !stopping;
}

void EngineLoop::Admit(std::unique_ptr<Active> active) {
  const Sequence& sequence = active->sequence;
  const absl::Status status = scheduler_.Add({
      .id = active->id,
      .prompt_tokens = static_cast<int>(sequence.request().prompt.size()),
      .max_tokens = sequence.max_tokens(),
      .max_chunk = sequence.request().max_chunk,
  });
  Active& admitted = *active;
  active_.emplace(admitted.id, std::move(active));
  if (!status.ok()) Finish(admitted, status);
}

void EngineLoop::EndExpired() {
  const absl::Time now = clock_();
  for (auto it = active_.begin(); it != active_.end();) {
    Active& active = *it++->second;
    if (now >= active.sequence.request().deadline) {
      Finish(active, absl::DeadlineExceededError("the request's deadline has passed"));
    }
  }
}

void EngineLoop::Step() {
  const StepPlan plan = scheduler_.Plan();
  if (plan.rows.empty()) return;
  const absl::StatusOr<std::span<const float>> logits = RunModel(plan);
  if (!logits.ok()) {
    for (const PlannedRow& row : plan.rows) Finish(*active_.at(row.id), logits.status());
    return;
  }
  Sample(plan, *logits);
  scheduler_.Commit(plan);
  Publish(plan);
}

absl::StatusOr<std::span<const float>> EngineLoop::RunModel(const StepPlan& plan) {
  const absl::Time now = clock_();
  int started = 0;
  size_t logits = 0;
  inputs_.clear();
  logit_rows_.clear();
  for (const PlannedRow& row : plan.rows) {
    Active& active = *active_.at(row.id);
    if (active.start_time == absl::InfiniteFuture()) {
      active.start_time = now;
      ++started;
    }
    const Sequence& sequence = active.sequence;
    inputs_.push_back({
        .tokens = sequence.tokens().subspan(row.first, row.tokens),
        .cached = row.first,
        .prefixes = sequence.prefixes(),
        .pages = scheduler_.Pages(row.id),
        .logits = sequence.LogitsWanted(row.first, row.tokens, row.samples),
    });
    logit_rows_.push_back(logits);
    logits += inputs_.back().logits;
  }
  {
    const MutexLock lock(&mutex_);
    queued_ -= started;
    UpdateRows();
    stats_.preemptions += static_cast<int64_t>(plan.preempted.size());
  }
  return runner_->Forward(inputs_);
}

// Rows are independent of each other, so the workers share them.
void EngineLoop::Sample(const StepPlan& plan, std::span<const float> logits) {
  const size_t vocabulary = model_.config().vocabulary;
  outputs_.assign(plan.rows.size(), {});
  team_.Run([&](Worker& worker) {
    const Worker::Range share = worker.Share(static_cast<int>(plan.rows.size()));
    for (int i = share.begin; i < share.end; ++i) {
      const PlannedRow& row = plan.rows[i];
      const std::span<const float> own =
          logits.subspan(logit_rows_[i] * vocabulary, inputs_[i].logits * vocabulary);
      outputs_[i] = active_.at(row.id)->sequence.Advance(row.first, row.tokens, row.samples, own);
    }
  });
}

void EngineLoop::Publish(const StepPlan& plan) {
  const absl::Time now = clock_();
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const PlannedRow& row = plan.rows[i];
    Active& active = *active_.at(row.id);
    GenerationOutput& output = outputs_[i];
    const auto sampled = static_cast<int64_t>(output.token_ids.size());
    new_tokens += sampled;
    const auto prompt = static_cast<int>(active.sequence.request().prompt.size());
    prompt_tokens += std::max(0, std::min(prompt, row.first + row.tokens) - row.first);
    if (sampled > 0) active.first_token_time = std::min(active.first_token_time, now);
    if (sampled > 0 || !output.prompt_log_probs.empty()) {
      active.sink->OnOutput(std::move(output));
    }
    if (active.sequence.finished()) Finish(active, absl::OkStatus());
  }
  const MutexLock lock(&mutex_);
  ++stats_.steps;
  stats_.prompt_tokens += prompt_tokens;
  stats_.new_tokens += new_tokens;
  UpdateRows();
  rate_.Add(now, new_tokens);
}

void EngineLoop::Finish(Active& active, const absl::Status& status) {
  GenerationSummary summary = Summarize(active);
  const GenerationRequest& request = active.sequence.request();
  if (status.ok() && request.capture) {
    const int positions = static_cast<int>(request.prompt.size());
    summary.captured = runner_->ReadPages(scheduler_.Pages(active.id), positions, positions);
  }
  const bool started = active.start_time != absl::InfiniteFuture();
  const std::shared_ptr<GenerationSink> sink = active.sink;
  scheduler_.Remove(active.id);
  active_.erase(active.id);
  {
    const MutexLock lock(&mutex_);
    --open_;
    if (!started) --queued_;
    UpdateRows();
    ended_.SignalAll();
  }
  sink->OnDone(status, std::move(summary));
}

void EngineLoop::UpdateRows() {
  stats_.running_rows = scheduler_.running_rows();
  stats_.waiting_rows = scheduler_.waiting_rows();
  stats_.free_pages = scheduler_.free_pages();
}

GenerationSummary EngineLoop::Summarize(const Active& active) const {
  const absl::Time now = clock_();
  GenerationSummary summary;
  summary.reason = active.sequence.finished().value_or(FinishReason::kLength);
  summary.prompt_tokens = static_cast<int>(active.sequence.request().prompt.size());
  summary.new_tokens = active.sequence.new_tokens();
  summary.queue_time = std::min(active.start_time, now) - active.submit_time;
  summary.first_token_time = std::min(active.first_token_time, now) - active.submit_time;
  summary.total_time = now - active.submit_time;
  return summary;
}

}  // namespace prefixd
