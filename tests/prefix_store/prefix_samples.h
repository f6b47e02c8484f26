// Prefixes and files of prefixes, made up for tests.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/files/dequantize.h"
#include "model/files/safetensors.h"
#include "prefix_store/prefix_file.h"

namespace prefixd {

inline PrefixTarget SampleTarget() {
  return {.shape = {.layers = 3, .kv_heads = 2, .head_dim = 4},
          .fingerprint = std::string(63, '0') + "f",
          .max_positions = 32};
}

// A prefix of the sample target with values that are not fp16's.
inline PrefixFile SamplePrefix(int positions, uint32_t seed) {
  PrefixFile file;
  file.tensor.shape = SampleTarget().shape;
  file.tensor.positions = positions;
  file.tensor.position_offset = positions;
  file.model_fingerprint = SampleTarget().fingerprint;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  file.tensor.values.resize(positions * file.tensor.shape.values_per_position());
  for (float& value : file.tensor.values) value = normal(random);
  return file;
}

// A safetensors file with one tensor.
inline std::string OneTensorFile(const std::string& name, TensorType type,
                                 std::vector<int64_t> shape, const std::vector<float>& values,
                                 const TensorsMetadata& metadata) {
  const std::string bytes = ConvertFromFloat(type, values).value();
  const Dtype dtype = type == TensorType::kF32   ? Dtype::kF32
                      : type == TensorType::kF16 ? Dtype::kF16
                                                 : Dtype::kBF16;
  const TensorView view = {.dtype = dtype, .shape = std::move(shape), .bytes = bytes};
  return SerializeSafetensors({{name, view}}, metadata).value();
}

}  // namespace prefixd
