// The step loop: plan, run, sample, commit. One thread owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/generation.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "scheduler/scheduler.h"

namespace prefixd {

struct EngineOptions {
  int threads = 1;    // workers of a forward pass, the engine thread among them
  int max_rows = 32;  // rows in the batch at once; more cost each other time
  int max_queued_rows = 256;
  int step_tokens = 128;  // tokens of one step; more: faster prompts, longer pauses for others
  int pages = 0;          // of the KV cache, kPageSize positions each
};

// What the engine is doing, for status and metrics.
struct EngineStats {
  int running_rows = 0;
  int waiting_rows = 0;
  int total_pages = 0;
  int free_pages = 0;
  int64_t steps = 0;
  int64_t new_tokens = 0;     // generated since the start
  int64_t prompt_tokens = 0;  // run since the start, recomputation included
  int64_t preemptions = 0;
  double tokens_per_second = 0.0;  // generated, over the last seconds
};

class EngineLoop;

// Thread-safe.
class Engine {
 public:
  using Clock = absl::AnyInvocable<absl::Time() const>;

  // Starts the engine thread. `model` and `tokenizer` must outlive the engine. `clock` tells the
  // time (called on several threads).
  static absl::StatusOr<std::unique_ptr<Engine>> Start(const Model* model,
                                                       const Tokenizer* tokenizer,
                                                       const EngineOptions& options, Clock clock);

  // Cancels what is running and joins the thread.
  ~Engine();

  using RequestId = RowId;

  // Hands a request in. On success `sink` gets pieces and exactly one OnDone, perhaps before this
  // returns. Otherwise `sink` is never called: INVALID_ARGUMENT for bad parameters,
  // FAILED_PRECONDITION when prompt, prefixes and max_new_tokens can never fit (positions or
  // pages), RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE after Drain.
  absl::StatusOr<RequestId> Submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);

  // Takes the request out before the next step; its sink gets CANCELLED unless it has ended.
  // Unknown ids are ignored.
  void Cancel(RequestId id);

  // No new requests from now on. Returns when all have ended, or cancels those left at `deadline`
  // (by the engine's clock).
  void Drain(absl::Time deadline);

  EngineStats stats() const;

 private:
  explicit Engine(std::unique_ptr<EngineLoop> loop);

  const std::unique_ptr<EngineLoop> loop_;
  std::thread thread_;
};

}  // namespace prefixd
