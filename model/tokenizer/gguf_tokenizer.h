// Reads the tokenizer from a GGUF file's metadata (tokenizer.ggml.*).
#pragma once

#include "absl/status/statusor.h"
#include "model/files/gguf.h"
#include "model/tokenizer.h"

namespace prefixd {

// Knows tokenizer.ggml.model "gpt2" (byte-level BPE) with tokenizer.ggml.pre "smollm", "gpt-2",
// "default", "llama-bpe" or "qwen2". Control tokens (tokenizer.ggml.token_type 3) are special, user
// defined ones (4) are not. prefix_ids is the BOS token where the file says so
// (tokenizer.ggml.add_bos_token), or says nothing and is "llama-bpe".
// NOT_FOUND when metadata is missing, INVALID_ARGUMENT when it is damaged; UNIMPLEMENTED, naming
// what was found and what is known, for another tokenizer. All name the file.
absl::StatusOr<TokenizerSpec> ReadGgufTokenizer(const GgufFile& file);

}  // namespace prefixd
