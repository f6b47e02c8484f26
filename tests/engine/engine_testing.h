// What the tests of the engine share: a sink that waits for its answer.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/generation.h"

namespace prefixd {

// A whole answer.
struct Answer {
  absl::Status status;
  GenerationSummary summary;
  std::string text;
  std::vector<int32_t> token_ids;
  std::vector<float> log_probs;
  std::vector<LogProbs> prompt_log_probs;
};

class WaitingSink final : public GenerationSink {
 public:
  void OnOutput(GenerationOutput output) override {
    const MutexLock lock(&mutex_);
    answer_.text += output.text;
    for (const int32_t id : output.token_ids) answer_.token_ids.push_back(id);
    for (const LogProbs& probs : output.log_probs) {
      answer_.log_probs.push_back(probs.chosen.log_prob);
    }
    for (LogProbs& probs : output.prompt_log_probs) {
      answer_.prompt_log_probs.push_back(std::move(probs));
    }
    changed_.SignalAll();
  }

  void OnDone(const absl::Status& status, GenerationSummary summary) override {
    const MutexLock lock(&mutex_);
    answer_.status = status;
    answer_.summary = std::move(summary);
    done_ = true;
    changed_.SignalAll();
  }

  Answer Wait() {
    const MutexLock lock(&mutex_);
    while (!done_) changed_.Wait(&mutex_);
    return answer_;
  }

  // Returns when at least so many tokens are there, or the answer has ended.
  void WaitForTokens(size_t count) {
    const MutexLock lock(&mutex_);
    while (!done_ && answer_.token_ids.size() < count) changed_.Wait(&mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  Answer answer_ ABSL_GUARDED_BY(mutex_);
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace prefixd
