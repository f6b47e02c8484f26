#include "model/packed_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/kernels.h"

namespace prefixd {
namespace {

int QkvWidth(const ModelConfig& config) {
  return (config.heads + 2 * config.kv_heads) * config.head_dim;
}

FloatBuffer Allocate(int64_t rows, int64_t width) {
  return hwy::AllocateAligned<float>(static_cast<size_t>(std::max<int64_t>(rows * width, 1)));
}

}  // namespace

PackedBuffers::PackedBuffers(const ModelConfig& config, const RunnerOptions& options, int workers)
    : x(Allocate(options.max_step_tokens, config.hidden)),
      normed(Allocate(options.max_step_tokens, config.hidden)),
      wide(Allocate(options.max_step_tokens, std::max(QkvWidth(config), 2 * config.feed_forward))),
      inner(
          Allocate(options.max_step_tokens,
                   std::max({config.hidden, config.heads * config.head_dim, config.feed_forward}))),
      logits(Allocate(options.max_step_logits, config.vocabulary)),
      cosines(Allocate(options.max_step_tokens, config.head_dim / 2)),
      sines(Allocate(options.max_step_tokens, config.head_dim / 2)),
      scratch(workers) {
  for (WorkerScratch& worker : scratch) worker.key.resize(config.head_dim);
}

void PackedBuffers::ReserveKeys(int group, int keys) {
  const size_t needed = AttentionScratch(group, keys);
  for (WorkerScratch& worker : scratch) {
    if (worker.scores.size() < needed) worker.scores.resize(needed);
  }
}

PackedOps::PackedOps(const PackedStep& step, Worker* worker)
    : step_(step),
      config_(*step.config),
      batch_(*step.batch),
      buffers_(*step.buffers),
      worker_(*worker),
      scratch_(step.buffers->scratch[worker->index()]) {
  if (!step.weights->rope_frequencies.empty()) ComputeAngles();
}

template <class Body>
void PackedOps::ForOwnRows(const Value& x, const Body& body) {
  const Worker::Range share = worker_.Share(x.rows);
  for (int i = share.begin; i < share.end; ++i) body(i);
}

void PackedOps::ComputeAngles() {
  const std::vector<float>& frequencies = step_.weights->rope_frequencies;
  const size_t pairs = frequencies.size();
  const Worker::Range share = worker_.Share(batch_.size());
  for (int token = share.begin; token < share.end; ++token) {
    const auto position = static_cast<float>(batch_.positions[token]);
    for (size_t i = 0; i < pairs; ++i) {
      const float angle = position * frequencies[i];
      buffers_.cosines[token * pairs + i] = std::cos(angle);
      buffers_.sines[token * pairs + i] = std::sin(angle);
    }
  }
}

PackedOps::Value PackedOps::Embed(const Embedding& table) {
  const Value x{buffers_.x.get(), batch_.size(), config_.hidden};
  ForOwnRows(x, [&](int i) { table.CopyRow(batch_.tokens[i], x.row(i)); });
  return x;
}

PackedOps::Value PackedOps::AddPositions(const Embedding& table, Value x) {
  ForOwnRows(x, [&](int i) {
    float* const position = buffers_.normed.get() + static_cast<int64_t>(i) * x.width;
    table.CopyRow(batch_.positions[i], position);
    for (int j = 0; j < x.width; ++j) x.row(i)[j] += position[j];
  });
  return x;
}

PackedOps::Value PackedOps::Norm(const NormWeights& norm, Value x) {
  const Value out{buffers_.normed.get(), x.rows, x.width};
  ForOwnRows(x, [&](int i) {
    if (norm.bias.empty()) {
      RmsNormRow(x.row(i), norm.weight.data(), norm.epsilon, x.width, out.row(i));
    } else {
      LayerNormRow(x.row(i), norm.weight.data(), norm.bias.data(), norm.epsilon, x.width,
                   out.row(i));
    }
  });
  worker_.Barrier();
  return out;
}

PackedOps::Value PackedOps::Multiply(const Linear& linear, Value x) {
  const Value out{buffers_.wide.get(), x.rows, linear.out_features()};
  linear.Multiply(x.data, x.rows, out.data, Linear::Into::kOverwrite,
                  {worker_.index(), worker_.count()});
  worker_.Barrier();
  return out;
}

PackedOps::Value PackedOps::AddMultiply(const Linear& linear, Value a, Value x) {
  linear.Multiply(a.data, a.rows, x.data, Linear::Into::kAdd, {worker_.index(), worker_.count()});
  worker_.Barrier();
  return x;
}

PackedOps::Value PackedOps::Rotate(Value qkv) {
  const int half = config_.head_dim / 2;
  ForOwnRows(qkv, [&](int i) {
    const int64_t angles = static_cast<int64_t>(i) * half;
    RotateRow(qkv.row(i), config_.heads + config_.kv_heads, config_.head_dim,
              buffers_.cosines.get() + angles, buffers_.sines.get() + angles);
  });
  return qkv;
}

void PackedOps::WriteKeysAndValues(int layer, Value qkv) {
  const KvLayout& layout = *step_.layout;
  const int dim = config_.head_dim;
  Half* const halves = scratch_.key.data();
  ForOwnRows(qkv, [&](int i) {
    const int index = batch_.row_index[i];
    const int slot = index % kPageSize;
    Half* const page = step_.contexts[batch_.row[i]].own_pages[index / kPageSize];
    const float* const keys = qkv.row(i) + config_.heads * dim;
    const float* const values = keys + config_.kv_heads * dim;
    for (int h = 0; h < config_.kv_heads; ++h) {
      Half* const tile = page + layout.TileOffset(layer, h);
      FloatToHalfRow(keys + h * dim, dim, halves);
      Half* const key = tile + layout.KeyOffset(slot);
      for (int j = 0; j < dim; ++j) key[j * kPageSize] = halves[j];
      FloatToHalfRow(values + h * dim, dim, tile + layout.ValueOffset(slot));
    }
  });
}

PackedOps::Value PackedOps::Attend(int layer, Value qkv) {
  WriteKeysAndValues(layer, qkv);
  worker_.Barrier();

  const int group = config_.heads / config_.kv_heads;
  const Value out{buffers_.inner.get(), qkv.rows, config_.heads * config_.head_dim};
  // Tokens are dealt out in turn: later tokens of a prompt have more keys to attend to.
  for (int item = worker_.index(); item < qkv.rows * config_.kv_heads; item += worker_.count()) {
    const int token = item / config_.kv_heads;
    const int kv_head = item % config_.kv_heads;
    const RowContext& context = step_.contexts[batch_.row[token]];
    const int first = kv_head * group * config_.head_dim;
    const AttentionInput input{
        .queries = qkv.row(token) + first,
        .group = group,
        .pages = context.pages,
        .keys = context.prefix_keys + batch_.row_index[token] + 1,
        .tile_offset = step_.layout->TileOffset(layer, kv_head),
    };
    prefixd::Attend(*step_.layout, input, scratch_.scores.data(), out.row(token) + first);
  }
  worker_.Barrier();
  return out;
}

PackedOps::Value PackedOps::SiluGate(Value gate_up) {
  const Value out{buffers_.inner.get(), gate_up.rows, gate_up.width / 2};
  ForOwnRows(out, [&](int i) { SiluGateRow(gate_up.row(i), out.width, out.row(i)); });
  worker_.Barrier();
  return out;
}

PackedOps::Value PackedOps::Gelu(Value x) {
  const Value out{buffers_.inner.get(), x.rows, x.width};
  ForOwnRows(out, [&](int i) { GeluRow(x.row(i), x.width, out.row(i)); });
  worker_.Barrier();
  return out;
}

PackedOps::Value PackedOps::SelectLogitRows(Value x) {
  const Value out{buffers_.inner.get(), static_cast<int>(batch_.logit_tokens.size()), x.width};
  ForOwnRows(out, [&](int i) {
    std::memcpy(out.row(i), x.row(batch_.logit_tokens[i]), sizeof(float) * x.width);
  });
  return out;
}

void PackedOps::Logits(const Linear& head, Value x) {
  if (x.rows == 0) return;
  head.Multiply(x.data, x.rows, buffers_.logits.get(), Linear::Into::kOverwrite,
                {worker_.index(), worker_.count()});
}

}  // namespace prefixd
