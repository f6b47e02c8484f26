#include "model/files/dequantize.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_format.h"
#include "model/half.h"

namespace prefixd {
namespace {

template <typename T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

float FromBF16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t ToBF16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

// `block` points at the f16 scale; writes 32 values.
void DequantizeQ4_0(const char* block, float* values) {
  const float scale = HalfToFloat(Load<uint16_t>(block));
  for (int i = 0; i < 16; ++i) {
    const auto pair = static_cast<uint8_t>(block[2 + i]);
    values[i] = static_cast<float>((pair & 0x0F) - 8) * scale;
    values[i + 16] = static_cast<float>((pair >> 4) - 8) * scale;
  }
}

void DequantizeQ4_1(const char* block, float* values) {
  const float scale = HalfToFloat(Load<uint16_t>(block));
  const float minimum = HalfToFloat(Load<uint16_t>(block + 2));
  for (int i = 0; i < 16; ++i) {
    const auto pair = static_cast<uint8_t>(block[4 + i]);
    values[i] = static_cast<float>(pair & 0x0F) * scale + minimum;
    values[i + 16] = static_cast<float>(pair >> 4) * scale + minimum;
  }
}

void DequantizeQ8_0(const char* block, float* values) {
  const float scale = HalfToFloat(Load<uint16_t>(block));
  for (int i = 0; i < 32; ++i) {
    values[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
  }
}

void DequantizeBlock(TensorType type, const char* block, float* values) {
  switch (type) {
    case TensorType::kF32:
      *values = Load<float>(block);
      return;
    case TensorType::kF16:
      *values = HalfToFloat(Load<uint16_t>(block));
      return;
    case TensorType::kBF16:
      *values = FromBF16(Load<uint16_t>(block));
      return;
    case TensorType::kQ4_0:
      return DequantizeQ4_0(block, values);
    case TensorType::kQ4_1:
      return DequantizeQ4_1(block, values);
    case TensorType::kQ8_0:
      return DequantizeQ8_0(block, values);
  }
}

}  // namespace

std::string_view TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "F32";
    case TensorType::kF16:
      return "F16";
    case TensorType::kBF16:
      return "BF16";
    case TensorType::kQ4_0:
      return "Q4_0";
    case TensorType::kQ4_1:
      return "Q4_1";
    case TensorType::kQ8_0:
      return "Q8_0";
  }
  return "unknown";
}

BlockLayout LayoutOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return {.values = 1, .bytes = 4};
    case TensorType::kF16:
    case TensorType::kBF16:
      return {.values = 1, .bytes = 2};
    case TensorType::kQ4_0:
      return {.values = 32, .bytes = 18};
    case TensorType::kQ4_1:
      return {.values = 32, .bytes = 20};
    case TensorType::kQ8_0:
      return {.values = 32, .bytes = 34};
  }
  return {.values = 1, .bytes = 1};
}

absl::Status Dequantize(TensorType type, std::string_view bytes, std::span<float> values) {
  const BlockLayout layout = LayoutOf(type);
  const size_t blocks = values.size() / layout.values;
  if (values.size() % layout.values != 0 || bytes.size() != blocks * layout.bytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d bytes of %s do not hold %d values", bytes.size(), TensorTypeName(type), values.size()));
  }
  if (type == TensorType::kF32) {
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  for (size_t block = 0; block < blocks; ++block) {
    DequantizeBlock(type, bytes.data() + block * layout.bytes,
                    values.data() + block * layout.values);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ConvertFromFloat(TensorType type, std::span<const float> values) {
  if (type == TensorType::kF32) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  if (type != TensorType::kF16 && type != TensorType::kBF16) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cannot write %s; F32, F16 and BF16 can be written", TensorTypeName(type)));
  }
  std::string bytes(values.size() * sizeof(uint16_t), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = type == TensorType::kF16 ? FloatToHalf(values[i]) : ToBF16(values[i]);
    std::memcpy(bytes.data() + i * sizeof(half), &half, sizeof(half));
  }
  return bytes;
}

}  // namespace prefixd
