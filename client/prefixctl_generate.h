// prefixctl generate: its arguments, and the request that they mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "prefixd/v1/generation_service.pb.h"

namespace prefixd {

struct GenerateArguments {
  std::vector<std::string> tasks;
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_file;
  std::optional<std::vector<int>> token_ids;
  bool special_as_text = false;
  int max_new_tokens = 0;
  int min_new_tokens = 0;
  float temperature = 0;
  int top_k = 0;
  std::optional<float> top_p;
  float min_p = 0;
  std::optional<float> repetition_penalty;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::optional<uint64_t> seed;
  std::vector<std::string> logit_bias;  // "ID:VALUE"
  bool ignore_eos = false;
  std::vector<std::string> stop_strings;
  std::vector<int> stop_token_ids;
  bool log_probs = false;
  bool prompt_log_probs = false;
  int top_log_probs = 0;
};

void AddGenerateOptions(CLI::App& app, GenerateArguments& arguments);

// Reads the prompt's file, if it names one. INVALID_ARGUMENT when there is not exactly one prompt,
// when text is not UTF-8 or a bias is not ID:VALUE; ranges are the server's to check.
absl::StatusOr<v1::GenerateRequest> ToRequest(const GenerateArguments& arguments);

}  // namespace prefixd
