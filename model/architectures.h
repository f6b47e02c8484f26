// The architectures, each written once as a sequence over the layers' operations.
//
// `Ops` is DenseOps (LibTorch) or PackedOps (fbgemm and Highway); both have these operations on an
// opaque `Value`, which stands for [tokens, width]:
//
//   Embed(table)               the rows of the batch's tokens
//   AddPositions(table, x)     x + the rows of the batch's positions
//   Norm(norm, x)              normalised rows
//   Multiply(linear, x)        x Wᵀ + b
//   AddMultiply(linear, a, x)  x + (a Wᵀ + b)
//   Rotate(qkv)                rotary embedding of queries and keys, in place
//   Attend(layer, qkv)         writes keys and values into the rows' pages, then attends over the
//                              rows' prefixes and pages
//   SiluGate(x), Gelu(x)       activations
//   SelectLogitRows(x)         the rows whose logits are asked for
//   Logits(head, x)            the end
#pragma once

#include "model/weights.h"

namespace prefixd {

template <class Ops>
void RunArchitecture(const LlamaWeights& weights, Ops& ops) {
  auto x = ops.Embed(weights.embedding);
  int index = 0;
  for (const LlamaWeights::Layer& layer : weights.layers) {
    auto qkv = ops.Multiply(*layer.qkv, ops.Norm(layer.attention_norm, x));
    qkv = ops.Rotate(qkv);
    x = ops.AddMultiply(*layer.attention_output, ops.Attend(index++, qkv), x);
    auto gate_up = ops.Multiply(*layer.gate_up, ops.Norm(layer.ffn_norm, x));
    x = ops.AddMultiply(*layer.down, ops.SiluGate(gate_up), x);
  }
  ops.Logits(*weights.head, ops.Norm(weights.output_norm, ops.SelectLogitRows(x)));
}

template <class Ops>
void RunArchitecture(const Gpt2Weights& weights, Ops& ops) {
  auto x = ops.AddPositions(weights.position_embedding, ops.Embed(weights.embedding));
  int index = 0;
  for (const Gpt2Weights::Layer& layer : weights.layers) {
    auto qkv = ops.Multiply(*layer.qkv, ops.Norm(layer.attention_norm, x));
    x = ops.AddMultiply(*layer.attention_output, ops.Attend(index++, qkv), x);
    auto up = ops.Multiply(*layer.up, ops.Norm(layer.ffn_norm, x));
    x = ops.AddMultiply(*layer.down, ops.Gelu(up), x);
  }
  ops.Logits(*weights.head, ops.Norm(weights.output_norm, ops.SelectLogitRows(x)));
}

}  // namespace prefixd
