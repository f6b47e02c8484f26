// Products over frozen weights against a plain loop, and their rows' independence.

#include "model/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/str_cat.h"
#include "model/half.h"

namespace prefixd {
namespace {

HostTensor RandomTensor(std::vector<int64_t> shape, std::mt19937* random) {
  HostTensor tensor{std::move(shape), {}};
  int64_t size = 1;
  for (const int64_t extent : tensor.shape) size *= extent;
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < size; ++i)
    tensor.values.push_back(HalfToFloat(FloatToHalf(normal(*random))));
  return tensor;
}

std::vector<float> Multiply(const Linear& linear, const std::vector<float>& x, int rows,
                            int parts) {
  std::vector<float> y(static_cast<size_t>(rows) * linear.out_features(), NAN);
  for (int part = 0; part < parts; ++part) {
    linear.Multiply(x.data(), rows, y.data(), Linear::Into::kOverwrite, {part, parts});
  }
  return y;
}

class LinearTest : public testing::TestWithParam<Precision> {
 protected:
  std::mt19937 random_{5};
};

TEST_P(LinearTest, EqualsTheOracleAtRandomShapes) {
  for (int round = 0; round < 40; ++round) {
    const auto draw = [&](int most) { return std::uniform_int_distribution(1, most)(random_); };
    const int in = draw(700);
    const int first = draw(90);
    const int second = draw(90);
    const int rows = draw(40);
    const bool with_bias = draw(2) == 1;
    LinearSpec spec;
    spec.weights = {RandomTensor({first, in}, &random_), RandomTensor({second, in}, &random_)};
    if (with_bias)
      spec.biases = {RandomTensor({first}, &random_), RandomTensor({second}, &random_)};
    const std::vector<float> weight = StackValues(spec.weights);
    const std::vector<float> bias = StackValues(spec.biases);
    const std::vector<float> x = RandomTensor({rows, in}, &random_).values;
    const auto linear = MakeLinear(std::move(spec), GetParam());
    ASSERT_EQ(linear->in_features(), in);
    ASSERT_EQ(linear->out_features(), first + second);

    const std::vector<float> y = Multiply(*linear, x, rows, 3);
    std::vector<float> sum = y;
    for (int part = 0; part < 2; ++part) {
      linear->Multiply(x.data(), rows, sum.data(), Linear::Into::kAdd, {part, 2});
    }
    for (int row = 0; row < rows; ++row) {
      for (int out = 0; out < first + second; ++out) {
        double expected = with_bias ? bias[out] : 0.0;
        for (int i = 0; i < in; ++i) expected += double{x[row * in + i]} * weight[out * in + i];
        const int at = row * (first + second) + out;
        ASSERT_NEAR(y[at], expected, 1e-3) << StrCat("row ", row, ", column ", out, ", in ", in);
        ASSERT_NEAR(sum[at], 2 * expected, 2e-3);
      }
    }
  }
}

TEST(Fp16LinearTest, ARowsBitsDependOnThatRowAlone) {
  std::mt19937 random(6);
  for (const auto& [in, out] : {std::pair(576, 1536), std::pair(577, 963), std::pair(48, 80)}) {
    LinearSpec spec;
    spec.weights = {RandomTensor({out, in}, &random)};
    const auto linear = MakeFp16Linear(std::move(spec));
    const int most = 300;
    const std::vector<float> x = RandomTensor({most, in}, &random).values;
    std::vector<std::vector<float>> alone;
    for (int row = 0; row < most; ++row) {
      alone.push_back(Multiply(*linear, {x.begin() + row * in, x.begin() + (row + 1) * in}, 1, 1));
    }
    for (const int rows : {2, 3, 7, 14, 32, 119, 120, 121, 300}) {
      for (const int parts : {1, 2, 3}) {
        const int first = std::uniform_int_distribution(0, most - rows)(random);
        const std::vector<float> y = Multiply(
            *linear, {x.begin() + first * in, x.begin() + (first + rows) * in}, rows, parts);
        for (int row = 0; row < rows; ++row) {
          const std::vector<float> own(y.begin() + row * out, y.begin() + (row + 1) * out);
          ASSERT_EQ(own, alone[first + row]) << rows << " rows, " << parts << " parts, row " << row;
        }
      }
    }
  }
}

// A part that began a column of another part, or left one of its own unbegun, would race with it.
TEST(Fp16LinearTest, EachPartComputesItsOwnColumnsAlone) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const int in = std::uniform_int_distribution(1, 50)(random);
    const int out = std::uniform_int_distribution(1, 300)(random);
    const int parts = std::uniform_int_distribution(1, 4)(random);
    LinearSpec spec;
    spec.weights = {RandomTensor({out, in}, &random)};
    spec.biases = {RandomTensor({out}, &random)};
    const auto linear = MakeFp16Linear(std::move(spec));
    const std::vector<float> x = RandomTensor({3, in}, &random).values;
    const std::vector<float> whole = Multiply(*linear, x, 3, 1);
    std::vector<int> writers(whole.size(), 0);
    for (int part = 0; part < parts; ++part) {
      std::vector<float> y(whole.size(), NAN);
      linear->Multiply(x.data(), 3, y.data(), Linear::Into::kOverwrite, {part, parts});
      for (size_t i = 0; i < y.size(); ++i) {
        if (std::isnan(y[i])) continue;
        ++writers[i];
        ASSERT_EQ(y[i], whole[i]) << out << " columns, part " << part << " of " << parts;
      }
    }
    ASSERT_EQ(writers, std::vector<int>(whole.size(), 1)) << out << " columns, " << parts;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, LinearTest,
                         testing::Values(Precision::kFp32, Precision::kFp16),
                         [](const auto& info) { return std::string(PrecisionName(info.param)); });

}  // namespace
}  // namespace prefixd
