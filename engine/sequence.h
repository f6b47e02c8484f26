// One request's state between steps: its tokens, sampler and text. Pure logic: no thread, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/generation.h"
#include "engine/sampler.h"
#include "engine/text_stream.h"
#include "model/model_config.h"
#include "model/tokenizer.h"

namespace prefixd {

// INVALID_ARGUMENT, naming the field, for what no model could serve; FAILED_PRECONDITION when
// prompt, prefixes and new tokens reach past the model's positions.
absl::Status CheckGenerationRequest(const GenerationRequest& request, const ModelConfig& config);

// Not thread-safe; different sequences may be used by different threads at once.
class Sequence {
 public:
  // A checked request. `tokenizer` must outlive the sequence.
  Sequence(GenerationRequest request, const ModelConfig& config, const Tokenizer* tokenizer);

  const GenerationRequest& request() const { return request_; }
  std::span<const PrefixSegment* const> prefixes() const { return prefixes_; }

  // The prompt and what was generated.
  std::span<const int32_t> tokens() const { return tokens_; }
  int new_tokens() const { return static_cast<int>(tokens_.size() - request_.prompt.size()); }
  int max_tokens() const {
    return static_cast<int>(request_.prompt.size()) + request_.max_new_tokens;
  }

  // How many of the last tokens of a chunk must have logits.
  int LogitsWanted(int first, int count, bool samples) const;

  // Takes the logits that LogitsWanted asked for after the chunk has run, and goes on by a token if
  // it `samples`. Returns what can be shown now.
  GenerationOutput Advance(int first, int count, bool samples, std::span<const float> logits);

  // Set once the answer has ended.
  std::optional<FinishReason> finished() const { return finished_; }

 private:
  // Whether a chunk that begins at `first` still has log-probabilities of the prompt to tell.
  bool WantsPromptLogProbs(int first) const;
  void AddPromptLogProbs(int first, int count, std::span<const float> logits);
  void Append(int32_t token, GenerationOutput* output);
  bool Contains(std::span<const int32_t> ids, int32_t token) const;

  const GenerationRequest request_;
  const ModelConfig& config_;
  const Tokenizer& tokenizer_;
  std::vector<const PrefixSegment*> prefixes_;
  std::vector<int32_t> ending_ids_;  // not drawn before min_new_tokens

  std::vector<int32_t> tokens_;
  std::vector<LogProbs> prompt_log_probs_;  // of the prompt's tokens 1, 2, …
  Sampler sampler_;
  TextStream text_;
  std::optional<FinishReason> finished_;
};

}  // namespace prefixd
