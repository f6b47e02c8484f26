#include "model/flat_batch.h"

#include <algorithm>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

// The position of the row's first token.
int RowOffset(const RowInput& row) {
  int offset = 0;
  for (const PrefixSegment* prefix : row.prefixes) offset += prefix->position_offset();
  return offset;
}

absl::Status CheckRow(const RowInput& row, const ModelConfig& config, int pages) {
  const int count = static_cast<int>(row.tokens.size());
  const int end = row.cached + count;
  if (count == 0 || row.cached < 0) return absl::InvalidArgumentError("it has no tokens to run");
  if (row.logits < 0 || row.logits > count) {
    return absl::InvalidArgumentError("it asks for logits of tokens that it does not run");
  }
  if (static_cast<int>(row.pages.size()) * kPageSize < end) {
    return absl::InvalidArgumentError(StrCat("its pages do not hold ", end, " tokens"));
  }
  for (const int page : row.pages) {
    if (page < 0 || page >= pages) {
      return absl::InvalidArgumentError(StrCat("page ", page, " does not exist"));
    }
  }
  for (const int32_t token : row.tokens) {
    if (token < 0 || token >= config.vocabulary) {
      return absl::InvalidArgumentError(StrCat("token ", token, " is not in the vocabulary"));
    }
  }
  if (RowOffset(row) + end > config.max_positions) {
    return absl::InvalidArgumentError(
        StrCat("it reaches past the model's ", config.max_positions, " positions"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Flatten(std::span<const RowInput> rows, const ModelConfig& config,
                     const RunnerOptions& options, FlatBatch* batch) {
  batch->tokens.clear();
  batch->positions.clear();
  batch->row.clear();
  batch->row_index.clear();
  batch->logit_tokens.clear();
  for (size_t r = 0; r < rows.size(); ++r) {
    const RowInput& row = rows[r];
    if (absl::Status status = CheckRow(row, config, options.pages); !status.ok()) {
      return absl::Status(status.code(), StrCat("row ", r, ": ", status.message()));
    }
    const int offset = RowOffset(row);
    const int count = static_cast<int>(row.tokens.size());
    for (int i = 0; i < count; ++i) {
      if (i >= count - row.logits) batch->logit_tokens.push_back(batch->size());
      batch->tokens.push_back(row.tokens[i]);
      batch->positions.push_back(offset + row.cached + i);
      batch->row.push_back(static_cast<int>(r));
      batch->row_index.push_back(row.cached + i);
    }
  }
  if (batch->size() > options.max_step_tokens) {
    return absl::InvalidArgumentError(StrCat("the step has ", batch->size(),
                                             " tokens; the runner was made for ",
                                             options.max_step_tokens));
  }
  if (static_cast<int>(batch->logit_tokens.size()) > options.max_step_logits) {
    return absl::InvalidArgumentError(StrCat("the step asks for ", batch->logit_tokens.size(),
                                             " rows of logits; the runner was made for ",
                                             options.max_step_logits));
  }
  return absl::OkStatus();
}

}  // namespace prefixd
