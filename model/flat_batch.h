// The rows of a forward pass as one flat batch of tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "model/model.h"

namespace prefixd {

struct FlatBatch {
  // One for each token of all rows, in order.
  std::vector<int32_t> tokens;
  std::vector<int> positions;
  std::vector<int> row;        // the row it belongs to
  std::vector<int> row_index;  // its index among its row's tokens, those in pages included

  std::vector<int> logit_tokens;  // the tokens whose logits are asked for

  int size() const { return static_cast<int>(tokens.size()); }
};

// Checks `rows` against the model and the runner's limits and flattens them into `batch`, whose
// memory is reused. INVALID_ARGUMENT names the row and what is wrong; `batch` is then undefined.
absl::Status Flatten(std::span<const RowInput> rows, const ModelConfig& config,
                     const RunnerOptions& options, FlatBatch* batch);

}  // namespace prefixd
