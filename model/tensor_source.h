// Where a model's frozen weights come from: tensors by name, read as f32.
//
// Names are GGUF's ("token_embd.weight", "blk.3.attn_q.weight", "output_norm.weight"), whatever
// the file behind; a matrix is [out, in], row-major. The rows of Llama's Q and K projections are in
// Hugging Face's order (the two halves of a head rotate against each other), whatever the file's.
//
//   token_embd.weight [vocabulary, hidden]      position_embd.weight [positions, hidden]  (GPT-2)
//   output_norm.{weight,bias} [hidden]          output.weight [vocabulary, hidden]  (untied heads)
//   rope_freqs.weight [head_dim / 2]            (Llama 3: divisors of the rotation's frequencies)
//   blk.N.attn_norm.{weight,bias}               blk.N.ffn_norm.{weight,bias}
//   blk.N.attn_{q,k,v}.{weight,bias}            (Llama, Qwen2)   blk.N.attn_qkv.{weight,bias}
//   (GPT-2) blk.N.attn_output.{weight,bias} blk.N.ffn_{gate,up,down}.{weight,bias}      (GPT-2 has
//   no gate)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace prefixd {

// Values in host memory, row-major.
struct HostTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

// Thread-safe once made. Reads from a mapped file: nothing is kept.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  virtual bool Has(std::string_view name) const = 0;

  // The tensor's values, dequantised. NOT_FOUND names a tensor that is missing.
  virtual absl::StatusOr<HostTensor> Read(std::string_view name) const = 0;

  // SHA-256 over the names, types, shapes and stored bytes of all tensors, in the order of their
  // names, as hexadecimal digits.
  virtual std::string Fingerprint() const = 0;
};

}  // namespace prefixd
