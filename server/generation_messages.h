// From the engine's answers to the API's messages. Pure functions.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "engine/generation.h"
#include "prefixd/v1/generation_service.pb.h"

namespace prefixd {

// Adds to `piece` as many of the prompt's log-probabilities from `first` on as one message should
// hold, and returns how many.
size_t AddPromptLogProbs(const GenerationOutput& output, size_t first, v1::GenerateResponse* piece);

// Adds text, tokens and their log-probabilities.
void AddOutput(GenerationOutput output, v1::GenerateResponse* piece);

// Whether a message is so long that more should go into another: clients refuse more than 4 MiB.
bool IsFull(const v1::GenerateResponse& piece);

// All but versions and seed. The engine counts time from Submit; the call arrived `before_submit`
// earlier.
v1::GenerateSummary ToMessage(const GenerationSummary& summary, absl::Duration before_submit);

void SetDuration(absl::Duration from, google::protobuf::Duration* to);

}  // namespace prefixd
