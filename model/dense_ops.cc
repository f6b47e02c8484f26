#include "model/dense_ops.h"

#include <cmath>

namespace prefixd {
namespace {

at::Tensor ToTensor(const std::vector<float>& values) {
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())});
}

template <class Id>
at::Tensor Lookup(const Embedding& table, const std::vector<Id>& ids) {
  at::Tensor rows = at::empty({static_cast<int64_t>(ids.size()), table.width()});
  for (size_t i = 0; i < ids.size(); ++i) {
    table.CopyRow(ids[i], rows.data_ptr<float>() + i * table.width());
  }
  return rows;
}

}  // namespace

DenseOps::DenseOps(DenseStep* step) : step_(*step), config_(*step->config) {}

DenseOps::Value DenseOps::Embed(const Embedding& table) const {
  return Lookup(table, step_.batch->tokens);
}

DenseOps::Value DenseOps::AddPositions(const Embedding& table, const Value& x) const {
  return x + Lookup(table, step_.batch->positions);
}

DenseOps::Value DenseOps::Norm(const NormWeights& norm, const Value& x) const {
  const at::Tensor weight = ToTensor(norm.weight);
  if (!norm.bias.empty()) {
    return at::layer_norm(x, {x.size(-1)}, weight, ToTensor(norm.bias), norm.epsilon);
  }
  return x * at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + norm.epsilon) * weight;
}

DenseOps::Value DenseOps::Multiply(const Linear& linear, const Value& x) const {
  const at::Tensor input = x.contiguous();
  at::Tensor output = at::empty({x.size(0), linear.out_features()});
  linear.Multiply(input.data_ptr<float>(), static_cast<int>(x.size(0)), output.data_ptr<float>(),
                  Linear::Into::kOverwrite, {});
  return output;
}

DenseOps::Value DenseOps::AddMultiply(const Linear& linear, const Value& a, const Value& x) const {
  return x + Multiply(linear, a);
}

DenseOps::Value DenseOps::Rotate(const Value& qkv) const {
  const int64_t half = config_.head_dim / 2;
  const int64_t rotated = config_.heads + config_.kv_heads;
  const at::Tensor positions = at::tensor(step_.batch->positions, at::kFloat);
  const at::Tensor angles =
      at::outer(positions, ToTensor(step_.weights->rope_frequencies)).unsqueeze(1);
  const at::Tensor cosines = angles.cos();
  const at::Tensor sines = angles.sin();
  const at::Tensor heads = qkv.view({qkv.size(0), -1, config_.head_dim});
  const at::Tensor first = heads.slice(1, 0, rotated).slice(2, 0, half);
  const at::Tensor second = heads.slice(1, 0, rotated).slice(2, half);
  const at::Tensor turned =
      at::cat({first * cosines - second * sines, second * cosines + first * sines}, -1);
  return at::cat({turned, heads.slice(1, rotated)}, 1).view(qkv.sizes());
}

at::Tensor DenseOps::AttendRow(const DenseRow& row, int layer, const at::Tensor& queries) const {
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  for (const at::Tensor& prefix : row.prefixes) {
    keys.push_back(prefix.select(1, 2 * layer));
    values.push_back(prefix.select(1, 2 * layer + 1));
  }
  const at::Tensor own = step_.cache.index_select(0, row.slots);
  keys.push_back(own.select(1, 2 * layer));
  values.push_back(own.select(1, 2 * layer + 1));
  const int64_t group = config_.heads / config_.kv_heads;
  const at::Tensor k = at::cat(keys).repeat_interleave(group, 1).transpose(0, 1);
  const at::Tensor v = at::cat(values).repeat_interleave(group, 1).transpose(0, 1);

  at::Tensor scores = at::matmul(queries.transpose(0, 1), k.transpose(1, 2)) /
                      std::sqrt(static_cast<double>(config_.head_dim));
  // The last token sees every key, the one before all but one, and so on.
  const at::Tensor hidden =
      at::ones({row.tokens, k.size(1)}, at::kBool).triu(k.size(1) - row.tokens + 1);
  scores = scores.masked_fill(hidden, -INFINITY);
  return at::matmul(scores.softmax(-1), v).transpose(0, 1).reshape({row.tokens, -1});
}

DenseOps::Value DenseOps::Attend(int layer, const Value& qkv) const {
  const at::Tensor heads = qkv.view({qkv.size(0), -1, config_.head_dim});
  const at::Tensor queries = heads.slice(1, 0, config_.heads);
  const at::Tensor keys = heads.slice(1, config_.heads, config_.heads + config_.kv_heads);
  const at::Tensor values = heads.slice(1, config_.heads + config_.kv_heads);
  std::vector<at::Tensor> outputs;
  for (const DenseRow& row : step_.rows) {
    const int64_t end = row.first + row.tokens;
    const at::Tensor slots = row.slots.slice(0, row.slots.size(0) - row.tokens);
    at::Tensor layer_keys = step_.cache.select(1, 2 * layer);
    at::Tensor layer_values = step_.cache.select(1, 2 * layer + 1);
    layer_keys.index_copy_(0, slots, keys.slice(0, row.first, end));
    layer_values.index_copy_(0, slots, values.slice(0, row.first, end));
    outputs.push_back(AttendRow(row, layer, queries.slice(0, row.first, end)));
  }
  return at::cat(outputs);
}

DenseOps::Value DenseOps::SiluGate(const Value& gate_up) const {
  const std::vector<at::Tensor> parts = gate_up.chunk(2, -1);
  return at::silu(parts[0]) * parts[1];
}

DenseOps::Value DenseOps::Gelu(const Value& x) const { return at::gelu(x, "tanh"); }

DenseOps::Value DenseOps::SelectLogitRows(const Value& x) const {
  return x.index_select(0, at::tensor(step_.batch->logit_tokens, at::kLong));
}

void DenseOps::Logits(const Linear& head, const Value& x) const {
  step_.logits = Multiply(head, x);
}

}  // namespace prefixd
