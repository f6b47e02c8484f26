#include "server/generation_messages.h"

#include <algorithm>

namespace prefixd {
namespace {

// Log-probabilities with 20 alternatives each take about 250 bytes a token.
constexpr int kMaxTokensInPiece = 2048;

void ToMessage(const LogProbs& from, v1::LogProb* to) {
  to->mutable_token()->set_token_id(from.chosen.id);
  to->mutable_token()->set_log_prob(from.chosen.log_prob);
  for (const TokenLogProb& top : from.top) {
    v1::TokenLogProb* added = to->add_top();
    added->set_token_id(top.id);
    added->set_log_prob(top.log_prob);
  }
}

v1::FinishReason ToMessage(FinishReason reason) {
  switch (reason) {
    case FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case FinishReason::kEndOfText:
      return v1::FINISH_REASON_END_OF_TEXT;
    case FinishReason::kStopString:
      return v1::FINISH_REASON_STOP_STRING;
    case FinishReason::kStopToken:
      return v1::FINISH_REASON_STOP_TOKEN;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

}  // namespace

size_t AddPromptLogProbs(const GenerationOutput& output, size_t first,
                         v1::GenerateResponse* piece) {
  const size_t last =
      std::min(output.prompt_log_probs.size(), first + static_cast<size_t>(kMaxTokensInPiece));
  for (size_t i = first; i < last; ++i) {
    ToMessage(output.prompt_log_probs[i], piece->add_prompt_log_probs());
  }
  return last - first;
}

void AddOutput(GenerationOutput output, v1::GenerateResponse* piece) {
  piece->mutable_text()->append(output.text);
  piece->mutable_token_ids()->Add(output.token_ids.begin(), output.token_ids.end());
  for (const LogProbs& log_probs : output.log_probs) {
    ToMessage(log_probs, piece->add_log_probs());
  }
}

bool IsFull(const v1::GenerateResponse& piece) {
  return piece.token_ids_size() + piece.prompt_log_probs_size() >= kMaxTokensInPiece;
}

v1::GenerateSummary ToMessage(const GenerationSummary& summary, absl::Duration before_submit) {
  v1::GenerateSummary message;
  message.set_finish_reason(ToMessage(summary.reason));
  message.set_prompt_tokens(summary.prompt_tokens);
  message.set_new_tokens(summary.new_tokens);
  SetDuration(before_submit + summary.queue_time, message.mutable_queue_duration());
  SetDuration(before_submit + summary.first_token_time, message.mutable_first_token_duration());
  SetDuration(before_submit + summary.total_time, message.mutable_total_duration());
  return message;
}

void SetDuration(absl::Duration from, google::protobuf::Duration* to) {
  to->set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to->set_nanos(static_cast<int>(absl::IDivDuration(from, absl::Nanoseconds(1), &from)));
}

}  // namespace prefixd
