#include "model/dense_runner.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <utility>
#include <variant>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "model/architectures.h"
#include "model/dense_ops.h"
#include "model/flat_batch.h"

namespace prefixd {
namespace {

class DenseSegment final : public PrefixSegment {
 public:
  explicit DenseSegment(const PrefixTensor& prefix)
      : tensor_(at::from_blob(const_cast<float*>(prefix.values.data()),
                              {prefix.positions, 2 * prefix.shape.layers, prefix.shape.kv_heads,
                               prefix.shape.head_dim})
                    .clone()),
        position_offset_(prefix.position_offset) {}

  int positions() const override { return static_cast<int>(tensor_.size(0)); }
  int position_offset() const override { return position_offset_; }
  int64_t bytes() const override { return int64_t{4} * tensor_.numel(); }

  const at::Tensor& tensor() const { return tensor_; }

 private:
  const at::Tensor tensor_;  // [positions, 2 * layers, kv_heads, head_dim]
  const int position_offset_;
};

class DenseRunner final : public ModelRunner {
 public:
  DenseRunner(const ModelConfig* config, const ModelWeights* weights, const RunnerOptions& options)
      : config_(*config),
        weights_(*weights),
        options_(options),
        cache_(at::zeros({int64_t{options.pages} * kPageSize, 2 * config->layers, config->kv_heads,
                          config->head_dim})) {}

  absl::StatusOr<std::span<const float>> Forward(std::span<const RowInput> rows) override {
    PREFIXD_RETURN_IF_ERROR(Flatten(rows, config_, options_, &batch_));
    try {
      const c10::InferenceMode inference;
      PREFIXD_ASSIGN_OR_RETURN(std::vector<DenseRow> dense_rows, ToDenseRows(rows));
      DenseStep step{&config_, &weights_, &batch_, dense_rows, cache_, {}};
      DenseOps ops(&step);
      std::visit([&](const auto& architecture) { RunArchitecture(architecture, ops); },
                 weights_.architecture);
      logits_ = step.logits;
      return std::span<const float>(logits_.data_ptr<float>(), logits_.numel());
    } catch (const std::exception& error) {
      return absl::InternalError(StrCat("LibTorch: ", error.what()));
    }
  }

  PrefixTensor ReadPages(std::span<const int> pages, int positions,
                         int position_offset) const override {
    PrefixTensor prefix{
        {config_.layers, config_.kv_heads, config_.head_dim}, positions, position_offset, {}};
    const float* const cache = cache_.data_ptr<float>();
    const int64_t size = prefix.shape.values_per_position();
    for (int i = 0; i < positions; ++i) {
      const float* const from = cache + Slot(pages, i) * size;
      prefix.values.insert(prefix.values.end(), from, from + size);
    }
    return prefix;
  }

 private:
  static int64_t Slot(std::span<const int> pages, int index) {
    return int64_t{pages[index / kPageSize]} * kPageSize + index % kPageSize;
  }

  static absl::StatusOr<std::vector<DenseRow>> ToDenseRows(std::span<const RowInput> rows) {
    std::vector<DenseRow> dense_rows;
    int first = 0;
    for (const RowInput& row : rows) {
      DenseRow dense{first, static_cast<int>(row.tokens.size()), {}, {}};
      for (const PrefixSegment* prefix : row.prefixes) {
        const auto* segment = dynamic_cast<const DenseSegment*>(prefix);
        if (segment == nullptr) {
          return absl::InvalidArgumentError("a prefix was made for another precision");
        }
        dense.prefixes.push_back(segment->tensor());
      }
      std::vector<int64_t> slots(row.cached + row.tokens.size());
      for (size_t i = 0; i < slots.size(); ++i) slots[i] = Slot(row.pages, static_cast<int>(i));
      dense.slots = at::tensor(slots, at::kLong);
      first += dense.tokens;
      dense_rows.push_back(std::move(dense));
    }
    return dense_rows;
  }

  const ModelConfig& config_;
  const ModelWeights& weights_;
  const RunnerOptions options_;

  const at::Tensor cache_;  // [pages * kPageSize, 2 * layers, kv_heads, head_dim]
  FlatBatch batch_;
  at::Tensor logits_;
};

}  // namespace

std::shared_ptr<const PrefixSegment> MakeDenseSegment(const PrefixTensor& prefix) {
  return std::make_shared<DenseSegment>(prefix);
}

absl::StatusOr<std::unique_ptr<ModelRunner>> NewDenseRunner(const ModelConfig* config,
                                                            const ModelWeights* weights,
                                                            const RunnerOptions& options,
                                                            WorkerTeam* team) {
  try {
    at::set_num_threads(team->size());  // LibTorch's own: the team's workers wait meanwhile
    return std::make_unique<DenseRunner>(config, weights, options);
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(
        StrCat("cannot have the memory for the KV cache (--kv-memory): ", error.what()));
  }
}

}  // namespace prefixd
