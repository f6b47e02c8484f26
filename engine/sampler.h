// From logits to a token: penalties, bias, filters, and a draw that repeats.
//
// Pure functions of one row: the logits, the row's own history and parameters, and how many tokens
// it has drawn. Sums run in the order of token ids or of sorted candidates, so the result is the
// same on any thread and beside any other row.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/logit_scan.h"

namespace prefixd {

struct SamplingParameters {
  float temperature = 0.0F;         // 0: greedy (the lowest id among equals)
  int top_k = 0;                    // keep the k likeliest; 0: all
  float top_p = 1.0F;               // then the fewest whose probabilities reach p, in (0, 1]
  float min_p = 0.0F;               // then those at least this share of the likeliest, in [0, 1]
  float repetition_penalty = 1.0F;  // > 0; divides positive and multiplies negative logits of
                                    // tokens in the prompt or the answer (Keskar et al. 2019)
  float presence_penalty = 0.0F;    // subtracted from tokens that are in the answer, in [-2, 2]
  float frequency_penalty = 0.0F;   // … for each time they are in it, in [-2, 2]
  uint64_t seed = 0;
  std::vector<std::pair<int32_t, float>> logit_bias = {};  // added to a token's logit
};

// INVALID_ARGUMENT, naming the field and its range, for what is out of range or not finite, or a
// biased id outside the vocabulary.
absl::Status CheckSamplingParameters(const SamplingParameters& parameters, int vocabulary);

// A uniform number in [0, 1) from Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"): a pure function of the seed and the counter.
double CounterUniform(uint64_t seed, uint64_t counter);

struct TokenLogProb {
  int32_t id = 0;
  float log_prob = 0.0F;  // natural logarithm, of the model's own distribution (temperature 1, no
                          // penalty, no bias)
};

// One row's sampler; keeps the counts of its history and scratch space. Not thread-safe.
class Sampler {
 public:
  // Checked parameters.
  Sampler(SamplingParameters parameters, int vocabulary);

  // Tells it the prompt, for the repetition penalty.
  void AddPrompt(std::span<const int32_t> tokens);

  // Draws the next token from `logits` [vocabulary] and adds it to the history. `forbidden` ids
  // (end-of-text before min_new_tokens) are never drawn, as long as another id is left.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> forbidden);

 private:
  struct Share {
    double end;  // of the cumulated weights
    int32_t id;
  };

  std::span<const float> Adjust(std::span<const float> logits, std::span<const int32_t> forbidden);
  void PenalizeHistory(std::span<float> logits) const;
  int32_t Draw(std::span<const float> logits, float max);
  double SelectNucleus(std::span<const float> logits, WeightFunction weight);
  void KeepShares(WeightFunction weight, double enough);
  void CountAnswer(int32_t id);

  const SamplingParameters parameters_;
  const int vocabulary_;
  uint64_t drawn_ = 0;
  std::vector<std::pair<int32_t, int>> answer_counts_;  // id, how often; sorted
  std::vector<int32_t> prompt_ids_;                     // sorted, without repetition
  // Scratch.
  std::vector<float> adjusted_;  // [vocabulary]
  std::vector<Candidate> candidates_;
  std::vector<Candidate> sort_scratch_;
  std::vector<Share> shares_;
  WeightTable weights_;
};

// The log-probability of `id`, and of the `top_n` likeliest (ties: the lower id first).
struct LogProbs {
  TokenLogProb chosen;
  std::vector<TokenLogProb> top;
};
LogProbs ComputeLogProbs(std::span<const float> logits, int32_t id, int top_n);

}  // namespace prefixd
