// The row kernels against plain loops in double, at sizes around the vectors' widths.

#include "model/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

namespace prefixd {
namespace {

using Row = std::vector<float>;

class KernelsTest : public testing::TestWithParam<int> {
 protected:
  int n() const { return GetParam(); }

  Row Random(int size, float scale = 3.0F) {
    std::normal_distribution<float> normal(0.0F, scale);
    Row row(size);
    for (float& value : row) value = normal(random_);
    return row;
  }

  static void ExpectNear(const Row& actual, const std::function<double(int)>& expected) {
    for (size_t i = 0; i < actual.size(); ++i) {
      const double wanted = expected(static_cast<int>(i));
      EXPECT_NEAR(actual[i], wanted, 2e-6 * std::max(1.0, std::abs(wanted))) << "element " << i;
    }
  }

  std::mt19937 random_{12345};
};

TEST_P(KernelsTest, RmsNorm) {
  const Row x = Random(n());
  const Row weight = Random(n());
  Row out(n());
  RmsNormRow(x.data(), weight.data(), 1e-5F, n(), out.data());
  double squares = 0.0;
  for (const float v : x) squares += double{v} * v;
  const double scale = 1.0 / std::sqrt(squares / n() + 1e-5);
  ExpectNear(out, [&](int i) { return x[i] * scale * weight[i]; });
}

TEST_P(KernelsTest, LayerNorm) {
  const Row x = Random(n());
  const Row weight = Random(n());
  const Row bias = Random(n());
  Row out(n());
  LayerNormRow(x.data(), weight.data(), bias.data(), 1e-5F, n(), out.data());
  double mean = 0.0;
  for (const float v : x) mean += v / double(n());
  double variance = 0.0;
  for (const float v : x) variance += (v - mean) * (v - mean) / n();
  const double scale = 1.0 / std::sqrt(variance + 1e-5);
  for (int i = 0; i < n(); ++i) {
    EXPECT_NEAR(out[i], (x[i] - mean) * scale * weight[i] + bias[i], 2e-5);
  }
}

TEST_P(KernelsTest, SiluGate) {
  const Row x = Random(2 * n());
  Row out(n());
  SiluGateRow(x.data(), n(), out.data());
  ExpectNear(out, [&](int i) { return x[i] / (1.0 + std::exp(-double{x[i]})) * x[n() + i]; });
}

TEST_P(KernelsTest, Gelu) {
  const Row x = Random(n());
  Row out(n());
  GeluRow(x.data(), n(), out.data());
  ExpectNear(out, [&](int i) {
    const double v = x[i];
    return 0.5 * v * (1.0 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
  });
}

TEST_P(KernelsTest, Rotate) {
  const int head_dim = 2 * n();
  Row x = Random(3 * head_dim);
  const Row before = x;
  const Row cosines = Random(n());
  const Row sines = Random(n());
  RotateRow(x.data(), 3, head_dim, cosines.data(), sines.data());
  ExpectNear(x, [&](int i) {
    const int element = i % head_dim;
    const int pair = element % n();
    const int other = element < n() ? i + n() : i - n();
    const double sign = element < n() ? -1.0 : 1.0;
    return double{before[i]} * cosines[pair] + sign * double{before[other]} * sines[pair];
  });
}

TEST_P(KernelsTest, HalvesThereAndBack) {
  const Row x = Random(n(), 100.0F);
  std::vector<Half> halves(n());
  FloatToHalfRow(x.data(), n(), halves.data());
  for (int i = 0; i < n(); ++i) EXPECT_EQ(halves[i], FloatToHalf(x[i]));
  Row back(n());
  HalfToFloatRow(halves.data(), n(), back.data());
  for (int i = 0; i < n(); ++i) EXPECT_EQ(back[i], HalfToFloat(halves[i]));
}

TEST(HalfTest, OverflowIsHeldAtTheLargest) {
  const Row x(20, 1e6F);
  std::vector<Half> halves(20);
  FloatToHalfRow(x.data(), 20, halves.data());
  for (const Half half : halves) EXPECT_EQ(HalfToFloat(half), kHalfMax);
}

INSTANTIATE_TEST_SUITE_P(Sizes, KernelsTest, testing::Values(1, 4, 7, 8, 15, 16, 17, 31, 64, 577));

}  // namespace
}  // namespace prefixd
