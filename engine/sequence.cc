#include "engine/sequence.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

constexpr int kMaxTopLogProbs = 20;

absl::Status CheckLength(const GenerationRequest& request, const ModelConfig& config) {
  int64_t offset = 0;
  for (const auto& prefix : request.prefixes) offset += prefix->position_offset();
  const int64_t needed =
      offset + static_cast<int64_t>(request.prompt.size()) + request.max_new_tokens;
  if (needed <= config.max_positions) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(
      "the request needs ", needed, " positions (", offset, " of prefixes, ", request.prompt.size(),
      " of the prompt, ", request.max_new_tokens, " for new tokens), but the model has ",
      config.max_positions, ": shorten the prompt or lower max_new_tokens"));
}

}  // namespace

absl::Status CheckGenerationRequest(const GenerationRequest& request, const ModelConfig& config) {
  if (request.prompt.empty()) {
    return absl::InvalidArgumentError("the prompt is empty and the model has no BOS token");
  }
  const auto check_ids = [&](std::span<const int32_t> ids, std::string_view field) {
    for (const int32_t id : ids) {
      if (id >= 0 && id < config.vocabulary) continue;
      return absl::InvalidArgumentError(StrCat(field, ": token id ", id,
                                               " is not in the vocabulary, which ends at ",
                                               config.vocabulary - 1));
    }
    return absl::OkStatus();
  };
  PREFIXD_RETURN_IF_ERROR(check_ids(request.prompt, "prompt"));
  PREFIXD_RETURN_IF_ERROR(check_ids(request.stop_ids, "stop_token_ids"));
  PREFIXD_RETURN_IF_ERROR(CheckSamplingParameters(request.sampling, config.vocabulary));
  const int least = request.capture ? 0 : 1;
  if (request.max_new_tokens < least) {
    return absl::InvalidArgumentError(
        StrCat("max_new_tokens must be positive, got ", request.max_new_tokens));
  }
  if (request.min_new_tokens < 0 || request.min_new_tokens > request.max_new_tokens) {
    return absl::InvalidArgumentError(
        StrCat("min_new_tokens must be in [0, max_new_tokens = ", request.max_new_tokens, "], got ",
               request.min_new_tokens));
  }
  if (request.top_log_probs < 0 || request.top_log_probs > kMaxTopLogProbs) {
    return absl::InvalidArgumentError(StrCat("log_probs.top_count must be in [0, ", kMaxTopLogProbs,
                                             "], got ", request.top_log_probs));
  }
  return CheckLength(request, config);
}

Sequence::Sequence(GenerationRequest request, const ModelConfig& config, const Tokenizer* tokenizer)
    : request_(std::move(request)),
      config_(config),
      tokenizer_(*tokenizer),
      ending_ids_(request_.stop_ids),
      tokens_(request_.prompt),
      sampler_(request_.sampling, config.vocabulary),
      text_(request_.stop_strings) {
  for (const auto& prefix : request_.prefixes) prefixes_.push_back(prefix.get());
  if (!request_.ignore_eos) {
    ending_ids_.insert(ending_ids_.end(), config.eos_ids.begin(), config.eos_ids.end());
  }
  sampler_.AddPrompt(request_.prompt);
}

// They are told with the first token: after it, a preempted row only runs its prompt again.
bool Sequence::WantsPromptLogProbs(int first) const {
  const auto prompt = static_cast<int>(request_.prompt.size());
  return request_.prompt_log_probs && new_tokens() == 0 && first < prompt &&
         static_cast<int>(prompt_log_probs_.size()) + 1 < prompt;
}

int Sequence::LogitsWanted(int first, int count, bool samples) const {
  if (WantsPromptLogProbs(first)) return count;
  return samples && !request_.capture ? 1 : 0;
}

void Sequence::AddPromptLogProbs(int first, int count, std::span<const float> logits) {
  for (int i = 0; i < count; ++i) {
    // A preempted row runs its prompt again: what it has told already is not told twice.
    const auto next = static_cast<size_t>(first + i + 1);
    if (next != prompt_log_probs_.size() + 1 || next >= request_.prompt.size()) continue;
    prompt_log_probs_.push_back(ComputeLogProbs(
        logits.subspan(static_cast<size_t>(i) * config_.vocabulary, config_.vocabulary),
        request_.prompt[next], request_.top_log_probs));
  }
}

GenerationOutput Sequence::Advance(int first, int count, bool samples,
                                   std::span<const float> logits) {
  GenerationOutput output;
  if (WantsPromptLogProbs(first)) AddPromptLogProbs(first, count, logits);
  if (!samples || finished_) return output;
  if (new_tokens() == 0) output.prompt_log_probs = std::move(prompt_log_probs_);
  if (request_.capture) {
    finished_ = FinishReason::kLength;
    return output;
  }
  const std::span<const float> last = logits.last(config_.vocabulary);
  const bool may_end = new_tokens() >= request_.min_new_tokens;
  const int32_t token = sampler_.Sample(last, may_end ? std::span<const int32_t>() : ending_ids_);
  if (request_.log_probs) {
    output.log_probs.push_back(ComputeLogProbs(last, token, request_.top_log_probs));
  }
  Append(token, &output);
  return output;
}

void Sequence::Append(int32_t token, GenerationOutput* output) {
  tokens_.push_back(token);
  output->token_ids.push_back(token);
  if (!request_.ignore_eos && Contains(config_.eos_ids, token)) {
    finished_ = FinishReason::kEndOfText;
  } else if (Contains(request_.stop_ids, token)) {
    finished_ = FinishReason::kStopToken;
  } else {
    const std::string_view bytes = tokenizer_.TokenBytes(token, /*keep_special=*/false);
    output->text =
        new_tokens() < request_.min_new_tokens ? text_.PushBeforeStops(bytes) : text_.Push(bytes);
    if (text_.stopped()) {
      finished_ = FinishReason::kStopString;
    } else if (new_tokens() == request_.max_new_tokens) {
      finished_ = FinishReason::kLength;
    }
  }
  if (finished_) output->text += text_.Flush();
}

bool Sequence::Contains(std::span<const int32_t> ids, int32_t token) const {
  return std::find(ids.begin(), ids.end(), token) != ids.end();
}

}  // namespace prefixd
