// The safetensors of a Hugging Face directory as a model's tensors.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/files/hf_config.h"
#include "model/tensor_source.h"

namespace prefixd {

// Opens `directory`/model.safetensors, or the shards that model.safetensors.index.json lists.
// NOT_FOUND when there is neither; INVALID_ARGUMENT when a file is malformed or truncated, or lacks
// a tensor that the index or the configuration asks for; UNIMPLEMENTED for a tensor that prefixd
// would not use (so that no part of a model is silently left out) or that is not F32, F16 or BF16.
absl::StatusOr<std::unique_ptr<TensorSource>> OpenHfSource(const std::string& directory,
                                                           const HfConfig& config);

}  // namespace prefixd
