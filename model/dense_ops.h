// The layers' operations on LibTorch's tensors, in f32: plain and slow on purpose.
//
// Keys and values lie as [positions, 2 * layers, kv_heads, head_dim], a prefix's as in PrefixTensor
// and the cache's with one position for each slot of each page.
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "model/flat_batch.h"
#include "model/weights.h"

namespace prefixd {

// One row's part in a dense step.
struct DenseRow {
  int first = 0;  // its first token in the batch
  int tokens = 0;
  std::vector<at::Tensor> prefixes;
  at::Tensor slots;  // [cached + tokens] int64: where its tokens' keys and values lie in the cache
};

struct DenseStep {
  const ModelConfig* config;
  const ModelWeights* weights;
  const FlatBatch* batch;
  std::span<const DenseRow> rows;
  at::Tensor cache;   // [slots, 2 * layers, kv_heads, head_dim]
  at::Tensor logits;  // the result: [logit rows, vocabulary]
};

class DenseOps {
 public:
  using Value = at::Tensor;  // [tokens, width]

  explicit DenseOps(DenseStep* step);

  Value Embed(const Embedding& table) const;
  Value AddPositions(const Embedding& table, const Value& x) const;
  Value Norm(const NormWeights& norm, const Value& x) const;
  Value Multiply(const Linear& linear, const Value& x) const;
  Value AddMultiply(const Linear& linear, const Value& a, const Value& x) const;
  Value Rotate(const Value& qkv) const;
  Value Attend(int layer, const Value& qkv) const;
  Value SiluGate(const Value& gate_up) const;
  Value Gelu(const Value& x) const;
  Value SelectLogitRows(const Value& x) const;
  void Logits(const Linear& head, const Value& x) const;

 private:
  at::Tensor AttendRow(const DenseRow& row, int layer, const at::Tensor& queries) const;

  DenseStep& step_;
  const ModelConfig& config_;
};

}  // namespace prefixd
