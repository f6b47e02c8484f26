// The frozen weights of each architecture, ready for the forward pass.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "model/half.h"
#include "model/linear.h"
#include "model/model_config.h"
#include "model/tensor_source.h"

namespace prefixd {

// The scale and shift of a normalisation. No bias: RMS norm; otherwise layer norm.
struct NormWeights {
  std::vector<float> weight;  // [n]
  std::vector<float> bias;    // [n] or empty
  float epsilon = 0.0F;
};

// Rows by id, in f32 or fp16.
class Embedding {
 public:
  Embedding() = default;
  Embedding(HostTensor table, Precision precision);

  int width() const { return width_; }
  int64_t bytes() const { return int64_t{4} * floats_.size() + int64_t{2} * halves_.size(); }

  // Writes row `id`. out: [width]
  void CopyRow(int64_t id, float* out) const;

 private:
  int width_ = 0;
  std::vector<float> floats_;  // [rows, width], one of the two
  std::vector<Half> halves_;
};

// Llama (Touvron et al. 2023, arXiv 2302.13971) and its kin.
struct LlamaWeights {
  struct Layer {
    NormWeights attention_norm;
    std::unique_ptr<const Linear> qkv;  // queries, keys, values
    std::unique_ptr<const Linear> attention_output;
    NormWeights ffn_norm;
    std::unique_ptr<const Linear> gate_up;  // gate, up
    std::unique_ptr<const Linear> down;
  };
  Embedding embedding;
  std::vector<Layer> layers;
  NormWeights output_norm;
  std::unique_ptr<const Linear> head;
};

// GPT-2 (Radford et al. 2019).
struct Gpt2Weights {
  struct Layer {
    NormWeights attention_norm;
    std::unique_ptr<const Linear> qkv;
    std::unique_ptr<const Linear> attention_output;
    NormWeights ffn_norm;
    std::unique_ptr<const Linear> up;
    std::unique_ptr<const Linear> down;
  };
  Embedding embedding;
  Embedding position_embedding;
  std::vector<Layer> layers;
  NormWeights output_norm;
  std::unique_ptr<const Linear> head;
};

struct ModelWeights {
  std::variant<LlamaWeights, Gpt2Weights> architecture;
  std::vector<float> rope_frequencies;  // [head_dim / 2] radians a position; empty for GPT-2
  int64_t bytes = 0;
};

// Reads all weights. INVALID_ARGUMENT, naming the tensor, when one is missing or misshapen.
absl::StatusOr<ModelWeights> LoadWeights(const ModelConfig& config, const TensorSource& source,
                                         Precision precision);

// The angle for one position of each pair of elements: base^(-2 i / head_dim), scaled as the model
// asks. `divisors`: [head_dim / 2] from the file, or empty.
std::vector<float> RopeFrequencies(const ModelConfig& config, const std::vector<float>& divisors);

}  // namespace prefixd
