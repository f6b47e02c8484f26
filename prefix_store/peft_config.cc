#include "prefix_store/peft_config.h"

#include <string>

#include "absl/strings/escaping.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "model/files/json_file.h"

namespace prefixd {
namespace {

constexpr char kWhat[] = "adapter_config.json";
constexpr size_t kMaxShownBytes = 64;

// The text of `key`; empty when it is missing or none.
std::string_view TextOf(const nlohmann::json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

// The integer of `key`; nullopt when it is missing or null.
absl::StatusOr<std::optional<int64_t>> IntegerOf(const nlohmann::json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_integer()) {
    return absl::InvalidArgumentError(StrCat(kWhat, " has a ", key, " that is no integer"));
  }
  return found->get<int64_t>();
}

absl::Status CheckInteger(const nlohmann::json& config, const char* key, int64_t expected) {
  PREFIXD_ASSIGN_OR_RETURN(const std::optional<int64_t> value, IntegerOf(config, key));
  if (value.value_or(expected) == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(kWhat, " has ", key, " ", *value, "; the model has ",
                                           expected, ": upload a prefix that was trained for it"));
}

absl::Status CheckMethod(const nlohmann::json& config) {
  const std::string_view method = TextOf(config, "peft_type");
  if (method == "PREFIX_TUNING") return absl::OkStatus();
  if (method.empty()) {
    return absl::InvalidArgumentError(
        StrCat(kWhat, " names no peft_type: is it the file that PEFT's save_pretrained made?"));
  }
  return absl::InvalidArgumentError(
      StrCat(kWhat, " has peft_type ", absl::CHexEscape(ToAbsl(method.substr(0, kMaxShownBytes))),
             "; only prefix tuning (PREFIX_TUNING) is supported"));
}

absl::Status CheckDecoderOnly(const nlohmann::json& config) {
  PREFIXD_ASSIGN_OR_RETURN(const std::optional<int64_t> submodules,
                           IntegerOf(config, "num_transformer_submodules"));
  if (submodules.value_or(1) == 1 && TextOf(config, "task_type") != "SEQ_2_SEQ_LM") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat(kWhat, " is for an encoder-decoder model (task_type SEQ_2_SEQ_LM, or ",
             "num_transformer_submodules 2); only decoder-only models are supported"));
}

}  // namespace

absl::StatusOr<PeftConfig> ParsePeftConfig(std::string_view config_json, const PrefixShape& shape) {
  PREFIXD_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonObject(config_json, kWhat));
  PREFIXD_RETURN_IF_ERROR(CheckMethod(config));
  PREFIXD_RETURN_IF_ERROR(CheckDecoderOnly(config));
  PREFIXD_RETURN_IF_ERROR(CheckInteger(config, "num_layers", shape.layers));
  // PEFT counts the heads of keys and values here, not those of queries.
  PREFIXD_RETURN_IF_ERROR(CheckInteger(config, "num_attention_heads", shape.kv_heads));
  PREFIXD_RETURN_IF_ERROR(
      CheckInteger(config, "token_dim", int64_t{shape.kv_heads} * shape.head_dim));
  PeftConfig result;
  PREFIXD_ASSIGN_OR_RETURN(result.num_virtual_tokens, IntegerOf(config, "num_virtual_tokens"));
  return result;
}

}  // namespace prefixd
