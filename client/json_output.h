// What the tools print with --json: the protos' fields in snake_case, as plain values.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "prefixd/v1/generation_service.pb.h"
#include "prefixd/v1/prefix_admin_service.pb.h"

namespace prefixd {

using Json = nlohmann::ordered_json;

// An answer, put together from its pieces.
struct Generation {
  std::string text;
  std::vector<int> token_ids;
  std::vector<v1::LogProb> log_probs;
  std::vector<v1::LogProb> prompt_log_probs;
  v1::GenerateSummary summary;

  void Append(const v1::GenerateResponse& piece);
};

// Keys for log-probabilities are there only if `asked` for them. Log-probabilities are printed with
// all their digits: read back and rounded to float, they are the same bits.
Json ToJson(const Generation& generation, const v1::LogProbOptions& asked);

Json ToJson(const v1::Prefix& prefix);
Json ToJson(const v1::GetModelResponse& model);
Json ToJson(const v1::GetStatusResponse& status);

// {"error": {"code": "NOT_FOUND", "message": …, "retry_after_ms": …}}, the last if the server said.
Json ToJson(const absl::Status& error);

// One line per top-level value; bytes that are not UTF-8 become U+FFFD.
std::string Dump(const Json& json);

// "length", "end_of_text", "stop_string", "stop_token"; of other values "unknown".
std::string FinishReasonName(v1::FinishReason reason);

double Milliseconds(const google::protobuf::Duration& duration);

}  // namespace prefixd
