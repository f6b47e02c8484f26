#include "model/files/gguf_source.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/files/tensor_fingerprint.h"

namespace prefixd {
namespace {

constexpr std::string_view kLlama = "llama";
constexpr std::string_view kQwen2 = "qwen2";
constexpr std::string_view kGpt2 = "gpt2";

constexpr int64_t kControlToken = 3;  // in tokenizer.ggml.token_type
constexpr std::array<std::string_view, 5> kEndOfAnswer = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>",
                                                          "<|end_of_text|>", "<|endoftext|>"};

// Reads metadata entries of the file's architecture ("llama.block_count").
class Hyperparameters {
 public:
  Hyperparameters(const GgufFile& file, std::string_view architecture)
      : file_(file), architecture_(architecture) {}

  std::string Key(std::string_view name) const {
    return absl::StrFormat("%s.%s", architecture_, name);
  }
  bool Has(std::string_view name) const { return file_.Has(Key(name)); }

  absl::StatusOr<int> Size(std::string_view name) const {
    PREFIXD_ASSIGN_OR_RETURN(const int64_t value, file_.GetInteger(Key(name)));
    if (value < 1 || value > INT32_MAX) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: %s is %d, not a size", file_.path(), Key(name), value));
    }
    return static_cast<int>(value);
  }
  absl::StatusOr<int> SizeOr(std::string_view name, int absent) const {
    return Has(name) ? Size(name) : absent;
  }
  absl::StatusOr<float> FloatOr(std::string_view name, float absent) const {
    if (!Has(name)) return absent;
    PREFIXD_ASSIGN_OR_RETURN(const double value, file_.GetFloat(Key(name)));
    return static_cast<float>(value);
  }

 private:
  const GgufFile& file_;
  const std::string_view architecture_;
};

absl::Status Unimplemented(const GgufFile& file, const std::string& problem) {
  return absl::UnimplementedError(absl::StrFormat("%s: %s", file.path(), problem));
}

absl::Status ReadSizes(const GgufFile& file, const Hyperparameters& parameters,
                       ModelConfig* config) {
  PREFIXD_ASSIGN_OR_RETURN(config->layers, parameters.Size("block_count"));
  PREFIXD_ASSIGN_OR_RETURN(config->hidden, parameters.Size("embedding_length"));
  PREFIXD_ASSIGN_OR_RETURN(config->feed_forward, parameters.Size("feed_forward_length"));
  PREFIXD_ASSIGN_OR_RETURN(config->max_positions, parameters.Size("context_length"));
  PREFIXD_ASSIGN_OR_RETURN(config->heads, parameters.Size("attention.head_count"));
  PREFIXD_ASSIGN_OR_RETURN(config->kv_heads,
                           parameters.SizeOr("attention.head_count_kv", config->heads));
  if (!parameters.Has("attention.key_length") && config->hidden % config->heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: the hidden size %d is not a multiple of the %d heads", file.path(),
                        config->hidden, config->heads));
  }
  PREFIXD_ASSIGN_OR_RETURN(
      config->head_dim, parameters.SizeOr("attention.key_length", config->hidden / config->heads));
  PREFIXD_ASSIGN_OR_RETURN(const int value_dim,
                           parameters.SizeOr("attention.value_length", config->head_dim));
  if (value_dim != config->head_dim) {
    return Unimplemented(file, absl::StrFormat("keys have %d values for each head, values %d; "
                                               "prefixd knows models where they are equal",
                                               config->head_dim, value_dim));
  }
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s has no matrix token_embd.weight", file.path()));
  }
  config->vocabulary = static_cast<int>(std::min<int64_t>(embedding->second.shape[0], INT32_MAX));
  return absl::OkStatus();
}

absl::Status ReadRope(const GgufFile& file, const Hyperparameters& parameters,
                      ModelConfig* config) {
  PREFIXD_ASSIGN_OR_RETURN(config->rope.base,
                           parameters.FloatOr("rope.freq_base", config->rope.base));
  PREFIXD_ASSIGN_OR_RETURN(const int rotated,
                           parameters.SizeOr("rope.dimension_count", config->head_dim));
  if (rotated != config->head_dim) {
    return Unimplemented(file, absl::StrFormat("only %d of %d values of a head are rotated",
                                               rotated, config->head_dim));
  }
  if (parameters.Has("rope.scale_linear")) {  // the older key
    PREFIXD_ASSIGN_OR_RETURN(config->rope.linear_factor,
                             parameters.FloatOr("rope.scale_linear", 1.0F));
  }
  if (!parameters.Has("rope.scaling.type")) return absl::OkStatus();
  PREFIXD_ASSIGN_OR_RETURN(const std::string_view type,
                           file.GetString(parameters.Key("rope.scaling.type")));
  if (type == "none") return absl::OkStatus();
  if (type != "linear") {
    return Unimplemented(
        file, absl::StrFormat("rope.scaling.type is \"%s\"; prefixd knows none and linear", type));
  }
  PREFIXD_ASSIGN_OR_RETURN(config->rope.linear_factor,
                           parameters.FloatOr("rope.scaling.factor", config->rope.linear_factor));
  return absl::OkStatus();
}

// An id beyond the vocabulary cannot occur, so it is left out.
absl::Status AddEosId(const GgufFile& file, std::string_view key, ModelConfig* config) {
  if (!file.Has(key)) return absl::OkStatus();
  PREFIXD_ASSIGN_OR_RETURN(const int64_t id, file.GetInteger(key));
  if (id >= 0 && id < config->vocabulary) config->eos_ids.push_back(static_cast<int32_t>(id));
  return absl::OkStatus();
}

absl::Status ReadTokenIds(const GgufFile& file, ModelConfig* config) {
  if (file.Has("tokenizer.ggml.bos_token_id")) {
    PREFIXD_ASSIGN_OR_RETURN(const int64_t id, file.GetInteger("tokenizer.ggml.bos_token_id"));
    if (id >= 0 && id < config->vocabulary) config->bos_id = static_cast<int32_t>(id);
  }
  for (const char* const key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                "tokenizer.ggml.eom_token_id"}) {
    PREFIXD_RETURN_IF_ERROR(AddEosId(file, key, config));
  }
  if (file.Has("tokenizer.ggml.tokens") && file.Has("tokenizer.ggml.token_type")) {
    PREFIXD_ASSIGN_OR_RETURN(const auto tokens, file.GetStringArray("tokenizer.ggml.tokens"));
    PREFIXD_ASSIGN_OR_RETURN(const auto types, file.GetIntegerArray("tokenizer.ggml.token_type"));
    const size_t count =
        std::min({tokens.size(), types.size(), static_cast<size_t>(config->vocabulary)});
    for (size_t id = 0; id < count; ++id) {
      if (types[id] == kControlToken &&
          std::find(kEndOfAnswer.begin(), kEndOfAnswer.end(), tokens[id]) != kEndOfAnswer.end()) {
        config->eos_ids.push_back(static_cast<int32_t>(id));
      }
    }
  }
  std::sort(config->eos_ids.begin(), config->eos_ids.end());
  config->eos_ids.erase(std::unique(config->eos_ids.begin(), config->eos_ids.end()),
                        config->eos_ids.end());
  return absl::OkStatus();
}

// The heads of a projection whose rows GGUF keeps permuted, or 0.
int PermutedHeads(std::string_view name, const ModelConfig& config) {
  if (name.ends_with(".attn_q.weight") || name.ends_with(".attn_q.bias")) return config.heads;
  if (name.ends_with(".attn_k.weight") || name.ends_with(".attn_k.bias")) return config.kv_heads;
  return 0;
}

// GGUF's llama rotates neighbouring rows (2 j, 2 j + 1) of a head against each other, Hugging
// Face's rows (j, j + head_dim / 2): puts each head's even rows first, then its odd ones.
std::vector<float> WithHalvesApart(const std::vector<float>& values, int heads, int head_dim) {
  const size_t width = values.size() / heads / head_dim;
  std::vector<float> result(values.size());
  auto out = result.begin();
  for (int head = 0; head < heads; ++head) {
    for (int half = 0; half < 2; ++half) {
      for (int row = half; row < head_dim; row += 2) {
        const auto from = values.begin() + (size_t{1} * head * head_dim + row) * width;
        out = std::copy(from, from + width, out);
      }
    }
  }
  return result;
}

// Constant after construction.
class GgufSource : public TensorSource {
 public:
  GgufSource(std::unique_ptr<GgufFile> file, ModelConfig config, bool permuted)
      : file_(std::move(file)), config_(std::move(config)), permuted_(permuted) {}

  bool Has(std::string_view name) const override {
    return file_->tensors().find(name) != file_->tensors().end();
  }

  absl::StatusOr<HostTensor> Read(std::string_view name) const override {
    const auto found = file_->tensors().find(name);
    if (found == file_->tensors().end()) {
      return absl::NotFoundError(absl::StrFormat("%s has no tensor %s", file_->path(), name));
    }
    const GgufTensor& stored = found->second;
    HostTensor tensor{.shape = stored.shape, .values = {}};
    size_t count = 1;  // the file was checked: this fits
    for (const int64_t dimension : stored.shape) count *= dimension;
    tensor.values.resize(count);
    PREFIXD_RETURN_IF_ERROR(Dequantize(stored.type, stored.bytes, tensor.values));
    if (const int heads = permuted_ ? PermutedHeads(name, config_) : 0; heads > 0) {
      tensor.values = WithHalvesApart(tensor.values, heads, config_.head_dim);
    }
    return tensor;
  }

  std::string Fingerprint() const override {
    TensorFingerprint fingerprint;
    for (const auto& [name, tensor] : file_->tensors()) {
      fingerprint.Add(name, TensorTypeName(tensor.type), tensor.shape, tensor.bytes);
    }
    return fingerprint.HexDigest();
  }

 private:
  const std::unique_ptr<GgufFile> file_;
  const ModelConfig config_;
  const bool permuted_;
};

}  // namespace

absl::StatusOr<ModelConfig> ReadGgufConfig(const GgufFile& file) {
  PREFIXD_ASSIGN_OR_RETURN(const std::string_view architecture,
                           file.GetString("general.architecture"));
  if (architecture != kLlama && architecture != kQwen2 && architecture != kGpt2) {
    return Unimplemented(
        file, absl::StrFormat("the architecture is \"%s\"; prefixd knows llama, qwen2 and gpt2",
                              architecture));
  }
  const Hyperparameters parameters(file, architecture);
  ModelConfig config;
  config.architecture = architecture == kGpt2 ? Architecture::kGpt2 : Architecture::kLlama;
  if (file.Has("general.name")) {
    PREFIXD_ASSIGN_OR_RETURN(const std::string_view name, file.GetString("general.name"));
    config.name = name;
  }
  if (parameters.Has("expert_count")) {
    PREFIXD_ASSIGN_OR_RETURN(const int64_t experts,
                             file.GetInteger(parameters.Key("expert_count")));
    if (experts > 0) return Unimplemented(file, "the model is a mixture of experts");
  }
  PREFIXD_RETURN_IF_ERROR(ReadSizes(file, parameters, &config));
  const bool gpt2 = config.architecture == Architecture::kGpt2;
  PREFIXD_ASSIGN_OR_RETURN(
      config.norm_epsilon,
      parameters.FloatOr(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
                         config.norm_epsilon));
  if (!gpt2) PREFIXD_RETURN_IF_ERROR(ReadRope(file, parameters, &config));
  PREFIXD_RETURN_IF_ERROR(ReadTokenIds(file, &config));
  if (const absl::Status checked = CheckModelConfig(config); !checked.ok()) {
    return absl::Status(checked.code(), absl::StrFormat("%s: %s", file.path(), checked.message()));
  }
  return config;
}

absl::StatusOr<std::unique_ptr<TensorSource>> MakeGgufSource(std::unique_ptr<GgufFile> file,
                                                             const ModelConfig& config) {
  PREFIXD_ASSIGN_OR_RETURN(const std::string_view architecture,
                           file->GetString("general.architecture"));
  const bool permuted = architecture == kLlama;
  for (const auto& [name, tensor] : file->tensors()) {
    const int heads = permuted ? PermutedHeads(name, config) : 0;
    if (heads > 0 &&
        (tensor.shape.empty() || tensor.shape[0] != int64_t{heads} * config.head_dim)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: the tensor %s does not have %d heads of %d rows", file->path(), name,
                          heads, config.head_dim));
    }
  }
  if (architecture == kQwen2 &&
      file->tensors().find("blk.0.attn_q.bias") == file->tensors().end()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: a qwen2 has biases, but blk.0.attn_q.bias is missing", file->path()));
  }
  return std::make_unique<GgufSource>(std::move(file), config, permuted);
}

}  // namespace prefixd
