// A GGUF file as a model: its configuration and its tensors.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/files/gguf.h"
#include "model/model_config.h"
#include "model/tensor_source.h"

namespace prefixd {

// Architectures "llama", "qwen2" and "gpt2"; UNIMPLEMENTED for others, for mixtures of experts,
// partial rotation and scaled rotation that is not linear. INVALID_ARGUMENT or NOT_FOUND names a
// metadata entry that is wrong or missing. The eos ids are tokenizer.ggml.eos_token_id,
// eot_token_id and eom_token_id, and the control tokens whose texts are known to end an answer
// ("<|im_end|>", "<|eot_id|>", …).
absl::StatusOr<ModelConfig> ReadGgufConfig(const GgufFile& file);

// The file's tensors. `config` is what ReadGgufConfig made of the file; INVALID_ARGUMENT when the
// Q and K projections of a llama have other rows than it says.
absl::StatusOr<std::unique_ptr<TensorSource>> MakeGgufSource(std::unique_ptr<GgufFile> file,
                                                             const ModelConfig& config);

}  // namespace prefixd
