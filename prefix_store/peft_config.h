// PEFT's adapter_config.json, as far as prefix tuning needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/prefix_tensor.h"

namespace prefixd {

struct PeftConfig {
  std::optional<int64_t> num_virtual_tokens;
};

// INVALID_ARGUMENT unless the configuration is one of prefix tuning for a decoder alone, and what
// it says of shapes, where it says it, is the model's. Other methods and encoder-decoder models are
// named in the message.
absl::StatusOr<PeftConfig> ParsePeftConfig(std::string_view config_json, const PrefixShape& shape);

}  // namespace prefixd
