#include "model/files/hf_config.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/files/json_file.h"

namespace prefixd {
namespace {

// Reads the fields of one JSON object. The first error is kept, and later reads give their
// defaults, so that a caller checks once. null reads as absent.
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  const absl::Status& status() const { return status_; }
  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  void Unimplemented(const std::string& problem) {
    Fail(absl::UnimplementedError(absl::StrFormat("%s: %s", where_, problem)));
  }
  void Invalid(const std::string& problem) {
    Fail(absl::InvalidArgumentError(absl::StrFormat("%s: %s", where_, problem)));
  }

  const nlohmann::json* Find(const char* key) const {
    const auto found = object_.find(key);
    return found != object_.end() && !found->is_null() ? &*found : nullptr;
  }

  int Size(const char* key) {
    if (Find(key) == nullptr) Invalid(absl::StrFormat("%s is missing", key));
    return SizeOr(key, 1);
  }
  int SizeOr(const char* key, int absent) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_number_unsigned() || value->get<uint64_t>() < 1 ||
        value->get<uint64_t>() > INT32_MAX) {
      Invalid(absl::StrFormat("%s is not a positive 32-bit integer", key));
      return absent;
    }
    return static_cast<int>(value->get<uint64_t>());
  }
  float NumberOr(const char* key, float absent) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_number()) {
      Invalid(absl::StrFormat("%s is not a number", key));
      return absent;
    }
    return value->get<float>();
  }
  bool FlagOr(const char* key, bool absent) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) {
      Invalid(absl::StrFormat("%s is neither true nor false", key));
      return absent;
    }
    return value->get<bool>();
  }
  std::string TextOr(const char* key, const char* absent) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_string()) {
      Invalid(absl::StrFormat("%s is not a text", key));
      return absent;
    }
    return value->get<std::string>();
  }

  // One id or a list of ids; those outside the vocabulary cannot occur and are left out.
  std::vector<int32_t> TokenIds(const char* key, int vocabulary) {
    std::vector<int32_t> ids;
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return ids;
    const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
    for (const nlohmann::json& id : list) {
      if (!id.is_number_integer()) {
        Invalid(absl::StrFormat("%s is neither a token id nor a list of them", key));
      } else if (id.get<int64_t>() >= 0 && id.get<int64_t>() < vocabulary) {
        ids.push_back(static_cast<int32_t>(id.get<int64_t>()));
      }
    }
    return ids;
  }

 private:
  const nlohmann::json& object_;
  const std::string where_;
  absl::Status status_;
};

// The object that holds the rotation's parameters; empty when the model has none.
nlohmann::json RopeObject(const Fields& fields) {
  for (const char* const key : {"rope_parameters", "rope_scaling"}) {
    const nlohmann::json* const value = fields.Find(key);
    if (value != nullptr && value->is_object()) return *value;
  }
  return nlohmann::json::object();
}

RopeConfig::Llama3 ReadLlama3(Fields* fields, Fields* rope, int max_positions) {
  RopeConfig::Llama3 llama3;
  llama3.factor = rope->NumberOr("factor", llama3.factor);
  llama3.low_frequency_factor = rope->NumberOr("low_freq_factor", llama3.low_frequency_factor);
  llama3.high_frequency_factor = rope->NumberOr("high_freq_factor", llama3.high_frequency_factor);
  constexpr char kOriginal[] = "original_max_position_embeddings";
  llama3.original_max_positions = fields->SizeOr(kOriginal, rope->SizeOr(kOriginal, max_positions));
  return llama3;
}

RopeConfig ReadRope(Fields* fields, const std::string& where, int max_positions) {
  RopeConfig config;
  const nlohmann::json object = RopeObject(*fields);
  Fields rope(object, where + ", the rope parameters");
  config.base = rope.NumberOr("rope_theta", fields->NumberOr("rope_theta", config.base));
  const std::string type = rope.TextOr("rope_type", rope.TextOr("type", "default").c_str());
  const bool nested = std::any_of(object.begin(), object.end(),
                                  [](const nlohmann::json& value) { return value.is_object(); });
  if (nested) {
    rope.Unimplemented("each kind of layer has its own; prefixd knows one for all layers");
  } else if (rope.NumberOr("partial_rotary_factor",
                           fields->NumberOr("partial_rotary_factor", 1.0F)) != 1.0F) {
    rope.Unimplemented("partial_rotary_factor is not 1");
  } else if (type == "linear") {
    config.linear_factor = rope.NumberOr("factor", 1.0F);
  } else if (type == "llama3") {
    config.llama3 = ReadLlama3(fields, &rope, max_positions);
  } else if (type != "default") {
    rope.Unimplemented(
        absl::StrFormat("the rope type is \"%s\"; prefixd knows default, linear and llama3", type));
  }
  fields->Fail(rope.status());
  return config;
}

void ReadLlama(Fields* fields, const std::string& where, HfConfig* config) {
  ModelConfig& model = config->model;
  model.architecture = Architecture::kLlama;
  model.layers = fields->Size("num_hidden_layers");
  model.hidden = fields->Size("hidden_size");
  model.heads = fields->Size("num_attention_heads");
  model.kv_heads = fields->SizeOr("num_key_value_heads", model.heads);
  if (fields->Find("head_dim") == nullptr && model.hidden % model.heads != 0) {
    fields->Invalid("hidden_size is not a multiple of num_attention_heads");
  }
  model.head_dim = fields->SizeOr("head_dim", model.hidden / model.heads);
  model.feed_forward = fields->Size("intermediate_size");
  model.max_positions = fields->Size("max_position_embeddings");
  model.norm_epsilon = fields->NumberOr("rms_norm_eps", 1e-6F);
  model.rope = ReadRope(fields, where, model.max_positions);
  config->attention_bias = fields->FlagOr("attention_bias", false);
  config->tied_embeddings = fields->FlagOr("tie_word_embeddings", false);
  const std::string activation = fields->TextOr("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    fields->Unimplemented(absl::StrFormat("hidden_act is \"%s\"; prefixd knows silu", activation));
  }
}

void ReadQwen2(Fields* fields, const std::string& where, HfConfig* config) {
  ReadLlama(fields, where, config);
  config->attention_bias = true;
  if (fields->FlagOr("use_sliding_window", false)) {
    fields->Unimplemented("use_sliding_window is true; prefixd has no sliding window attention");
  }
}

void ReadGpt2(Fields* fields, const std::string&, HfConfig* config) {
  ModelConfig& model = config->model;
  model.architecture = Architecture::kGpt2;
  model.layers = fields->Size("n_layer");
  model.hidden = fields->Size("n_embd");
  model.heads = fields->Size("n_head");
  model.kv_heads = model.heads;
  if (model.hidden % model.heads != 0) fields->Invalid("n_embd is not a multiple of n_head");
  if (model.hidden > INT32_MAX / 4) fields->Invalid("n_embd is too large");
  model.head_dim = model.hidden / model.heads;
  model.feed_forward = fields->SizeOr("n_inner", fields->status().ok() ? 4 * model.hidden : 1);
  model.max_positions = fields->Size("n_positions");
  model.norm_epsilon = fields->NumberOr("layer_norm_epsilon", 1e-5F);
  config->attention_bias = true;
  config->tied_embeddings = fields->FlagOr("tie_word_embeddings", true);
  const std::string activation = fields->TextOr("activation_function", "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    fields->Unimplemented(
        absl::StrFormat("activation_function is \"%s\"; prefixd knows gelu_new", activation));
  }
  if (!fields->FlagOr("scale_attn_weights", true) ||
      fields->FlagOr("scale_attn_by_inverse_layer_idx", false)) {
    fields->Unimplemented(
        "prefixd knows scale_attn_weights true and scale_attn_by_inverse_layer_idx false alone");
  }
  if (fields->FlagOr("add_cross_attention", false)) {
    fields->Unimplemented("add_cross_attention is true; prefixd has no cross-attention");
  }
}

// The ids of generation_config.json go before those of config.json.
absl::Status ReadTokenIds(Fields* fields, const std::string& path, ModelConfig* model) {
  nlohmann::json object = nlohmann::json::object();
  if (absl::StatusOr<nlohmann::json> generation = ReadJsonFile(path); generation.ok()) {
    object = *std::move(generation);
  } else if (!absl::IsNotFound(generation.status())) {
    return generation.status();
  }
  Fields generation(object, path);
  const std::vector<int32_t> bos = fields->TokenIds("bos_token_id", model->vocabulary);
  if (!bos.empty()) model->bos_id = bos.front();
  model->eos_ids = generation.TokenIds("eos_token_id", model->vocabulary);
  if (model->eos_ids.empty()) {
    model->eos_ids = fields->TokenIds("eos_token_id", model->vocabulary);
  }
  return generation.status();
}

}  // namespace

absl::StatusOr<HfConfig> ReadHfConfig(const std::string& directory) {
  const std::string path = directory + "/config.json";
  PREFIXD_ASSIGN_OR_RETURN(const nlohmann::json object, ReadJsonFile(path));
  Fields fields(object, path);
  HfConfig config;
  config.model.name = std::filesystem::path(directory + "/").parent_path().filename();
  const std::string type = fields.TextOr("model_type", "");
  if (type == "llama") {
    ReadLlama(&fields, path, &config);
  } else if (type == "qwen2") {
    ReadQwen2(&fields, path, &config);
  } else if (type == "gpt2") {
    ReadGpt2(&fields, path, &config);
  } else {
    fields.Unimplemented(
        absl::StrFormat("model_type is \"%s\"; prefixd knows llama, qwen2 and gpt2", type));
  }
  if (fields.Find("quantization_config") != nullptr) {
    fields.Unimplemented("the weights are quantised; prefixd reads F32, F16 and BF16");
  }
  config.model.vocabulary = fields.Size("vocab_size");
  PREFIXD_RETURN_IF_ERROR(
      ReadTokenIds(&fields, directory + "/generation_config.json", &config.model));
  PREFIXD_RETURN_IF_ERROR(fields.status());
  if (const absl::Status checked = CheckModelConfig(config.model); !checked.ok()) {
    return absl::Status(checked.code(), absl::StrFormat("%s: %s", path, checked.message()));
  }
  return config;
}

}  // namespace prefixd
