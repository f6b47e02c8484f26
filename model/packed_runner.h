// The packed precisions' segments and runner.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "model/weights.h"

namespace prefixd {

std::shared_ptr<const PrefixSegment> MakePackedSegment(const PrefixTensor& prefix);

// The arguments must outlive the runner.
absl::StatusOr<std::unique_ptr<ModelRunner>> NewPackedRunner(const ModelConfig* config,
                                                             const ModelWeights* weights,
                                                             const RunnerOptions& options,
                                                             WorkerTeam* team);

}  // namespace prefixd
