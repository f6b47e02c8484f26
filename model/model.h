// A frozen language model and the passes over it, without a tensor in sight.
//
// A Model is loaded once and never changes. A ModelRunner owns what a forward pass writes: cache
// pages and work buffers. Rows of one pass may have different prefixes and lengths: all their
// tokens form one flat [tokens, hidden] batch, and attention reads each row's prefix segments and
// pages where they lie.
//
// Invariant (packed precisions): what a row's tokens give depends on that row alone, to the bit:
// not on the other rows, the cutting of its prompt into chunks, the threads, or a recomputation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/model_config.h"
#include "model/prefix_tensor.h"
#include "model/tensor_source.h"
#include "model/worker_team.h"

namespace prefixd {

enum class Precision {
  kFp32,  // LibTorch in f32, f32 cache: the oracle. Close to exact, not bit-stable across batches.
  kFp16,  // fbgemm with fp16 weights and f32 sums, fp16 cache.
};

std::string_view PrecisionName(Precision precision);
absl::StatusOr<Precision> ParsePrecision(std::string_view name);

// A prefix in the layout of one model's cache. Immutable, so threads may share it; attention reads
// it where it lies.
class PrefixSegment {
 public:
  virtual ~PrefixSegment() = default;
  virtual int positions() const = 0;
  virtual int position_offset() const = 0;
  virtual int64_t bytes() const = 0;  // of memory
};

// One row of a forward pass. The spans must outlive the call.
struct RowInput {
  // The tokens to run now: a decode token, or a chunk of a prompt. Not empty.
  std::span<const int32_t> tokens;
  // How many tokens of the row its pages hold already.
  int cached = 0;
  // The row's prefixes in order, made by the same runner's model and precision.
  std::span<const PrefixSegment* const> prefixes;
  // The row's pages in order, enough for `cached` + tokens.size() tokens.
  std::span<const int> pages;
  // How many of the chunk's last tokens want logits: 0 (a chunk inside a prompt), 1, or more.
  int logits = 0;
};

struct RunnerOptions {
  int pages = 0;            // of the KV cache
  int max_step_tokens = 0;  // of one Forward
  int max_step_logits = 0;  // rows of logits of one Forward
};

// Positions in one page of the KV cache.
inline constexpr int kPageSize = 16;

// Used by one thread at a time.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;

  // Runs one pass over all rows and writes the keys and values of their tokens into their pages.
  // Returns [sum of logits, vocabulary] f32: the rows' logits in the order of the rows and of their
  // tokens; valid until the next call. INVALID_ARGUMENT, changing nothing, when a row breaks its
  // contract or a limit of the options.
  virtual absl::StatusOr<std::span<const float>> Forward(std::span<const RowInput> rows) = 0;

  // The keys and values of the first `positions` tokens in `pages`, as a prefix. `position_offset`
  // is the offset that the prefix shall have.
  virtual PrefixTensor ReadPages(std::span<const int> pages, int positions,
                                 int position_offset) const = 0;
};

// Thread-safe once loaded.
class Model {
 public:
  // Reads, converts and packs all weights of `source` (at the speed of the disk or of about one
  // core a gigabyte a second). INVALID_ARGUMENT, naming the tensor, when one is missing or has
  // another shape than the configuration says.
  static absl::StatusOr<std::unique_ptr<Model>> Load(const ModelConfig& config,
                                                     const TensorSource& source,
                                                     Precision precision);

  virtual ~Model() = default;

  virtual const ModelConfig& config() const = 0;
  virtual Precision precision() const = 0;

  // Architecture, shapes and weights, not the precision: 64 hexadecimal digits.
  virtual const std::string& fingerprint() const = 0;

  PrefixShape prefix_shape() const {
    return {config().layers, config().kv_heads, config().head_dim};
  }

  // Bytes of the KV cache that one page takes.
  virtual int64_t page_bytes() const = 0;

  // Bytes of the frozen weights in memory.
  virtual int64_t weight_bytes() const = 0;

  // Converts a prefix into the cache's layout (in fp16: rounded to nearest; the caller has refused
  // what overflows). INVALID_ARGUMENT, naming expected and found, when its shape is another.
  virtual absl::StatusOr<std::shared_ptr<const PrefixSegment>> MakeSegment(
      const PrefixTensor& prefix) const = 0;

  // `team` must outlive the runner, and so must this model. RESOURCE_EXHAUSTED when the memory for
  // pages and buffers cannot be had.
  virtual absl::StatusOr<std::unique_ptr<ModelRunner>> NewRunner(const RunnerOptions& options,
                                                                 WorkerTeam* team) const = 0;
};

}  // namespace prefixd
