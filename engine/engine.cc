#include "engine/engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "engine/rate_meter.h"
#include "engine/sequence.h"

namespace prefixd {
namespace {

absl::Status CheckEngineOptions(const EngineOptions& options) {
  const auto check = [](std::string_view name, int value) {
    return value > 0 ? absl::OkStatus()
                     : absl::InvalidArgumentError(StrCat(name, " must be positive, got ", value));
  };
  PREFIXD_RETURN_IF_ERROR(check("threads", options.threads));
  PREFIXD_RETURN_IF_ERROR(check("max_rows", options.max_rows));
  PREFIXD_RETURN_IF_ERROR(check("max_queued_rows", options.max_queued_rows));
  PREFIXD_RETURN_IF_ERROR(check("step_tokens", options.step_tokens));
  PREFIXD_RETURN_IF_ERROR(check("pages of the KV cache", options.pages));
  if (options.step_tokens < options.max_rows) {
    return absl::InvalidArgumentError(StrCat("step_tokens (", options.step_tokens,
                                             ") must be at least max_rows (", options.max_rows,
                                             "), so that every row can go on in every step"));
  }
  return absl::OkStatus();
}

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

}  // namespace

class Engine::Loop {
 public:
  Loop(const Model* model, const Tokenizer* tokenizer, const EngineOptions& options, Clock clock)
      : model_(*model),
        tokenizer_(*tokenizer),
        options_(options),
        clock_(std::move(clock)),
        team_(options.threads),
        scheduler_(ToSchedulerLimits(options)) {
    stats_.total_pages = stats_.free_pages = options.pages;
  }

  absl::Status Init() {
    const RunnerOptions runner_options{
        .pages = options_.pages,
        .max_step_tokens = options_.step_tokens,
        .max_step_logits = options_.step_tokens,
    };
    PREFIXD_ASSIGN_OR_RETURN(runner_, model_.NewRunner(runner_options, &team_));
    return absl::OkStatus();
  }

  // The engine thread.
  void Run() {
    while (TakeMail()) Step();
  }

  // For any thread.
  absl::StatusOr<RequestId> Submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);
  void Cancel(RequestId id);
  void Drain(absl::Time deadline);
  void Stop();
  EngineStats stats();

 private:
  struct Active {
    Active(GenerationRequest request, const Loop& loop, std::shared_ptr<GenerationSink> output,
           absl::Time now)
        : sequence(std::move(request), loop.model_.config(), &loop.tokenizer_),
          sink(std::move(output)),
          submit_time(now) {}

    RequestId id = 0;
    Sequence sequence;
    const std::shared_ptr<GenerationSink> sink;
    const absl::Time submit_time;
    absl::Time start_time = absl::InfiniteFuture();  // of its first step
    absl::Time first_token_time = absl::InfiniteFuture();
  };

  bool TakeMail();
  void Admit(std::unique_ptr<Active> active);
  void EndExpired();
  void Step();
  absl::StatusOr<std::span<const float>> RunModel(const StepPlan& plan);
  void Sample(const StepPlan& plan, std::span<const float> logits);
  void Publish(const StepPlan& plan);
  void Finish(Active& active, const absl::Status& status);
  GenerationSummary Summarize(const Active& active) const;

  // Constant after construction.
  const Model& model_;
  const Tokenizer& tokenizer_;
  const EngineOptions options_;
  const Clock clock_;

  // The engine thread's.
  WorkerTeam team_;
  std::unique_ptr<ModelRunner> runner_;
  Scheduler scheduler_;
  std::map<RequestId, std::unique_ptr<Active>> active_;
  std::vector<RowInput> inputs_;
  std::vector<size_t> logit_rows_;  // where each planned row's logits begin
  std::vector<GenerationOutput> outputs_;

  Mutex mutex_;
  CondVar mail_;   // something for the engine thread to look at
  CondVar ended_;  // a request has ended
  std::vector<std::unique_ptr<Active>> submitted_ ABSL_GUARDED_BY(mutex_);
  std::vector<RequestId> cancelled_ ABSL_GUARDED_BY(mutex_);
  absl::Status stop_reason_ ABSL_GUARDED_BY(mutex_);  // not OK: ends every request
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RequestId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;    // submitted and not ended
  int queued_ ABSL_GUARDED_BY(mutex_) = 0;  // of these, without a step so far
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);
  RateMeter rate_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<Engine::RequestId> Engine::Loop::Submit(GenerationRequest request,
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
  auto active = std::make_unique<Active>(std::move(request), *this, std::move(sink), clock_());

  const MutexLock lock(&mutex_);
  if (draining_ || stopping_) {
    return absl::UnavailableError("the server is shutting down: send the request elsewhere");
  }
  if (queued_ >= options_.max_queued_rows) {
    return absl::ResourceExhaustedError(
        StrCat(queued_, " requests are in line, which is the limit: try again later"));
  }
  const RequestId id = ++last_id_;
  active->id = id;
  submitted_.push_back(std::move(active));
  ++open_;
  ++queued_;
  mail_.Signal();
  return id;
}

void Engine::Loop::Cancel(RequestId id) {
  const MutexLock lock(&mutex_);
  cancelled_.push_back(id);
  mail_.Signal();
}

void Engine::Loop::Drain(absl::Time deadline) {
  const MutexLock lock(&mutex_);
  draining_ = true;
  while (open_ > 0) {
    const absl::Duration left = deadline - clock_();
    if (left <= absl::ZeroDuration()) break;
    ended_.WaitWithTimeout(&mutex_, left);
  }
  stop_reason_ = absl::UnavailableError("the server is shutting down");
  mail_.Signal();
  while (open_ > 0) ended_.Wait(&mutex_);
}

void Engine::Loop::Stop() {
  const MutexLock lock(&mutex_);
  stopping_ = true;
  stop_reason_ = absl::UnavailableError("the server is shutting down");
  mail_.Signal();
}

EngineStats Engine::Loop::stats() {
  const absl::Time now = clock_();
  const MutexLock lock(&mutex_);
  EngineStats stats = stats_;
  stats.waiting_rows = std::max(stats.waiting_rows, queued_);
  stats.tokens_per_second = rate_.PerSecond(now);
  return stats;
}

// Waits for work. Returns false when the engine shall end.
bool Engine::Loop::TakeMail() {
  std::vector<std::unique_ptr<Active>> submitted;
  std::vector<RequestId> cancelled;
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
  for (const RequestId id : cancelled) {
    if (const auto it = active_.find(id); it != active_.end()) {
      Finish(*it->second, absl::CancelledError("the request was cancelled"));
    }
  }
  while (!stop_reason.ok() && !active_.empty()) Finish(*active_.begin()->second, stop_reason);
  EndExpired();
  return !stopping;
}

void Engine::Loop::Admit(std::unique_ptr<Active> active) {
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

void Engine::Loop::EndExpired() {
  const absl::Time now = clock_();
  for (auto it = active_.begin(); it != active_.end();) {
    Active& active = *it++->second;
    if (now >= active.sequence.request().deadline) {
      Finish(active, absl::DeadlineExceededError("the request's deadline has passed"));
    }
  }
}

void Engine::Loop::Step() {
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

absl::StatusOr<std::span<const float>> Engine::Loop::RunModel(const StepPlan& plan) {
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
    stats_.running_rows = scheduler_.running_rows();
    stats_.waiting_rows = scheduler_.waiting_rows();
    stats_.preemptions += static_cast<int64_t>(plan.preempted.size());
  }
  return runner_->Forward(inputs_);
}

// Rows are independent of each other, so the workers share them.
void Engine::Loop::Sample(const StepPlan& plan, std::span<const float> logits) {
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

void Engine::Loop::Publish(const StepPlan& plan) {
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
  stats_.running_rows = scheduler_.running_rows();
  stats_.free_pages = scheduler_.free_pages();
  rate_.Add(now, new_tokens);
}

void Engine::Loop::Finish(Active& active, const absl::Status& status) {
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
    stats_.running_rows = scheduler_.running_rows();
    stats_.waiting_rows = scheduler_.waiting_rows();
    stats_.free_pages = scheduler_.free_pages();
    ended_.SignalAll();
  }
  sink->OnDone(status, std::move(summary));
}

GenerationSummary Engine::Loop::Summarize(const Active& active) const {
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

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(const Model* model,
                                                      const Tokenizer* tokenizer,
                                                      const EngineOptions& options, Clock clock) {
  PREFIXD_RETURN_IF_ERROR(CheckEngineOptions(options));
  auto loop = std::make_unique<Loop>(model, tokenizer, options, std::move(clock));
  PREFIXD_RETURN_IF_ERROR(loop->Init());
  return std::unique_ptr<Engine>(new Engine(std::move(loop)));
}

Engine::Engine(std::unique_ptr<Loop> loop)
    : loop_(std::move(loop)), thread_([this] { loop_->Run(); }) {}

Engine::~Engine() {
  loop_->Stop();
  thread_.join();
}

absl::StatusOr<Engine::RequestId> Engine::Submit(GenerationRequest request,
                                                 std::shared_ptr<GenerationSink> sink) {
  return loop_->Submit(std::move(request), std::move(sink));
}

void Engine::Cancel(RequestId id) { loop_->Cancel(id); }

void Engine::Drain(absl::Time deadline) { loop_->Drain(deadline); }

EngineStats Engine::stats() const { return loop_->stats(); }

}  // namespace prefixd
