#include "server/request_translation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "engine/sampler.h"

namespace prefixd {
namespace {

constexpr int kDefaultMaxNewTokens = 128;
constexpr int kMaxStopStrings = 16;
constexpr size_t kMaxStopStringBytes = 256;
constexpr int kMaxStopTokenIds = 64;
constexpr int kMaxLogitBias = 1024;
constexpr int kMaxTopLogProbs = 20;
constexpr float kMaxTemperature = 100.0F;
constexpr float kMaxLogitBiasValue = 100.0F;

template <typename T>
absl::Status OutOfRange(std::string_view field, std::string_view range, T value) {
  return absl::InvalidArgumentError(StrCat(field, " must be ", range, ", got ", value));
}

// Refuses a NaN too: every comparison with it is false.
absl::Status CheckWithin(std::string_view field, float value, float low, float high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return OutOfRange(field, StrCat("in [", low, ", ", high, "]"), value);
}

absl::Status CheckCount(std::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat(field, " holds ", count, " entries, at most ", most, " are allowed"));
}

absl::StatusOr<SamplingParameters> TranslateSampling(const v1::SamplingParameters& from,
                                                     int vocabulary) {
  SamplingParameters to;
  to.temperature = from.temperature();
  to.top_k = from.top_k();
  to.top_p = from.has_top_p() ? from.top_p() : 1.0F;
  to.min_p = from.min_p();
  to.repetition_penalty = from.has_repetition_penalty() ? from.repetition_penalty() : 1.0F;
  to.presence_penalty = from.presence_penalty();
  to.frequency_penalty = from.frequency_penalty();
  to.seed = from.seed();

  PREFIXD_RETURN_IF_ERROR(
      CheckWithin("sampling.temperature", to.temperature, 0.0F, kMaxTemperature));
  PREFIXD_RETURN_IF_ERROR(CheckCount("sampling.logit_bias", from.logit_bias_size(), kMaxLogitBias));
  // A map has no order of its own.
  std::vector<int32_t> ids;
  for (const auto& [id, bias] : from.logit_bias()) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  PREFIXD_RETURN_IF_ERROR(CheckTokenIds(ids, vocabulary, "sampling.logit_bias"));
  for (const int32_t id : ids) {
    const float bias = from.logit_bias().at(id);
    PREFIXD_RETURN_IF_ERROR(CheckWithin(StrCat("sampling.logit_bias[", id, "]"), bias,
                                        -kMaxLogitBiasValue, kMaxLogitBiasValue));
    to.logit_bias.emplace_back(id, bias);
  }
  const absl::Status checked = CheckSamplingParameters(to, vocabulary);
  if (!checked.ok()) {
    return absl::InvalidArgumentError(StrCat("sampling.", ToStd(checked.message())));
  }
  return to;
}

absl::Status CheckStops(const v1::GenerateRequest& request, int vocabulary) {
  PREFIXD_RETURN_IF_ERROR(CheckCount("stop_strings", request.stop_strings_size(), kMaxStopStrings));
  for (int i = 0; i < request.stop_strings_size(); ++i) {
    const size_t size = request.stop_strings(i).size();
    if (size == 0 || size > kMaxStopStringBytes) {
      return OutOfRange(StrCat("stop_strings[", i, "]"), "1 to 256 bytes long", StrCat(size));
    }
  }
  PREFIXD_RETURN_IF_ERROR(
      CheckCount("stop_token_ids", request.stop_token_ids_size(), kMaxStopTokenIds));
  return CheckTokenIds(AsSpan(request.stop_token_ids()), vocabulary, "stop_token_ids");
}

absl::StatusOr<std::vector<int32_t>> EncodeText(const v1::GenerateRequest& request,
                                                const Tokenizer& tokenizer, bool after_captured) {
  std::vector<int32_t> ids;
  if (!after_captured) {
    ids.assign(tokenizer.prefix_ids().begin(), tokenizer.prefix_ids().end());
  }
  PREFIXD_ASSIGN_OR_RETURN(
      const std::vector<int32_t> text_ids,
      tokenizer.Encode(request.text(), SpecialTokensFor(request.special_tokens_as_text())));
  ids.insert(ids.end(), text_ids.begin(), text_ids.end());
  return ids;
}

}  // namespace

absl::Status CheckTokenIds(std::span<const int32_t> ids, int vocabulary, std::string_view field) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      return absl::InvalidArgumentError(StrCat(field, ": token id ", ids[i], " (entry ", i,
                                               ") is not in the vocabulary, 0 to ",
                                               vocabulary - 1));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<GenerationRequest> TranslateParameters(const v1::GenerateRequest& request,
                                                      const ModelConfig& config) {
  GenerationRequest result;
  if (request.max_new_tokens() < 0) {
    return OutOfRange("max_new_tokens", "0 (the default) or more", request.max_new_tokens());
  }
  result.max_new_tokens =
      request.max_new_tokens() == 0 ? kDefaultMaxNewTokens : request.max_new_tokens();
  result.min_new_tokens = request.min_new_tokens();
  if (result.min_new_tokens < 0 || result.min_new_tokens > result.max_new_tokens) {
    return OutOfRange("min_new_tokens",
                      StrCat("in [0, max_new_tokens = ", result.max_new_tokens, "]"),
                      result.min_new_tokens);
  }
  PREFIXD_ASSIGN_OR_RETURN(result.sampling,
                           TranslateSampling(request.sampling(), config.vocabulary));
  result.ignore_eos = request.ignore_eos();
  PREFIXD_RETURN_IF_ERROR(CheckStops(request, config.vocabulary));
  result.stop_strings.assign(request.stop_strings().begin(), request.stop_strings().end());
  result.stop_ids.assign(request.stop_token_ids().begin(), request.stop_token_ids().end());

  result.log_probs = request.log_probs().generated();
  result.prompt_log_probs = request.log_probs().prompt();
  result.top_log_probs = request.log_probs().top_count();
  if (result.top_log_probs < 0 || result.top_log_probs > kMaxTopLogProbs) {
    return OutOfRange("log_probs.top_count", "in [0, 20]", result.top_log_probs);
  }
  return result;
}

absl::StatusOr<std::vector<int32_t>> TranslatePrompt(const v1::GenerateRequest& request,
                                                     const ModelConfig& config,
                                                     const Tokenizer& tokenizer,
                                                     bool after_captured) {
  std::vector<int32_t> ids;
  switch (request.prompt_case()) {
    case v1::GenerateRequest::PROMPT_NOT_SET:
      return absl::InvalidArgumentError("the prompt is missing: set text or token_ids");
    case v1::GenerateRequest::kTokenIds:
      ids.assign(request.token_ids().ids().begin(), request.token_ids().ids().end());
      PREFIXD_RETURN_IF_ERROR(CheckTokenIds(ids, config.vocabulary, "token_ids"));
      break;
    case v1::GenerateRequest::kText: {
      PREFIXD_ASSIGN_OR_RETURN(ids, EncodeText(request, tokenizer, after_captured));
      break;
    }
  }
  if (!ids.empty()) return ids;
  if (after_captured) {
    return absl::InvalidArgumentError(
        "the prompt is empty: a captured prefix needs a token to go on");
  }
  if (!config.bos_id.has_value()) {
    return absl::InvalidArgumentError(
        "the prompt is empty, and the model has no BOS token to begin with");
  }
  return std::vector<int32_t>{*config.bos_id};
}

}  // namespace prefixd
