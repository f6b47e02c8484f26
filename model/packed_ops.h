// The layers' operations for serving: packed weights, fused row kernels, attention over pages.
//
// Every worker of the team runs the whole sequence; each operation is cut among them and ends at a
// barrier, unless the next one reads only what the same worker wrote.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "model/attention.h"
#include "model/flat_batch.h"
#include "model/kv_layout.h"
#include "model/weights.h"
#include "model/worker_team.h"

namespace prefixd {

using FloatBuffer = hwy::AlignedFreeUniquePtr<float[]>;

// What one worker needs for attention.
struct WorkerScratch {
  std::vector<float> scores;  // AttentionScratch of the longest row
  std::vector<Half> key;      // [head_dim]
};

// What the operations write to; made once for the largest step.
struct PackedBuffers {
  PackedBuffers(const ModelConfig& config, const RunnerOptions& options, int workers);

  // Makes room for rows with so many keys.
  void ReserveKeys(int group, int keys);

  FloatBuffer x;        // [tokens, hidden], the residual stream
  FloatBuffer normed;   // [tokens, hidden]
  FloatBuffer wide;     // [tokens, widest product]
  FloatBuffer inner;    // [tokens, widest input of a product]
  FloatBuffer logits;   // [logit rows, vocabulary]
  FloatBuffer cosines;  // [tokens, head_dim / 2]
  FloatBuffer sines;    // [tokens, head_dim / 2]
  std::vector<WorkerScratch> scratch;
};

// One row's keys in memory: its prefixes' pages, then its own.
struct RowContext {
  std::vector<ContextPage> pages;
  int prefix_keys = 0;
  std::vector<Half*> own_pages;
};

// All that the workers share in one forward pass.
struct PackedStep {
  const ModelConfig* config;
  const ModelWeights* weights;
  const KvLayout* layout;
  const FlatBatch* batch;
  std::span<const RowContext> contexts;
  PackedBuffers* buffers;
};

// One worker's part in one forward pass.
class PackedOps {
 public:
  // Rows of one of the shared buffers.
  struct Value {
    float* data;
    int rows;
    int width;

    float* row(int i) const { return data + static_cast<int64_t>(i) * width; }
  };

  PackedOps(const PackedStep& step, Worker* worker);

  Value Embed(const Embedding& table);
  Value AddPositions(const Embedding& table, Value x);
  Value Norm(const NormWeights& norm, Value x);
  Value Multiply(const Linear& linear, Value x);
  Value AddMultiply(const Linear& linear, Value a, Value x);
  Value Rotate(Value qkv);
  Value Attend(int layer, Value qkv);
  Value SiluGate(Value gate_up);
  Value Gelu(Value x);
  Value SelectLogitRows(Value x);
  void Logits(const Linear& head, Value x);

 private:
  // Applies `body` to this worker's share of `x`'s rows.
  template <class Body>
  void ForOwnRows(const Value& x, const Body& body);

  void ComputeAngles();
  void WriteKeysAndValues(int layer, Value qkv);

  const PackedStep& step_;
  const ModelConfig& config_;
  const FlatBatch& batch_;
  PackedBuffers& buffers_;
  Worker& worker_;
  WorkerScratch& scratch_;
};

}  // namespace prefixd
