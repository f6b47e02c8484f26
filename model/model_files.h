// Opens what a user calls "a model": a GGUF file or a Hugging Face directory.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/model_config.h"
#include "model/tensor_source.h"
#include "model/tokenizer.h"

namespace prefixd {

struct ModelFiles {
  ModelConfig config;
  std::unique_ptr<TensorSource> tensors;
  std::unique_ptr<const Tokenizer> tokenizer;
};

// `path` is a .gguf file (version 3), or a directory with config.json, tokenizer.json and
// model.safetensors or model.safetensors.index.json.
// INVALID_ARGUMENT or UNIMPLEMENTED, naming the file and what is wrong with it, when it is
// truncated, or when its architecture, a tensor's type or the tokenizer is not one that prefixd
// knows.
absl::StatusOr<ModelFiles> OpenModelFiles(const std::string& path);

}  // namespace prefixd
