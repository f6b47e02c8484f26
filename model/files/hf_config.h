// config.json and generation_config.json of a Hugging Face directory.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "model/model_config.h"

namespace prefixd {

struct HfConfig {
  ModelConfig model;
  bool tied_embeddings = false;  // the output matrix is the embedding matrix
  bool attention_bias = false;   // the Q, K and V projections have biases
};

// Reads both the keys of transformers 5 (rope_parameters) and the older ones (rope_theta,
// rope_scaling). model_type "llama", "qwen2" or "gpt2"; UNIMPLEMENTED, naming the file and the key,
// for another and for anything else that prefixd does not compute: an activation, a scaling of the
// rotation, sliding windows, quantised weights. NOT_FOUND when there is no config.json,
// INVALID_ARGUMENT when a value is missing or makes no sense.
absl::StatusOr<HfConfig> ReadHfConfig(const std::string& directory);

}  // namespace prefixd
