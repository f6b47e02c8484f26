// The number formats of stored tensors, and their conversion from and to f32.
//
//   F32, F16, BF16  one value each
//   Q4_0  32 values in 18 bytes: f16 scale d, then 16 bytes; value = d * (q - 8)
//   Q4_1  32 values in 20 bytes: f16 scale d, f16 minimum m, then 16 bytes; value = d * q + m
//   Q8_0  32 values in 34 bytes: f16 scale d, then 32 signed bytes; value = d * q
// In the 4-bit formats byte i holds value i in its low half and value i + 16 in its high half.
// Little-endian throughout, as GGUF and safetensors are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace prefixd {

enum class TensorType { kF32, kF16, kBF16, kQ4_0, kQ4_1, kQ8_0 };

inline constexpr TensorType kTensorTypes[] = {TensorType::kF32,  TensorType::kF16,
                                              TensorType::kBF16, TensorType::kQ4_0,
                                              TensorType::kQ4_1, TensorType::kQ8_0};

// GGUF's name of the type: "F32", "Q4_1", ….
std::string_view TensorTypeName(TensorType type);

// A block is the smallest unit: `values` values in `bytes` bytes.
struct BlockLayout {
  int64_t values;
  int64_t bytes;
};
BlockLayout LayoutOf(TensorType type);

// Writes the values of `bytes` to `values`. INVALID_ARGUMENT unless `bytes` holds exactly
// values.size() values in whole blocks. Bitwise the same as ggml's reference conversion.
absl::Status Dequantize(TensorType type, std::string_view bytes, std::span<float> values);

// The bytes of `values` as F32, F16 or BF16, rounded to nearest, ties to even; too large a value
// becomes infinity, a NaN stays one. INVALID_ARGUMENT for a block format.
absl::StatusOr<std::string> ConvertFromFloat(TensorType type, std::span<const float> values);

}  // namespace prefixd
