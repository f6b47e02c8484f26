#include "engine/logit_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace prefixd {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Few distinct values, so that there are ties, and some that are not finite.
std::vector<float> RandomLogits(std::mt19937& random) {
  std::vector<float> logits(1 + random() % 700);
  for (float& logit : logits) {
    logit = static_cast<float>(random() % 40) * 0.25F - 7.0F;
    if (random() % 50 == 0) logit = kNaN;
    if (random() % 50 == 0) logit = -kInfinity;
  }
  return logits;
}

std::vector<Candidate> SortAll(const std::vector<float>& logits) {
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) {
    all.push_back({std::isnan(logits[i]) ? -kInfinity : logits[i], static_cast<int32_t>(i)});
  }
  std::sort(all.begin(), all.end(), IsLikelier);
  return all;
}

TEST(LogitScanTest, SelectsWhatASortWould) {
  std::mt19937 random(3);
  std::vector<Candidate> top;
  for (int round = 0; round < 2000; ++round) {
    const std::vector<float> logits = RandomLogits(random);
    const std::vector<Candidate> sorted = SortAll(logits);
    EXPECT_EQ(Likeliest(logits).id, sorted[0].id);
    const int n = random() % 2 == 0 ? random() % 8 : random() % 800;
    SelectLikeliest(logits, n, top);
    ASSERT_EQ(top.size(), std::min<size_t>(n, logits.size()));
    for (size_t i = 0; i < top.size(); ++i) {
      ASSERT_EQ(top[i].id, sorted[i].id);
      ASSERT_EQ(top[i].logit, sorted[i].logit);
    }
  }
}

TEST(LogitScanTest, SortsManyAsFew) {
  std::mt19937 random(4);
  std::uniform_real_distribution<float> real(-20.0F, 20.0F);
  std::vector<Candidate> scratch;
  for (const int size : {0, 1, 100, 2047, 2048, 5000, 50000}) {
    for (const bool ties : {false, true}) {
      std::vector<Candidate> candidates;
      for (int id = 0; id < size; ++id) {
        const float logit = ties ? static_cast<float>(random() % 9) - 4.0F : real(random);
        candidates.push_back({random() % 9 == 0 ? -0.0F : logit, id * 3});
      }
      std::vector<Candidate> sorted = candidates;
      std::sort(sorted.begin(), sorted.end(), IsLikelier);
      SortByLikelihood(candidates, scratch);
      ASSERT_EQ(candidates.size(), sorted.size());
      for (size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(candidates[i].id, sorted[i].id);
    }
  }
}

TEST(LogitScanTest, NothingLikelyIsTokenZero) {
  EXPECT_EQ(Likeliest(std::vector<float>(300, -kInfinity)).id, 0);
  EXPECT_EQ(Likeliest(std::vector<float>(300, kNaN)).id, 0);
  EXPECT_EQ(Likeliest({}).id, 0);
}

TEST(LogitScanTest, WeightsAreExponentials) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> logit(-80.0F, 0.0F);
  const WeightFunction weight(3.0F, 1.0F);
  EXPECT_EQ(weight(3.0F), 1.0F);
  EXPECT_EQ(weight(-kInfinity), 0.0F);
  EXPECT_EQ(weight(kNaN), 0.0F);
  EXPECT_EQ(weight(-100.0F), 0.0F);
  for (int i = 0; i < 100000; ++i) {
    const float x = logit(random);
    const double exact = std::exp(static_cast<double>(x) - 3.0);
    ASSERT_NEAR(weight(x) / exact, 1.0, 1e-5) << x;
  }
}

TEST(LogitScanTest, WeightsStayFiniteAtTheExtremes) {
  const float greatest = std::numeric_limits<float>::max();
  for (const float temperature : {1e-45F, 1e-3F, 1.0F, greatest}) {
    for (const float max : {kInfinity, greatest, 0.0F, -greatest}) {
      const WeightFunction weight(max, temperature);
      EXPECT_EQ(weight(max), 1.0F);
      EXPECT_EQ(weight(-kInfinity), 0.0F);
      EXPECT_EQ(weight(kNaN), 0.0F);
    }
  }
}

TEST(LogitScanTest, TheTableSumsAndFinds) {
  std::mt19937 random(9);
  WeightTable table;
  for (int round = 0; round < 300; ++round) {
    const std::vector<float> logits = RandomLogits(random);
    const Candidate best = Likeliest(logits);
    if (best.logit == -kInfinity) continue;
    const WeightFunction weight(best.logit, 0.7F);
    const float least = round % 2 == 0 ? 0.0F : 0.01F;
    table.Fill(logits, weight, least);

    double total = 0.0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const float expected = weight(logits[i]) >= least ? weight(logits[i]) : 0.0F;
      ASSERT_EQ(table[i], expected);
      total += expected;
    }
    ASSERT_NEAR(table.total(), total, 1e-9 * total);
    if (least == 0.0F) {
      EXPECT_EQ(table.total(), TotalWeight(logits, weight));
    }

    double before = 0.0;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (table[i] > 1e-6F) {
        EXPECT_EQ(table.Find(before + 0.5 * table[i]), static_cast<int32_t>(i));
      }
      before += table[i];
    }
    EXPECT_GT(table[table.Find(table.total())], 0.0F);
    EXPECT_GT(table[table.Find(2.0 * table.total())], 0.0F);
  }
}

}  // namespace
}  // namespace prefixd
