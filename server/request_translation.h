// From the API's requests to the engine's, with the checks that the API promises.
//
// Pure functions. INVALID_ARGUMENT names the field as the API does and says its range.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/generation.h"
#include "model/model_config.h"
#include "model/tokenizer.h"
#include "prefixd/v1/generation_service.pb.h"

namespace prefixd {

// Everything but the prompt, the prefixes, the deadline and a seed that is not set.
absl::StatusOr<GenerationRequest> TranslateParameters(const v1::GenerateRequest& request,
                                                      const ModelConfig& config);

// The prompt's tokens. Those that the model wants before every text come first, unless
// `after_captured`: a captured prefix holds them already.
absl::StatusOr<std::vector<int32_t>> TranslatePrompt(const v1::GenerateRequest& request,
                                                     const ModelConfig& config,
                                                     const Tokenizer& tokenizer,
                                                     bool after_captured);

// Checks that every id is in the vocabulary; `field` is named in the error.
absl::Status CheckTokenIds(std::span<const int32_t> ids, int vocabulary, std::string_view field);

inline std::span<const int32_t> AsSpan(const google::protobuf::RepeatedField<int32_t>& ids) {
  return {ids.data(), static_cast<size_t>(ids.size())};
}

inline SpecialTokens SpecialTokensFor(bool as_text) {
  return as_text ? SpecialTokens::kAsText : SpecialTokens::kParse;
}

}  // namespace prefixd
