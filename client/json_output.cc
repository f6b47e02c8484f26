#include "client/json_output.h"

#include "absl/time/time.h"
#include "client/rpc_error.h"
#include "google/protobuf/util/time_util.h"

namespace prefixd {
namespace {

Json LogProbs(const std::vector<v1::LogProb>& log_probs) {
  Json list = Json::array();
  for (const v1::LogProb& entry : log_probs) {
    list.push_back(static_cast<double>(entry.token().log_prob()));
  }
  return list;
}

Json TopLogProbs(const std::vector<v1::LogProb>& log_probs) {
  Json list = Json::array();
  for (const v1::LogProb& entry : log_probs) {
    Json place = Json::array();
    for (const v1::TokenLogProb& token : entry.top()) {
      place.push_back(
          {{"token_id", token.token_id()}, {"log_prob", static_cast<double>(token.log_prob())}});
    }
    list.push_back(std::move(place));
  }
  return list;
}

std::string OriginName(v1::PrefixOrigin origin) {
  switch (origin) {
    case v1::PREFIX_ORIGIN_UPLOADED:
      return "uploaded";
    case v1::PREFIX_ORIGIN_CAPTURED:
      return "captured";
    default:
      return "unknown";
  }
}

}  // namespace

void Generation::Append(const v1::GenerateResponse& piece) {
  text += piece.text();
  token_ids.insert(token_ids.end(), piece.token_ids().begin(), piece.token_ids().end());
  log_probs.insert(log_probs.end(), piece.log_probs().begin(), piece.log_probs().end());
  prompt_log_probs.insert(prompt_log_probs.end(), piece.prompt_log_probs().begin(),
                          piece.prompt_log_probs().end());
  if (piece.has_summary()) summary = piece.summary();
}

std::string FinishReasonName(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_END_OF_TEXT:
      return "end_of_text";
    case v1::FINISH_REASON_STOP_STRING:
      return "stop_string";
    case v1::FINISH_REASON_STOP_TOKEN:
      return "stop_token";
    default:
      return "unknown";
  }
}

double Milliseconds(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1e3 + duration.nanos() / 1e6;
}

Json ToJson(const Generation& generation, const v1::LogProbOptions& asked) {
  const v1::GenerateSummary& summary = generation.summary;
  Json json = {{"text", generation.text}, {"token_ids", generation.token_ids}};
  if (asked.generated()) {
    json["log_probs"] = LogProbs(generation.log_probs);
    if (asked.top_count() > 0) json["top_log_probs"] = TopLogProbs(generation.log_probs);
  }
  if (asked.prompt()) {
    json["prompt_log_probs"] = LogProbs(generation.prompt_log_probs);
    if (asked.top_count() > 0) {
      json["prompt_top_log_probs"] = TopLogProbs(generation.prompt_log_probs);
    }
  }
  json["finish_reason"] = FinishReasonName(summary.finish_reason());
  json["prefix_versions"] = Json::array();
  for (const std::string& name : summary.prefix_versions()) json["prefix_versions"].push_back(name);
  json["prompt_tokens"] = summary.prompt_tokens();
  json["new_tokens"] = summary.new_tokens();
  json["seed"] = summary.seed();
  json["queue_ms"] = Milliseconds(summary.queue_duration());
  json["first_token_ms"] = Milliseconds(summary.first_token_duration());
  json["total_ms"] = Milliseconds(summary.total_duration());
  return json;
}

Json ToJson(const v1::Prefix& prefix) {
  Json json = {{"name", prefix.name()},
               {"active", prefix.active()},
               {"description", prefix.description()},
               {"positions", prefix.positions()},
               {"position_offset", prefix.position_offset()},
               {"model_fingerprint", prefix.model_fingerprint()},
               {"size_bytes", prefix.size_bytes()},
               {"sha256", prefix.sha256()},
               {"origin", OriginName(prefix.origin())},
               {"create_time", nullptr},
               {"warnings", Json::array()}};
  if (prefix.has_create_time()) {
    json["create_time"] = google::protobuf::util::TimeUtil::ToString(prefix.create_time());
  }
  for (const std::string& warning : prefix.warnings()) json["warnings"].push_back(warning);
  return json;
}

Json ToJson(const v1::GetModelResponse& model) {
  Json json = {{"display_name", model.display_name()},
               {"architecture", model.architecture()},
               {"fingerprint", model.fingerprint()},
               {"precision", model.precision()},
               {"layers", model.layers()},
               {"hidden_size", model.hidden_size()},
               {"heads", model.heads()},
               {"kv_heads", model.kv_heads()},
               {"head_dim", model.head_dim()},
               {"vocabulary_size", model.vocabulary_size()},
               {"max_positions", model.max_positions()},
               {"weight_bytes", model.weight_bytes()},
               {"bos_token_id", nullptr},
               {"eos_token_ids", Json::array()}};
  if (model.has_bos_token_id()) json["bos_token_id"] = model.bos_token_id();
  for (int id : model.eos_token_ids()) json["eos_token_ids"].push_back(id);
  return json;
}

Json ToJson(const v1::GetStatusResponse& status) {
  return {{"running_rows", status.running_rows()},
          {"queued_rows", status.queued_rows()},
          {"total_pages", status.total_pages()},
          {"free_pages", status.free_pages()},
          {"resident_prefixes", status.resident_prefixes()},
          {"resident_prefix_bytes", status.resident_prefix_bytes()},
          {"tokens_per_second", status.tokens_per_second()},
          {"steps", status.steps()},
          {"new_tokens", status.new_tokens()},
          {"prompt_tokens", status.prompt_tokens()},
          {"preemptions", status.preemptions()},
          {"uptime_ms", Milliseconds(status.uptime_duration())}};
}

Json ToJson(const absl::Status& error) {
  Json json = {{"code", absl::StatusCodeToString(error.code())},
               {"message", std::string(error.message())}};
  if (const auto delay = RetryAfter(error)) {
    json["retry_after_ms"] = absl::ToDoubleMilliseconds(*delay);
  }
  return {{"error", std::move(json)}};
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace prefixd
