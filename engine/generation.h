// A request to the engine and what comes back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/sampler.h"
#include "model/model.h"

namespace prefixd {

struct GenerationRequest {
  std::vector<int32_t> prompt;  // not empty, ids inside the vocabulary

  // The prefixes, in order; held (so pinned in memory) until the request ends.
  std::vector<std::shared_ptr<const PrefixSegment>> prefixes;

  SamplingParameters sampling;
  int max_new_tokens = 128;
  int min_new_tokens = 0;  // end-of-text and stop ids are not drawn before
  bool ignore_eos = false;
  std::vector<std::string> stop_strings;
  std::vector<int32_t> stop_ids;

  bool log_probs = false;         // of each generated token
  int top_log_probs = 0;          // and of the n likeliest at its place
  bool prompt_log_probs = false;  // of each token of the prompt but the first

  // Instead of generating: capture the keys and values of the prompt. Then max_new_tokens is 0.
  bool capture = false;

  int max_chunk = 0;  // most prompt tokens in one step; 0: the engine's choice
  absl::Time deadline = absl::InfiniteFuture();
};

// Some of the answer, in order. Pieces follow one another; the last says so.
struct GenerationOutput {
  std::string text;                        // whole UTF-8 characters; may be empty
  std::vector<int32_t> token_ids;          // one for each generated token since the last piece
  std::vector<LogProbs> log_probs;         // as many, if asked for
  std::vector<LogProbs> prompt_log_probs;  // once, if asked for: for the prompt's tokens 1 …
};

enum class FinishReason {
  kLength,     // max_new_tokens
  kEndOfText,  // the model's end-of-text token (which is the last of the ids, not in the text)
  kStopString,
  kStopToken,
};

struct GenerationSummary {
  FinishReason reason = FinishReason::kLength;
  int prompt_tokens = 0;
  int new_tokens = 0;
  absl::Duration queue_time;        // from Submit to the first step
  absl::Duration first_token_time;  // from Submit to the first token
  absl::Duration total_time;        // from Submit to the end
  std::optional<PrefixTensor> captured;
};

// Where a request's answer goes. Called on the engine thread, one call at a time; must not block
// and must bound what it keeps (a request makes at most max_new_tokens pieces and one end).
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;

  virtual void OnOutput(GenerationOutput output) = 0;

  // The last call: OK with a summary, or why there is no (more) answer: CANCELLED,
  // DEADLINE_EXCEEDED, UNAVAILABLE when the engine shuts down, INTERNAL.
  virtual void OnDone(const absl::Status& status, GenerationSummary summary) = 0;
};

}  // namespace prefixd
