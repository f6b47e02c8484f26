#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <numbers>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "model/kernels.h"

namespace prefixd {
namespace {

// Reads tensors of expected shapes; remembers the first error, so that the caller checks once.
class Reader {
 public:
  Reader(const ModelConfig& config, const TensorSource& source, Precision precision)
      : config_(config), source_(source), precision_(precision) {}

  const absl::Status& status() const { return status_; }
  int64_t bytes() const { return bytes_; }

  HostTensor Tensor(const std::string& name, std::vector<int64_t> shape) {
    absl::StatusOr<HostTensor> tensor = source_.Read(name);
    if (!tensor.ok()) {
      status_.Update(tensor.status());
      return {};
    }
    if (tensor->shape != shape) {
      status_.Update(absl::InvalidArgumentError(
          StrCat("tensor ", name, " has the shape [", absl::StrJoin(tensor->shape, ", "),
                 "], but the model's configuration asks for [", absl::StrJoin(shape, ", "), "]")));
      return {};
    }
    return *std::move(tensor);
  }

  NormWeights Norm(const std::string& name) {
    NormWeights norm;
    norm.weight = Tensor(name + ".weight", {config_.hidden}).values;
    if (source_.Has(name + ".bias")) norm.bias = Tensor(name + ".bias", {config_.hidden}).values;
    norm.epsilon = config_.norm_epsilon;
    return norm;
  }

  Embedding Table(const std::string& name, int rows) {
    HostTensor table = Tensor(name, {rows, config_.hidden});
    if (!status_.ok()) return {};
    Embedding embedding(std::move(table), precision_);
    bytes_ += embedding.bytes();
    return embedding;
  }

  struct Part {
    std::string name;
    int out;
  };
  // The product over several matrices of the same input, stacked.
  std::unique_ptr<const Linear> Product(std::initializer_list<Part> parts, int in) {
    LinearSpec spec;
    for (const Part& part : parts) {
      spec.weights.push_back(Tensor(part.name + ".weight", {part.out, in}));
      if (source_.Has(part.name + ".bias")) {
        spec.biases.push_back(Tensor(part.name + ".bias", {part.out}));
      }
    }
    if (!spec.biases.empty() && spec.biases.size() != spec.weights.size()) {
      status_.Update(absl::InvalidArgumentError(
          StrCat("tensor ", parts.begin()->name, " or a neighbour lacks its bias")));
    }
    if (!status_.ok()) return nullptr;
    std::unique_ptr<const Linear> linear = MakeLinear(std::move(spec), precision_);
    bytes_ += linear->bytes();
    return linear;
  }

  std::unique_ptr<const Linear> Head() {
    const char* const name = source_.Has("output.weight") ? "output" : "token_embd";
    return Product({{name, config_.vocabulary}}, config_.hidden);
  }

 private:
  const ModelConfig& config_;
  const TensorSource& source_;
  const Precision precision_;
  absl::Status status_;
  int64_t bytes_ = 0;
};

LlamaWeights LoadLlama(const ModelConfig& config, Reader& reader) {
  const int queries = config.heads * config.head_dim;
  const int keys = config.kv_heads * config.head_dim;
  LlamaWeights weights;
  weights.embedding = reader.Table("token_embd.weight", config.vocabulary);
  for (int i = 0; i < config.layers && reader.status().ok(); ++i) {
    const std::string block = StrCat("blk.", i, ".");
    LlamaWeights::Layer layer;
    layer.attention_norm = reader.Norm(block + "attn_norm");
    layer.qkv = reader.Product(
        {{block + "attn_q", queries}, {block + "attn_k", keys}, {block + "attn_v", keys}},
        config.hidden);
    layer.attention_output = reader.Product({{block + "attn_output", config.hidden}}, queries);
    layer.ffn_norm = reader.Norm(block + "ffn_norm");
    layer.gate_up = reader.Product(
        {{block + "ffn_gate", config.feed_forward}, {block + "ffn_up", config.feed_forward}},
        config.hidden);
    layer.down = reader.Product({{block + "ffn_down", config.hidden}}, config.feed_forward);
    weights.layers.push_back(std::move(layer));
  }
  weights.output_norm = reader.Norm("output_norm");
  weights.head = reader.Head();
  return weights;
}

Gpt2Weights LoadGpt2(const ModelConfig& config, Reader& reader) {
  Gpt2Weights weights;
  weights.embedding = reader.Table("token_embd.weight", config.vocabulary);
  weights.position_embedding = reader.Table("position_embd.weight", config.max_positions);
  for (int i = 0; i < config.layers && reader.status().ok(); ++i) {
    const std::string block = StrCat("blk.", i, ".");
    Gpt2Weights::Layer layer;
    layer.attention_norm = reader.Norm(block + "attn_norm");
    layer.qkv = reader.Product({{block + "attn_qkv", 3 * config.hidden}}, config.hidden);
    layer.attention_output =
        reader.Product({{block + "attn_output", config.hidden}}, config.hidden);
    layer.ffn_norm = reader.Norm(block + "ffn_norm");
    layer.up = reader.Product({{block + "ffn_up", config.feed_forward}}, config.hidden);
    layer.down = reader.Product({{block + "ffn_down", config.hidden}}, config.feed_forward);
    weights.layers.push_back(std::move(layer));
  }
  weights.output_norm = reader.Norm("output_norm");
  weights.head = reader.Head();
  return weights;
}

}  // namespace

Embedding::Embedding(HostTensor table, Precision precision)
    : width_(static_cast<int>(table.shape.back())) {
  if (precision == Precision::kFp32) {
    floats_ = std::move(table.values);
    return;
  }
  halves_.resize(table.values.size());
  for (size_t row = 0; row < halves_.size(); row += width_) {
    FloatToHalfRow(table.values.data() + row, width_, halves_.data() + row);
  }
}

void Embedding::CopyRow(int64_t id, float* out) const {
  if (halves_.empty()) {
    std::memcpy(out, floats_.data() + id * width_, sizeof(float) * width_);
  } else {
    HalfToFloatRow(halves_.data() + id * width_, width_, out);
  }
}

std::vector<float> RopeFrequencies(const ModelConfig& config, const std::vector<float>& divisors) {
  const int pairs = config.head_dim / 2;
  std::vector<float> frequencies(pairs);
  for (int i = 0; i < pairs; ++i) {
    const float exponent = 2.0F * static_cast<float>(i) / static_cast<float>(config.head_dim);
    float frequency = 1.0F / std::pow(config.rope.base, exponent);
    if (!divisors.empty()) frequency /= divisors[i];
    frequencies[i] = frequency / config.rope.linear_factor;
  }
  if (!config.rope.llama3) return frequencies;

  const RopeConfig::Llama3& scaling = *config.rope.llama3;
  const auto original = static_cast<float>(scaling.original_max_positions);
  for (float& frequency : frequencies) {
    const float wave_length = 2.0F * std::numbers::pi_v<float> / frequency;
    const float blend = (original / wave_length - scaling.low_frequency_factor) /
                        (scaling.high_frequency_factor - scaling.low_frequency_factor);
    const float kept = std::clamp(blend, 0.0F, 1.0F);
    frequency = (1.0F - kept) * frequency / scaling.factor + kept * frequency;
  }
  return frequencies;
}

absl::StatusOr<ModelWeights> LoadWeights(const ModelConfig& config, const TensorSource& source,
                                         Precision precision) {
  PREFIXD_RETURN_IF_ERROR(CheckModelConfig(config));
  Reader reader(config, source, precision);
  ModelWeights weights;
  switch (config.architecture) {
    case Architecture::kGpt2:
      weights.architecture = LoadGpt2(config, reader);
      break;
    case Architecture::kLlama: {
      std::vector<float> divisors;
      if (source.Has("rope_freqs.weight")) {
        divisors = reader.Tensor("rope_freqs.weight", {config.head_dim / 2}).values;
      }
      weights.architecture = LoadLlama(config, reader);
      weights.rope_frequencies = RopeFrequencies(config, divisors);
      break;
    }
  }
  PREFIXD_RETURN_IF_ERROR(reader.status());
  weights.bytes = reader.bytes();
  return weights;
}

}  // namespace prefixd
