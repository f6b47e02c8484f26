#include "model/files/dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "model/files/gguf.h"
#include "model/files/safetensors.h"
#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

// The values of the gguf package, bit for bit.
TEST(DequantizeTest, EveryTypeAsTheReference) {
  const auto file = GgufFile::Open(GoldenPath("gguf/types.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto expected = OpenSafetensors(GoldenPath("gguf/types.safetensors"));
  ASSERT_TRUE(expected.ok()) << expected.status();
  ASSERT_EQ((*file)->tensors().size(), std::size(kTensorTypes));
  for (const auto& [name, tensor] : (*file)->tensors()) {
    SCOPED_TRACE(name);
    EXPECT_EQ(TensorTypeName(tensor.type), name);
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{3, 96}));
    std::vector<float> values(3 * 96);
    ASSERT_TRUE(Dequantize(tensor.type, tensor.bytes, values).ok());
    const std::string_view reference = expected->contents.tensors.find(name)->second.bytes;
    ASSERT_EQ(reference.size(), values.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(reference.data(), values.data(), reference.size()), 0);
  }
}

TEST(DequantizeTest, RefusesBytesThatDoNotFit) {
  std::vector<float> values(32);
  for (const TensorType type : kTensorTypes) {
    SCOPED_TRACE(TensorTypeName(type));
    const BlockLayout layout = LayoutOf(type);
    const std::string bytes(32 / layout.values * layout.bytes, '\0');
    EXPECT_TRUE(Dequantize(type, bytes, values).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(Dequantize(type, bytes.substr(1), values)));
    EXPECT_TRUE(absl::IsInvalidArgument(Dequantize(type, bytes + "x", values)));
    EXPECT_TRUE(absl::IsInvalidArgument(Dequantize(type, bytes, std::span(values).first(31))));
    EXPECT_TRUE(Dequantize(type, "", {}).ok());
  }
}

// Every value of the narrow type comes back as it was.
TEST(ConvertFromFloatTest, RoundTripsEveryHalf) {
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16}) {
    SCOPED_TRACE(TensorTypeName(type));
    std::string bytes;
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      bytes.push_back(static_cast<char>(bits & 0xFF));
      bytes.push_back(static_cast<char>(bits >> 8));
    }
    std::vector<float> values(0x10000);
    ASSERT_TRUE(Dequantize(type, bytes, values).ok());
    const auto back = ConvertFromFloat(type, values);
    ASSERT_TRUE(back.ok());
    for (size_t i = 0; i < values.size(); ++i) {
      const bool same = back->compare(2 * i, 2, bytes, 2 * i, 2) == 0;
      ASSERT_TRUE(same || std::isnan(values[i])) << i;
    }
  }
}

TEST(ConvertFromFloatTest, RoundsToNearestEven) {
  const std::vector<float> values = {1.0F + 0x1p-11F, 1.0F + 0x3p-11F, 65519.0F, 65520.0F,
                                     -1e30F,          0x1p-25F,        0x3p-25F, -0.0F};
  std::vector<float> rounded(values.size());
  auto half = ConvertFromFloat(TensorType::kF16, values);
  ASSERT_TRUE(half.ok());
  ASSERT_TRUE(Dequantize(TensorType::kF16, *half, rounded).ok());
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(rounded, testing::ElementsAre(1.0F, 1.0F + 0x4p-11F, 65504.0F, kInfinity, -kInfinity,
                                            0.0F, 0x1p-23F, -0.0F));

  half = ConvertFromFloat(TensorType::kBF16,
                          std::vector<float>{1.0F + 0x1p-8F, 1.0F + 0x3p-8F,
                                             std::numeric_limits<float>::max(), std::nanf("")});
  ASSERT_TRUE(half.ok());
  rounded.resize(4);
  ASSERT_TRUE(Dequantize(TensorType::kBF16, *half, rounded).ok());
  EXPECT_EQ(rounded[0], 1.0F);
  EXPECT_EQ(rounded[1], 1.0F + 0x4p-8F);
  EXPECT_EQ(rounded[2], kInfinity);
  EXPECT_TRUE(std::isnan(rounded[3]));
}

TEST(ConvertFromFloatTest, RefusesBlockFormats) {
  const std::vector<float> values(32);
  EXPECT_EQ(ConvertFromFloat(TensorType::kF32, values)->size(), 128U);
  EXPECT_TRUE(absl::IsInvalidArgument(ConvertFromFloat(TensorType::kQ8_0, values).status()));
}

}  // namespace
}  // namespace prefixd
