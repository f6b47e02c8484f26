// The order of things: penalties of the history (repetition, then presence and frequency), bias,
// forbidden ids; then the greatest logit (greedy), or temperature, top_k, top_p, min_p and a draw.
//
// Each filter keeps a beginning of the tokens sorted by likelihood, so no full sort is needed: the
// candidates that can matter are picked out first. top_p works on the probabilities that top_k
// left.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "engine/logit_scan.h"
#include "engine/philox.h"

namespace prefixd {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

absl::Status CheckField(bool good, const char* field, double value, const char* range) {
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s is %g: it must be %s", field, value, range));
}

bool IsWithin(float value, float low, float high) { return value >= low && value <= high; }

// Of the ids that are not forbidden; 0 if there is none.
int32_t LowestAllowed(std::span<const int32_t> forbidden, size_t vocabulary) {
  for (size_t id = 0; id < vocabulary; ++id) {
    if (std::ranges::find(forbidden, static_cast<int32_t>(id)) == forbidden.end()) {
      return static_cast<int32_t>(id);
    }
  }
  return 0;
}

void PenalizeRepetition(float penalty, float& logit) {
  logit = logit > 0.0F ? logit / penalty : logit * penalty;
}

}  // namespace

absl::Status CheckSamplingParameters(const SamplingParameters& parameters, int vocabulary) {
  const SamplingParameters& p = parameters;
  PREFIXD_RETURN_IF_ERROR(CheckField(std::isfinite(p.temperature) && p.temperature >= 0.0F,
                                     "temperature", p.temperature, "0 (greedy) or above"));
  PREFIXD_RETURN_IF_ERROR(CheckField(p.top_k >= 0, "top_k", p.top_k, "0 (all) or above"));
  PREFIXD_RETURN_IF_ERROR(
      CheckField(p.top_p > 0.0F && p.top_p <= 1.0F, "top_p", p.top_p, "in (0, 1]"));
  PREFIXD_RETURN_IF_ERROR(CheckField(IsWithin(p.min_p, 0.0F, 1.0F), "min_p", p.min_p, "in [0, 1]"));
  PREFIXD_RETURN_IF_ERROR(
      CheckField(std::isfinite(p.repetition_penalty) && p.repetition_penalty > 0.0F,
                 "repetition_penalty", p.repetition_penalty, "above 0"));
  PREFIXD_RETURN_IF_ERROR(CheckField(IsWithin(p.presence_penalty, -2.0F, 2.0F), "presence_penalty",
                                     p.presence_penalty, "in [-2, 2]"));
  PREFIXD_RETURN_IF_ERROR(CheckField(IsWithin(p.frequency_penalty, -2.0F, 2.0F),
                                     "frequency_penalty", p.frequency_penalty, "in [-2, 2]"));
  for (const auto& [id, bias] : p.logit_bias) {
    PREFIXD_RETURN_IF_ERROR(
        CheckField(std::isfinite(bias), "a value of logit_bias", bias, "finite"));
    if (id < 0 || id >= vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrFormat("logit_bias names token %d: ids are in [0, %d)", id, vocabulary));
    }
  }
  return absl::OkStatus();
}

// The block's first two words, the first above the second, give the 53 bits of a double's fraction.
double CounterUniform(uint64_t seed, uint64_t counter) {
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  const auto high = [](uint64_t value) { return static_cast<uint32_t>(value >> 32); };
  const auto block = Philox4x32({low(counter), high(counter), 0, 0}, {low(seed), high(seed)});
  const uint64_t bits = (uint64_t{block[0]} << 32 | block[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

Sampler::Sampler(SamplingParameters parameters, int vocabulary)
    : parameters_(std::move(parameters)), vocabulary_(vocabulary) {}

void Sampler::AddPrompt(std::span<const int32_t> tokens) {
  for (const int32_t id : tokens) {
    if (id >= 0 && id < vocabulary_) prompt_ids_.push_back(id);
  }
  std::ranges::sort(prompt_ids_);
  const auto repeated = std::ranges::unique(prompt_ids_);
  prompt_ids_.erase(repeated.begin(), repeated.end());
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> forbidden) {
  const std::span<const float> adjusted = Adjust(logits, forbidden);
  const Candidate best = Likeliest(adjusted);
  int32_t id = best.id;
  if (best.logit == kMinusInfinity) {
    id = LowestAllowed(forbidden, logits.size());
  } else if (parameters_.temperature > 0.0F) {
    id = Draw(adjusted, best.logit);
  }
  ++drawn_;
  CountAnswer(id);
  return id;
}

// The logits themselves when there is nothing to change, or a changed copy.
std::span<const float> Sampler::Adjust(std::span<const float> logits,
                                       std::span<const int32_t> forbidden) {
  const bool penalizes = parameters_.repetition_penalty != 1.0F ||
                         parameters_.presence_penalty != 0.0F ||
                         parameters_.frequency_penalty != 0.0F;
  if (!penalizes && parameters_.logit_bias.empty() && forbidden.empty()) return logits;

  adjusted_.assign(logits.begin(), logits.end());
  if (penalizes) PenalizeHistory(adjusted_);
  for (const auto& [id, bias] : parameters_.logit_bias) adjusted_[id] += bias;
  for (const int32_t id : forbidden) {
    if (id >= 0 && id < vocabulary_) adjusted_[id] = kMinusInfinity;
  }
  return adjusted_;
}

void Sampler::PenalizeHistory(std::span<float> logits) const {
  for (const int32_t id : prompt_ids_) {
    PenalizeRepetition(parameters_.repetition_penalty, logits[id]);
  }
  for (const auto& [id, count] : answer_counts_) {
    if (!std::ranges::binary_search(prompt_ids_, id)) {
      PenalizeRepetition(parameters_.repetition_penalty, logits[id]);
    }
    logits[id] -=
        parameters_.presence_penalty + parameters_.frequency_penalty * static_cast<float>(count);
  }
}

int32_t Sampler::Draw(std::span<const float> logits, float max) {
  const WeightFunction weight(max, parameters_.temperature);
  const double uniform = CounterUniform(parameters_.seed, drawn_);
  const bool limits_count =
      parameters_.top_k > 0 && static_cast<size_t>(parameters_.top_k) < logits.size();
  if (!limits_count && parameters_.top_p == 1.0F) {
    weights_.Fill(logits, weight, parameters_.min_p);
    return weights_.Find(uniform * weights_.total());
  }

  double total = 0.0;
  if (limits_count) {
    SelectLikeliest(logits, parameters_.top_k, candidates_);
    for (const Candidate& candidate : candidates_) total += weight(candidate.logit);
  } else {
    total = SelectNucleus(logits, weight);
  }
  KeepShares(weight, parameters_.top_p * total);
  const double target = uniform * shares_.back().end;
  const auto drawn = std::ranges::upper_bound(shares_, target, {}, &Share::end);
  return drawn == shares_.end() ? shares_.back().id : drawn->id;
}

// Fills `candidates_` with the likeliest tokens, sorted, at least as many as top_p keeps, and
// returns the sum of all weights. The bound falls until what lies above it is enough. That must
// end: tokens below (1 - top_p) total / vocabulary weigh less than (1 - top_p) total together.
double Sampler::SelectNucleus(std::span<const float> logits, WeightFunction weight) {
  weights_.Fill(logits, weight, 0.0F);
  const double total = weights_.total();
  constexpr double kRoundingRoom = 1e-9;  // the sums below have another order than `total`
  const double enough = (parameters_.top_p + kRoundingRoom) * total;
  const double last_bound = (1.0 - parameters_.top_p) * total / static_cast<double>(logits.size());
  double bound = std::min(1.0, total / 32.0);
  for (double sum = 0.0; sum < enough; bound *= 0.25) {
    const auto least = static_cast<float>(bound);
    candidates_.clear();
    sum = 0.0;
    for (size_t id = 0; id < logits.size(); ++id) {
      if (weights_[id] < least) continue;
      candidates_.push_back({logits[id], static_cast<int32_t>(id)});
      sum += weights_[id];
    }
    if (bound < 0.5 * last_bound) break;
  }
  SortByLikelihood(candidates_, sort_scratch_);
  return total;
}

// Lays out the shares of the likeliest `candidates_`, until they reach `enough` or one weighs less
// than min_p; the likeliest weighs 1, so there is at least one.
void Sampler::KeepShares(WeightFunction weight, double enough) {
  shares_.clear();
  double sum = 0.0;
  for (const Candidate& candidate : candidates_) {
    const float share = weight(candidate.logit);
    if (share == 0.0F || share < parameters_.min_p) break;
    sum += share;
    shares_.push_back({sum, candidate.id});
    if (sum >= enough) break;
  }
}

void Sampler::CountAnswer(int32_t id) {
  const auto at = std::ranges::lower_bound(answer_counts_, id, {}, &std::pair<int32_t, int>::first);
  if (at != answer_counts_.end() && at->first == id) {
    ++at->second;
  } else {
    answer_counts_.insert(at, {id, 1});
  }
}

LogProbs ComputeLogProbs(std::span<const float> logits, int32_t id, int top_n) {
  const Candidate best = Likeliest(logits);
  const WeightFunction weight(best.logit, 1.0F);
  // Capped as the weights are: equal infinities share the probability.
  const auto capped = [](float logit) {
    return std::min(logit, std::numeric_limits<float>::max());
  };
  const double log_total = std::log(TotalWeight(logits, weight));
  const auto log_prob = [&](float logit) {
    // Nothing is likely; or NaN.
    if (best.logit == kMinusInfinity || !(logit > kMinusInfinity)) return kMinusInfinity;
    return static_cast<float>(double{capped(logit)} - capped(best.logit) - log_total);
  };

  LogProbs result;
  const bool known = id >= 0 && static_cast<size_t>(id) < logits.size();
  result.chosen = {id, known ? log_prob(logits[id]) : kMinusInfinity};
  std::vector<Candidate> top;
  SelectLikeliest(logits, top_n, top);
  for (const Candidate& candidate : top) {
    result.top.push_back({candidate.id, log_prob(candidate.logit)});
  }
  return result;
}

}  // namespace prefixd
