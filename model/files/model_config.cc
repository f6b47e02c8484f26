#include "model/model_config.h"

#include <cmath>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace prefixd {
namespace {

// Far above any model known; products of two sizes fit 64 bits with room to spare.
constexpr int kMaxSize = 1 << 28;
constexpr int kMaxLayers = 4096;

absl::Status CheckSize(const char* field, int value, int max) {
  if (value >= 1 && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the model's %s is %d, not between 1 and %d", field, value, max));
}

absl::Status CheckPositive(const char* field, float value) {
  if (std::isfinite(value) && value > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the model's %s is %g, not a positive number", field, value));
}

absl::Status CheckRope(const RopeConfig& rope) {
  PREFIXD_RETURN_IF_ERROR(CheckPositive("rope base", rope.base));
  PREFIXD_RETURN_IF_ERROR(CheckPositive("rope linear factor", rope.linear_factor));
  if (!rope.llama3.has_value()) return absl::OkStatus();
  const RopeConfig::Llama3& llama3 = *rope.llama3;
  PREFIXD_RETURN_IF_ERROR(CheckPositive("rope factor", llama3.factor));
  PREFIXD_RETURN_IF_ERROR(CheckPositive("rope low frequency factor", llama3.low_frequency_factor));
  PREFIXD_RETURN_IF_ERROR(
      CheckPositive("rope high frequency factor", llama3.high_frequency_factor));
  PREFIXD_RETURN_IF_ERROR(
      CheckSize("rope original max positions", llama3.original_max_positions, kMaxSize));
  if (llama3.high_frequency_factor <= llama3.low_frequency_factor) {
    return absl::InvalidArgumentError(
        "the model's rope high frequency factor is not above its low frequency factor");
  }
  return absl::OkStatus();
}

absl::Status CheckTokenId(const char* field, int32_t id, int vocabulary) {
  if (id >= 0 && id < vocabulary) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "the model's %s is %d, not below its vocabulary of %d", field, id, vocabulary));
}

}  // namespace

absl::Status CheckModelConfig(const ModelConfig& config) {
  PREFIXD_RETURN_IF_ERROR(CheckSize("layers", config.layers, kMaxLayers));
  PREFIXD_RETURN_IF_ERROR(CheckSize("hidden", config.hidden, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("heads", config.heads, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("kv_heads", config.kv_heads, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("head_dim", config.head_dim, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("feed_forward", config.feed_forward, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("vocabulary", config.vocabulary, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckSize("max_positions", config.max_positions, kMaxSize));
  PREFIXD_RETURN_IF_ERROR(CheckPositive("norm_epsilon", config.norm_epsilon));
  if (int64_t{config.heads} * config.head_dim > kMaxSize) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the model's heads (%d) times head_dim (%d) is above %d", config.heads,
                        config.head_dim, kMaxSize));
  }
  if (config.heads % config.kv_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the model's heads (%d) are not a multiple of its kv_heads (%d)",
                        config.heads, config.kv_heads));
  }
  if (config.architecture == Architecture::kGpt2 &&
      (config.kv_heads != config.heads || config.heads * config.head_dim != config.hidden)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a GPT-2 has as many kv_heads as heads, and heads times head_dim is "
                        "hidden; this one: kv_heads %d, heads %d, head_dim %d, hidden %d",
                        config.kv_heads, config.heads, config.head_dim, config.hidden));
  }
  if (config.architecture == Architecture::kLlama && config.head_dim % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the model's head_dim is %d; rotation needs an even one", config.head_dim));
  }
  PREFIXD_RETURN_IF_ERROR(CheckRope(config.rope));
  if (config.bos_id.has_value()) {
    PREFIXD_RETURN_IF_ERROR(CheckTokenId("bos_id", *config.bos_id, config.vocabulary));
  }
  for (const int32_t id : config.eos_ids) {
    PREFIXD_RETURN_IF_ERROR(CheckTokenId("eos_ids", id, config.vocabulary));
  }
  return absl::OkStatus();
}

}  // namespace prefixd
