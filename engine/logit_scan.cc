#include "engine/logit_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace prefixd {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr float kGreatest = std::numeric_limits<float>::max();
constexpr size_t kLanes = 16;
constexpr size_t kMaxBlock = 128;
constexpr size_t kSumBlock = 256;

std::span<const float> Block(std::span<const float> values, size_t begin, size_t size) {
  return values.subspan(begin, std::min(size, values.size() - begin));
}

float BlockMax(std::span<const float> block) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, kMinusInfinity);
  const size_t whole = block.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      // False for NaN.
      lanes[lane] = block[i + lane] > lanes[lane] ? block[i + lane] : lanes[lane];
    }
  }
  float max = kMinusInfinity;
  for (const float lane : lanes) max = lane > max ? lane : max;
  for (const float value : block.subspan(whole)) max = value > max ? value : max;
  return max;
}

// kLanes running sums, by id modulo kLanes, then added up from lane 0 on.
double SumOfBlock(std::span<const float> block) {
  double lanes[kLanes] = {};
  const size_t whole = block.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += block[i + lane];
  }
  for (size_t i = whole; i < block.size(); ++i) lanes[i - whole] += block[i];
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

// A logit such that at least `n` are not below it: the n-th greatest of the blocks' maxima.
float LowerBoundOfTop(const std::vector<float>& block_max, size_t n) {
  if (n > block_max.size()) return kMinusInfinity;
  std::vector<float> sorted = block_max;
  std::nth_element(sorted.begin(), sorted.begin() + (n - 1), sorted.end(), std::greater<>());
  return sorted[n - 1];
}

// Ascends as likelihood descends. Negative floats descend as their bits ascend; adding 0 turns -0
// into 0.
uint32_t SortKey(float logit) {
  const auto bits = std::bit_cast<uint32_t>(logit + 0.0F);
  return bits >> 31 != 0 ? bits : 0x7FFFFFFF - bits;
}

// ExpOfNegative is 0 from here down.
constexpr float kLowestExponent = -88.0F;

// exp(x) for x in [kLowestExponent, 0]; 0 where the result would not be a normal number. With
// x = n ln 2 + r and |r| <= ln 2 / 2, the Taylor series of exp(r) up to r^7 is exact to float's
// precision. For n = -127 the power of two comes out as 0.
inline float ExpOfNegative(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;  // few bits: its product with n is exact
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: adding it leaves no bit for a fraction
  const float shifted = x * kLog2E + kRounder;
  const float n = shifted - kRounder;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float series = 1.0F / 5040.0F;
  series = series * r + 1.0F / 720.0F;
  series = series * r + 1.0F / 120.0F;
  series = series * r + 1.0F / 24.0F;
  series = series * r + 1.0F / 6.0F;
  series = series * r + 0.5F;
  series = series * r + 1.0F;
  series = series * r + 1.0F;
  const float power_of_two = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return series * power_of_two;
}

}  // namespace

Candidate Likeliest(std::span<const float> logits) {
  float max = kMinusInfinity;
  size_t best = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kMaxBlock) {
    const float block_max = BlockMax(Block(logits, begin, kMaxBlock));
    if (block_max > max) {
      max = block_max;
      best = begin;
    }
  }
  if (max == kMinusInfinity) return {kMinusInfinity, 0};
  while (logits[best] != max) ++best;
  return {max, static_cast<int32_t>(best)};
}

void SelectLikeliest(std::span<const float> logits, int n, std::vector<Candidate>& top) {
  top.clear();
  if (n <= 0) return;
  std::vector<float> block_max;
  block_max.reserve(logits.size() / kMaxBlock + 1);
  for (size_t begin = 0; begin < logits.size(); begin += kMaxBlock) {
    block_max.push_back(BlockMax(Block(logits, begin, kMaxBlock)));
  }
  const float bound = LowerBoundOfTop(block_max, n);
  for (size_t block = 0; block < block_max.size(); ++block) {
    if (block_max[block] < bound) continue;
    const size_t end = std::min(logits.size(), (block + 1) * kMaxBlock);
    for (size_t i = block * kMaxBlock; i < end; ++i) {
      const float logit = std::isnan(logits[i]) ? kMinusInfinity : logits[i];
      if (logit >= bound) top.push_back({logit, static_cast<int32_t>(i)});
    }
  }
  const size_t kept = std::min<size_t>(n, top.size());
  std::nth_element(top.begin(), top.begin() + kept, top.end(), IsLikelier);
  top.resize(kept);
  std::sort(top.begin(), top.end(), IsLikelier);
}

// A radix sort from the low digit up: stable, so equals stay in the order of their ids.
void SortByLikelihood(std::vector<Candidate>& candidates, std::vector<Candidate>& scratch) {
  constexpr int kDigitBits = 11;
  constexpr size_t kDigits = size_t{1} << kDigitBits;
  if (candidates.size() < kDigits) {
    std::sort(candidates.begin(), candidates.end(), IsLikelier);
    return;
  }
  scratch.resize(candidates.size());
  for (int shift = 0; shift < 32; shift += kDigitBits) {
    const auto digit = [shift](const Candidate& candidate) {
      return SortKey(candidate.logit) >> shift & (kDigits - 1);
    };
    std::array<size_t, kDigits> place{};  // of the next candidate with this digit
    for (const Candidate& candidate : candidates) ++place[digit(candidate)];
    std::exclusive_scan(place.begin(), place.end(), place.begin(), size_t{0});
    for (const Candidate& candidate : candidates) scratch[place[digit(candidate)]++] = candidate;
    candidates.swap(scratch);
  }
}

// The parts are made finite, so that no difference or product below is infinity less infinity or
// infinity times zero.
WeightFunction::WeightFunction(float max, float temperature)
    : max_(std::min(max, kGreatest)),
      inverse_temperature_(std::min(1.0F / temperature, kGreatest)) {}

float WeightFunction::Exponent(float logit) const {
  const float capped = logit > kGreatest ? kGreatest : logit;
  const float exponent = (capped - max_) * inverse_temperature_;
  return exponent > kLowestExponent ? exponent : kLowestExponent;  // also of NaN
}

float WeightFunction::operator()(float logit) const { return ExpOfNegative(Exponent(logit)); }

// Two loops: together they would be a branch and a call for each logit instead of vectors.
void WeightFunction::Apply(std::span<const float> logits, float* weights) const {
  const WeightFunction self = *this;  // `weights` cannot overlap this copy
  for (size_t i = 0; i < logits.size(); ++i) weights[i] = self.Exponent(logits[i]);
  for (size_t i = 0; i < logits.size(); ++i) weights[i] = ExpOfNegative(weights[i]);
}

double TotalWeight(std::span<const float> logits, WeightFunction weight) {
  float weights[kSumBlock];
  double total = 0.0;
  for (size_t begin = 0; begin < logits.size(); begin += kSumBlock) {
    const std::span<const float> block = Block(logits, begin, kSumBlock);
    weight.Apply(block, weights);
    total += SumOfBlock(std::span(weights, block.size()));
  }
  return total;
}

void WeightTable::Fill(std::span<const float> logits, WeightFunction weight, float min_weight) {
  weights_.resize(logits.size());
  block_sums_.clear();
  total_ = 0.0;
  for (size_t begin = 0; begin < logits.size(); begin += kSumBlock) {
    const std::span<const float> block = Block(logits, begin, kSumBlock);
    float* const weights = weights_.data() + begin;
    weight.Apply(block, weights);
    for (size_t i = 0; i < block.size(); ++i) {
      weights[i] = weights[i] >= min_weight ? weights[i] : 0.0F;
    }
    block_sums_.push_back(SumOfBlock(std::span(weights, block.size())));
    total_ += block_sums_.back();
  }
}

// Rounding may carry `target` past the last share of its block, or of all: then the last token
// that has a share is meant.
int32_t WeightTable::Find(double target) const {
  double before = 0.0;
  for (size_t block = 0; block < block_sums_.size(); ++block) {
    const double after = before + block_sums_[block];
    const size_t begin = block * kSumBlock;
    const size_t end = std::min(begin + kSumBlock, weights_.size());
    if (after > target) return FindInBlock(begin, end, target - before);
    before = after;
  }
  return FindInBlock(0, weights_.size(), std::numeric_limits<double>::infinity());
}

int32_t WeightTable::FindInBlock(size_t begin, size_t end, double target) const {
  double sum = 0.0;
  size_t last = begin;
  for (size_t i = begin; i < end; ++i) {
    if (weights_[i] == 0.0F) continue;
    sum += weights_[i];
    last = i;
    if (sum > target) break;
  }
  return static_cast<int32_t>(last);
}

}  // namespace prefixd
