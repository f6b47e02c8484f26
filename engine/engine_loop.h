// The engine behind its public face: mail from any thread, and the loop of the engine thread.
//
// Other threads only leave mail under the mutex; rows, pages and the model belong to the engine
// thread, which reads the mail between two steps.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/rate_meter.h"
#include "engine/sequence.h"

namespace prefixd {

class EngineLoop {
 public:
  // Checked options. Engine tells what must outlive it.
  EngineLoop(const Model* model, const Tokenizer* tokenizer, const EngineOptions& options,
             Engine::Clock clock);

  // Makes the runner. RESOURCE_EXHAUSTED when its memory cannot be had.
  absl::Status Init();

  // The engine thread: steps until Stop.
  void Run();

  // For any thread; Engine has the contracts.
  absl::StatusOr<RowId> Submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);
  void Cancel(RowId id);
  void Drain(absl::Time deadline);
  void Stop();
  EngineStats stats();

 private:
  // A request from Submit to its end.
  struct Active {
    Active(GenerationRequest request, const EngineLoop& loop,
           std::shared_ptr<GenerationSink> output);

    RowId id = 0;
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
  void UpdateRows() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const Model& model_;
  const Tokenizer& tokenizer_;
  const EngineOptions options_;
  const Engine::Clock clock_;

  // The engine thread's.
  WorkerTeam team_;
  std::unique_ptr<ModelRunner> runner_;
  Scheduler scheduler_;
  std::map<RowId, std::unique_ptr<Active>> active_;
  std::vector<RowInput> inputs_;
  std::vector<size_t> logit_rows_;  // where each planned row's logits begin
  std::vector<GenerationOutput> outputs_;

  Mutex mutex_;
  CondVar mail_;   // something for the engine thread to look at
  CondVar ended_;  // a request has ended
  std::vector<std::unique_ptr<Active>> submitted_ ABSL_GUARDED_BY(mutex_);
  std::vector<RowId> cancelled_ ABSL_GUARDED_BY(mutex_);
  absl::Status stop_reason_ ABSL_GUARDED_BY(mutex_);  // not OK: ends every request
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RowId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;    // submitted and not ended
  int queued_ ABSL_GUARDED_BY(mutex_) = 0;  // of these, without a step so far
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);
  RateMeter rate_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace prefixd
