#include "model/model.h"

#include <exception>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "model/dense_runner.h"
#include "model/kv_layout.h"
#include "model/packed_runner.h"
#include "model/weights.h"

namespace prefixd {
namespace {

std::string ComputeFingerprint(const ModelConfig& config, const TensorSource& source) {
  return Sha256Hex(StrCat("prefixd.model.v1 ", static_cast<int>(config.architecture), " ",
                          config.layers, " ", config.hidden, " ", config.heads, " ",
                          config.kv_heads, " ", config.head_dim, " ", config.feed_forward, " ",
                          config.vocabulary, " ", source.Fingerprint()));
}

class LoadedModel final : public Model {
 public:
  LoadedModel(const ModelConfig& config, Precision precision, std::string fingerprint,
              ModelWeights weights)
      : config_(config),
        precision_(precision),
        fingerprint_(std::move(fingerprint)),
        weights_(std::move(weights)) {}

  const ModelConfig& config() const override { return config_; }
  Precision precision() const override { return precision_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  int64_t weight_bytes() const override { return weights_.bytes; }

  int64_t page_bytes() const override {
    if (precision_ == Precision::kFp32) {
      return int64_t{4} * kPageSize * prefix_shape().values_per_position();
    }
    return static_cast<int64_t>(sizeof(Half) * KvLayout(prefix_shape()).page_halves());
  }

  absl::StatusOr<std::shared_ptr<const PrefixSegment>> MakeSegment(
      const PrefixTensor& prefix) const override {
    const PrefixShape& found = prefix.shape;
    if (found != prefix_shape() || static_cast<int64_t>(prefix.values.size()) !=
                                       prefix.positions * found.values_per_position()) {
      return absl::InvalidArgumentError(
          StrCat("the prefix has ", found.layers, " layers of ", found.kv_heads,
                 " key-value heads with ", found.head_dim, " elements and ", prefix.values.size(),
                 " values for ", prefix.positions, " positions; the model expects ", config_.layers,
                 " layers of ", config_.kv_heads, " with ", config_.head_dim));
    }
    return precision_ == Precision::kFp32 ? MakeDenseSegment(prefix) : MakePackedSegment(prefix);
  }

  absl::StatusOr<std::unique_ptr<ModelRunner>> NewRunner(const RunnerOptions& options,
                                                         WorkerTeam* team) const override {
    return precision_ == Precision::kFp32 ? NewDenseRunner(&config_, &weights_, options, team)
                                          : NewPackedRunner(&config_, &weights_, options, team);
  }

 private:
  const ModelConfig config_;
  const Precision precision_;
  const std::string fingerprint_;
  const ModelWeights weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> Model::Load(const ModelConfig& config,
                                                   const TensorSource& source,
                                                   Precision precision) {
  try {
    PREFIXD_ASSIGN_OR_RETURN(ModelWeights weights, LoadWeights(config, source, precision));
    return std::make_unique<LoadedModel>(config, precision, ComputeFingerprint(config, source),
                                         std::move(weights));
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(
        StrCat("cannot load the model's weights into memory: ", error.what()));
  }
}

}  // namespace prefixd
