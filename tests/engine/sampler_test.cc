#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/logit_scan.h"
#include "engine/philox.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// kat_vectors of Random123, philox4x32-10.
TEST(PhiloxTest, KnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterUniformTest, IsTheUpperBitsOfTheBlock) {
  EXPECT_EQ(CounterUniform(0, 0), static_cast<double>(0x6627e8d5e169c58d >> 11) * 0x1p-53);
  const auto block = Philox4x32({4, 3, 0, 0}, {2, 1});
  EXPECT_NEAR(CounterUniform(0x0000000100000002, 0x0000000300000004),
              static_cast<double>(block[0]) * 0x1p-32, 0x1p-32);
}

TEST(CounterUniformTest, FillsTheUnitInterval) {
  std::array<int, 16> bins{};
  for (uint64_t counter = 0; counter < 160000; ++counter) {
    const double value = CounterUniform(42, counter);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++bins[static_cast<size_t>(value * 16)];
  }
  for (const int count : bins) EXPECT_NEAR(count, 10000, 500);
}

struct BadParameters {
  std::string field;
  SamplingParameters parameters;
};

TEST(CheckSamplingParametersTest, NamesTheFieldThatIsWrong) {
  EXPECT_TRUE(CheckSamplingParameters({}, 10).ok());
  EXPECT_TRUE(CheckSamplingParameters({.temperature = 1.5F,
                                       .top_k = 1000,
                                       .top_p = 0.5F,
                                       .min_p = 1.0F,
                                       .repetition_penalty = 0.5F,
                                       .presence_penalty = -2.0F,
                                       .frequency_penalty = 2.0F,
                                       .logit_bias = {{9, -100.0F}}},
                                      10)
                  .ok());
  const std::vector<BadParameters> cases = {
      {"temperature", {.temperature = -0.1F}},
      {"temperature", {.temperature = kInfinity}},
      {"top_k", {.top_k = -1}},
      {"top_p", {.top_p = 0.0F}},
      {"top_p", {.top_p = kNaN}},
      {"min_p", {.min_p = 1.5F}},
      {"repetition_penalty", {.repetition_penalty = 0.0F}},
      {"repetition_penalty", {.repetition_penalty = kInfinity}},
      {"presence_penalty", {.presence_penalty = 2.5F}},
      {"frequency_penalty", {.frequency_penalty = kNaN}},
      {"logit_bias", {.logit_bias = {{0, kInfinity}}}},
      {"logit_bias", {.logit_bias = {{10, 0.0F}}}},
      {"logit_bias", {.logit_bias = {{-1, 0.0F}}}},
  };
  for (const BadParameters& bad : cases) {
    const absl::Status status = CheckSamplingParameters(bad.parameters, 10);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.field));
  }
}

TEST(SamplerTest, GreedyTakesTheLowestIdAmongEquals) {
  Sampler sampler({}, 5);
  EXPECT_EQ(sampler.Sample(std::vector<float>{1, 3, 2, 3, 0}, {}), 1);
  EXPECT_EQ(sampler.Sample(std::vector<float>{kNaN, -5, kNaN, -4, -kInfinity}, {}), 3);
  EXPECT_EQ(sampler.Sample(std::vector<float>(5, -kInfinity), {}), 0);
  EXPECT_EQ(sampler.Sample(std::vector<float>(5, kNaN), {}), 0);
}

TEST(SamplerTest, NeverDrawsAForbiddenIdWhileAnotherIsLeft) {
  const std::vector<float> logits = {9, 1, kNaN, -kInfinity};
  for (const float temperature : {0.0F, 1.0F}) {
    Sampler sampler({.temperature = temperature}, 4);
    EXPECT_EQ(sampler.Sample(logits, std::vector<int32_t>{0}), 1);
    EXPECT_EQ(sampler.Sample(logits, std::vector<int32_t>{1, 0, -1, 77}), 2);
    EXPECT_EQ(sampler.Sample(logits, std::vector<int32_t>{0, 1, 2}), 3);
    EXPECT_EQ(sampler.Sample(logits, std::vector<int32_t>{3, 0, 1, 2}), 0);
  }
}

TEST(SamplerTest, RepetitionPenaltyCoversPromptAndAnswer) {
  Sampler sampler({.repetition_penalty = 2.0F}, 4);
  sampler.AddPrompt(std::vector<int32_t>{0, 0});
  const std::vector<float> logits = {4.0F, 3.0F, 2.5F, 0.0F};
  EXPECT_EQ(sampler.Sample(logits, {}), 1);  // 2, 3, 2.5, 0
  EXPECT_EQ(sampler.Sample(logits, {}), 2);  // 2, 1.5, 2.5, 0
  EXPECT_EQ(sampler.Sample(logits, {}), 0);  // 2, 1.5, 1.25, 0; once for each token, not each time
  EXPECT_EQ(sampler.Sample(std::vector<float>{-1, -1, -1, -1.5F}, {}), 3);
}

TEST(SamplerTest, PresenceAndFrequencyCoverTheAnswerAlone) {
  Sampler presence({.presence_penalty = 1.0F}, 3);
  presence.AddPrompt(std::vector<int32_t>{0});
  const std::vector<float> logits = {2.5F, 2.0F, 0.0F};
  EXPECT_EQ(presence.Sample(logits, {}), 0);
  EXPECT_EQ(presence.Sample(logits, {}), 1);
  EXPECT_EQ(presence.Sample(logits, {}), 0);
  EXPECT_EQ(presence.Sample(logits, {}), 0);

  Sampler frequency({.frequency_penalty = 1.0F}, 3);
  const std::vector<int32_t> expected = {0, 1, 0, 1, 0, 1, 0, 2};
  for (const int32_t id : expected) {
    EXPECT_EQ(frequency.Sample(std::vector<float>{2.5F, 2.0F, -0.75F}, {}), id);
  }
}

TEST(SamplerTest, BiasIsAdded) {
  Sampler sampler({.logit_bias = {{0, -100.0F}, {2, 1.0F}, {2, 1.5F}}}, 3);
  EXPECT_EQ(sampler.Sample(std::vector<float>{5, 2, 0}, {}), 2);
}

// How often each id is drawn from the same logits.
std::map<int32_t, int> Histogram(SamplingParameters parameters, const std::vector<float>& logits,
                                 int draws) {
  Sampler sampler(std::move(parameters), static_cast<int>(logits.size()));
  std::map<int32_t, int> histogram;
  for (int i = 0; i < draws; ++i) ++histogram[sampler.Sample(logits, {})];
  return histogram;
}

void ExpectDistribution(const std::map<int32_t, int>& histogram,
                        const std::vector<double>& probabilities) {
  double draws = 0;
  for (const auto& [id, count] : histogram) draws += count;
  double chi_square = 0.0;
  int freedom = -1;
  for (size_t id = 0; id < probabilities.size(); ++id) {
    const auto found = histogram.find(static_cast<int32_t>(id));
    const double count = found == histogram.end() ? 0.0 : found->second;
    const double expected = draws * probabilities[id];
    if (expected == 0.0) {
      EXPECT_EQ(count, 0.0) << "token " << id;
      continue;
    }
    chi_square += (count - expected) * (count - expected) / expected;
    ++freedom;
  }
  // Mean and four standard deviations of the chi-square distribution.
  EXPECT_LT(chi_square, freedom + 4.0 * std::sqrt(2.0 * freedom + 1.0));
}

class SamplerDistributionTest : public testing::Test {
 protected:
  // Logits whose probabilities at temperature 1 are 0.4, 0.1, 0.3, 0.2.
  const std::vector<float> logits_ = {std::log(0.4F), std::log(0.1F), std::log(0.3F),
                                      std::log(0.2F)};
  static constexpr int kDraws = 40000;
};

TEST_F(SamplerDistributionTest, Temperature) {
  ExpectDistribution(Histogram({.temperature = 1.0F, .seed = 1}, logits_, kDraws),
                     {0.4, 0.1, 0.3, 0.2});
  ExpectDistribution(Histogram({.temperature = 0.5F, .seed = 2}, logits_, kDraws),
                     {16.0 / 30, 1.0 / 30, 9.0 / 30, 4.0 / 30});
  ExpectDistribution(Histogram({.temperature = 1e6F, .seed = 3}, logits_, kDraws),
                     {0.25, 0.25, 0.25, 0.25});
  ExpectDistribution(Histogram({.temperature = 1e-45F, .seed = 3}, logits_, 100), {1, 0, 0, 0});
}

TEST_F(SamplerDistributionTest, TopK) {
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_k = 2, .seed = 4}, logits_, kDraws),
                     {4.0 / 7, 0, 3.0 / 7, 0});
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_k = 1, .seed = 4}, logits_, 100),
                     {1, 0, 0, 0});
}

TEST_F(SamplerDistributionTest, TopP) {
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_p = 0.65F, .seed = 5}, logits_, kDraws),
                     {4.0 / 7, 0, 3.0 / 7, 0});
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_p = 0.75F, .seed = 5}, logits_, kDraws),
                     {4.0 / 9, 0, 3.0 / 9, 2.0 / 9});
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_p = 1e-6F, .seed = 5}, logits_, 100),
                     {1, 0, 0, 0});
  // Of the probabilities that top_k leaves: 4/7 reaches 0.5.
  ExpectDistribution(
      Histogram({.temperature = 1.0F, .top_k = 2, .top_p = 0.5F, .seed = 5}, logits_, 100),
      {1, 0, 0, 0});
}

TEST_F(SamplerDistributionTest, MinP) {
  ExpectDistribution(Histogram({.temperature = 1.0F, .min_p = 0.6F, .seed = 6}, logits_, kDraws),
                     {4.0 / 7, 0, 3.0 / 7, 0});
  ExpectDistribution(
      Histogram({.temperature = 1.0F, .top_p = 0.95F, .min_p = 0.4F, .seed = 6}, logits_, kDraws),
      {4.0 / 9, 0, 3.0 / 9, 2.0 / 9});
}

TEST(SamplerTest, EqualInfinitiesShareTheDraws) {
  const std::vector<float> logits = {1, kInfinity, kNaN, kInfinity};
  ExpectDistribution(Histogram({.temperature = 1.0F, .seed = 8}, logits, 10000), {0, 0.5, 0, 0.5});
  ExpectDistribution(Histogram({.temperature = 1.0F, .top_p = 0.9F}, logits, 10000),
                     {0, 0.5, 0, 0.5});
}

// The slow oracle: copies, sorts and sums everything.
class OracleSampler {
 public:
  OracleSampler(SamplingParameters parameters, std::vector<int32_t> prompt)
      : p_(std::move(parameters)), seen_(prompt.begin(), prompt.end()) {}

  int32_t Sample(std::vector<float> logits, const std::vector<int32_t>& forbidden) {
    Change(logits, forbidden);
    std::vector<Candidate> kept;
    for (size_t i = 0; i < logits.size(); ++i) kept.push_back({logits[i], static_cast<int>(i)});
    std::sort(kept.begin(), kept.end(), IsLikelier);
    const int32_t id = p_.temperature == 0.0F ? kept[0].id : Draw(kept, logits.size());
    ++drawn_;
    ++answer_[id];
    seen_.insert(id);
    return id;
  }

 private:
  void Change(std::vector<float>& logits, const std::vector<int32_t>& forbidden) {
    for (size_t i = 0; i < logits.size(); ++i) {
      float& logit = logits[i];
      const auto id = static_cast<int32_t>(i);
      if (std::isnan(logit)) logit = -kInfinity;
      if (seen_.contains(id)) {
        logit = logit > 0 ? logit / p_.repetition_penalty : logit * p_.repetition_penalty;
      }
      if (answer_.contains(id)) {
        logit -= p_.presence_penalty + p_.frequency_penalty * static_cast<float>(answer_[id]);
      }
      for (const auto& [biased, bias] : p_.logit_bias) logit += biased == id ? bias : 0.0F;
      if (std::count(forbidden.begin(), forbidden.end(), id) > 0) logit = -kInfinity;
    }
  }

  int32_t Draw(std::vector<Candidate> kept, size_t vocabulary) {
    const WeightFunction weight(kept[0].logit, p_.temperature);
    const bool all =
        p_.top_p == 1.0F && (p_.top_k == 0 || p_.top_k >= static_cast<int>(vocabulary));
    if (p_.top_k > 0) kept.resize(std::min<size_t>(kept.size(), p_.top_k));
    double total = 0.0;
    for (const Candidate& c : kept) total += weight(c.logit);
    double sum = 0.0;
    size_t count = 0;
    while (count < kept.size() && (p_.top_p == 1.0F || sum < p_.top_p * total)) {
      sum += weight(kept[count++].logit);
    }
    kept.resize(count);
    std::erase_if(kept, [&](const Candidate& c) { return weight(c.logit) < p_.min_p; });
    // The order in which shares are laid out is the sampler's choice.
    if (all) std::ranges::sort(kept, {}, &Candidate::id);
    total = 0.0;
    for (const Candidate& c : kept) total += weight(c.logit);
    const double target = CounterUniform(p_.seed, drawn_) * total;
    sum = 0.0;
    for (const Candidate& c : kept) {
      sum += weight(c.logit);
      if (sum > target) return c.id;
    }
    return -1;
  }

  const SamplingParameters p_;
  std::set<int32_t> seen_;
  std::map<int32_t, int> answer_;
  uint64_t drawn_ = 0;
};

class RandomCase {
 public:
  explicit RandomCase(uint32_t seed) : random_(seed), vocabulary_(Below(2) ? 1 + Below(40) : 3000) {
    parameters_.temperature = Below(4) == 0 ? 0.0F : Real(0.1F, 2.0F);
    if (Below(2)) parameters_.top_k = 1 + Below(vocabulary_ + 5);
    if (Below(2)) parameters_.top_p = Real(0.05F, 1.0F);
    if (Below(3) == 0) parameters_.min_p = Real(0.0F, 0.3F);
    if (Below(3) == 0) parameters_.repetition_penalty = Real(0.7F, 1.5F);
    if (Below(3) == 0) parameters_.presence_penalty = Real(-2.0F, 2.0F);
    if (Below(3) == 0) parameters_.frequency_penalty = Real(-2.0F, 2.0F);
    parameters_.seed = random_();
    if (Below(3) == 0) parameters_.logit_bias = {{Below(vocabulary_), Real(-5.0F, 5.0F)}};
    for (int n = Below(10); n > 0; --n) prompt_.push_back(Below(vocabulary_));
  }

  // Half of them with many ties.
  std::vector<float> Logits() {
    std::vector<float> logits(vocabulary_);
    const bool ties = Below(2) == 0;
    for (float& logit : logits) {
      logit = ties ? static_cast<float>(Below(9)) - 4.0F : Real(-10.0F, 5.0F);
    }
    if (vocabulary_ > 3 && Below(4) == 0) logits[1 + Below(vocabulary_ - 1)] = kNaN;
    return logits;
  }

  std::vector<int32_t> Forbidden() {
    if (vocabulary_ < 4 || Below(2) == 0) return {};
    return {Below(vocabulary_), Below(vocabulary_)};
  }

  int vocabulary() const { return vocabulary_; }
  const SamplingParameters& parameters() const { return parameters_; }
  const std::vector<int32_t>& prompt() const { return prompt_; }

 private:
  int Below(int n) { return static_cast<int>(random_() % n); }
  float Real(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(random_);
  }

  std::mt19937 random_;
  const int vocabulary_;
  SamplingParameters parameters_;
  std::vector<int32_t> prompt_;
};

TEST(SamplerTest, DrawsWhatTheSlowOracleDraws) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    RandomCase random(seed);
    Sampler sampler(random.parameters(), random.vocabulary());
    sampler.AddPrompt(random.prompt());
    OracleSampler oracle(random.parameters(), random.prompt());
    for (int step = 0; step < 12; ++step) {
      const std::vector<float> logits = random.Logits();
      const std::vector<int32_t> forbidden = random.Forbidden();
      ASSERT_EQ(sampler.Sample(logits, forbidden), oracle.Sample(logits, forbidden))
          << "case " << seed << ", step " << step;
    }
  }
}

TEST(ComputeLogProbsTest, IsTheLogarithmOfTheSoftmax) {
  std::mt19937 random(12);
  std::uniform_real_distribution<float> logit(-15.0F, 10.0F);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> logits(5 + random() % 3000);
    for (float& value : logits) value = logit(random);
    logits[3] = logits[2];
    double total = 0.0;
    for (const float value : logits) total += std::exp(static_cast<double>(value));

    const auto id = static_cast<int32_t>(random() % logits.size());
    const LogProbs result = ComputeLogProbs(logits, id, 5);
    EXPECT_EQ(result.chosen.id, id);
    EXPECT_NEAR(result.chosen.log_prob, logits[id] - std::log(total), 2e-6);
    ASSERT_EQ(result.top.size(), 5U);
    for (size_t i = 0; i < result.top.size(); ++i) {
      const TokenLogProb& top = result.top[i];
      EXPECT_NEAR(top.log_prob, logits[top.id] - std::log(total), 2e-6);
      const auto likelier = std::ranges::count_if(logits, [&, place = 0](float value) mutable {
        return IsLikelier({value, place++}, {logits[top.id], top.id});
      });
      EXPECT_EQ(likelier, static_cast<int64_t>(i));
    }
  }
}

TEST(ComputeLogProbsTest, StandsWhatIsNotFinite) {
  const LogProbs mixed = ComputeLogProbs(std::vector<float>{kNaN, 1, -kInfinity, 1}, 0, 9);
  EXPECT_EQ(mixed.chosen.log_prob, -kInfinity);
  ASSERT_EQ(mixed.top.size(), 4U);
  EXPECT_EQ(mixed.top[0].id, 1);
  EXPECT_NEAR(mixed.top[0].log_prob, -std::log(2.0), 1e-6);
  EXPECT_EQ(mixed.top[3].log_prob, -kInfinity);

  const LogProbs infinite = ComputeLogProbs(std::vector<float>{kInfinity, 1, kInfinity}, 2, 0);
  EXPECT_NEAR(infinite.chosen.log_prob, -std::log(2.0), 1e-6);
  EXPECT_TRUE(infinite.top.empty());
  EXPECT_EQ(ComputeLogProbs(std::vector<float>(3, -kInfinity), 1, 1).chosen.log_prob, -kInfinity);
  EXPECT_EQ(ComputeLogProbs(std::vector<float>{1, 2}, 7, 0).chosen.log_prob, -kInfinity);
}

}  // namespace
}  // namespace prefixd
