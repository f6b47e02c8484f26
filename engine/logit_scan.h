// Passes over the logits of one row: the likeliest tokens and the weights of all.
//
// The loops are plain and the compiler makes vectors of them; every sum has one fixed order, so
// that the results do not depend on how. NaN counts as minus infinity everywhere. Pure functions;
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace prefixd {

struct Candidate {
  float logit = 0.0F;
  int32_t id = 0;
};

// The order of likelihood: the greater logit first, among equals the lower id.
inline bool IsLikelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The likeliest token; id 0 and minus infinity when no logit is greater than that.
Candidate Likeliest(std::span<const float> logits);

// The `n` likeliest (all, if there are fewer), in order, into `top`.
void SelectLikeliest(std::span<const float> logits, int n, std::vector<Candidate>& top);

// Sorts `candidates`, whose ids ascend and whose logits are not NaN, by likelihood; `scratch` is
// overwritten. Linear in their number: a flat distribution makes most of a vocabulary candidates.
void SortByLikelihood(std::vector<Candidate>& candidates, std::vector<Candidate>& scratch);

// exp((logit - max) / temperature): a token's probability but for the division by the sum of all.
// `max` is the greatest logit, above minus infinity; its weight is exactly 1. The relative error is
// below 1e-5, and weights below about 1e-38 are 0.
class WeightFunction {
 public:
  WeightFunction(float max, float temperature);

  float operator()(float logit) const;

  // The same for each of `logits`, in vectors; `weights` is [logits.size()].
  void Apply(std::span<const float> logits, float* weights) const;

 private:
  float Exponent(float logit) const;

  float max_;
  float inverse_temperature_;
};

// The sum of all weights. Blocks of 256 ids are added up one after the other; within a block 16
// lanes by id modulo 16, then lane after lane.
double TotalWeight(std::span<const float> logits, WeightFunction weight);

// The weights of a whole vocabulary, kept to draw from. Not thread-safe.
class WeightTable {
 public:
  // Those below `min_weight` become 0.
  void Fill(std::span<const float> logits, WeightFunction weight, float min_weight);

  // As TotalWeight.
  double total() const { return total_; }

  float operator[](size_t id) const { return weights_[id]; }

  // The token in whose share of [0, total) `target` lies, the shares laid out in the order of ids.
  // Never one of weight 0.
  int32_t Find(double target) const;

 private:
  int32_t FindInBlock(size_t begin, size_t end, double target) const;

  std::vector<float> weights_;
  std::vector<double> block_sums_;
  double total_ = 0.0;
};

}  // namespace prefixd
