// What a model's file says of its architecture.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace prefixd {

enum class Architecture {
  kGpt2,
  kLlama,  // Llama 2 and 3, SmolLM2, Qwen2: they differ in data alone (biases, rotation, heads)
};

// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
struct RopeConfig {
  float base = 10000.0F;

  // Positions are divided by this ("linear" scaling; 1: none).
  float linear_factor = 1.0F;

  // Llama 3's scaling, where present: low frequencies are divided by `factor`, high ones kept, and
  // those between blended.
  struct Llama3 {
    float factor = 8.0F;
    float low_frequency_factor = 1.0F;
    float high_frequency_factor = 4.0F;
    int original_max_positions = 8192;
  };
  std::optional<Llama3> llama3;
};

struct ModelConfig {
  std::string name;  // for people
  Architecture architecture = Architecture::kLlama;
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int feed_forward = 0;
  int vocabulary = 0;
  int max_positions = 0;  // positions 0 … max_positions - 1 can be used, prefixes included
  float norm_epsilon = 1e-5F;
  RopeConfig rope;

  std::optional<int32_t> bos_id;
  std::vector<int32_t> eos_ids;  // any of them ends an answer
};

// INVALID_ARGUMENT, naming the field, unless every size is positive and they fit together.
absl::Status CheckModelConfig(const ModelConfig& config);

}  // namespace prefixd
