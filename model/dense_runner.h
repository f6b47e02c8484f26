// The dense precision's segments and runner: LibTorch in f32, the oracle.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "model/weights.h"

namespace prefixd {

std::shared_ptr<const PrefixSegment> MakeDenseSegment(const PrefixTensor& prefix);

// The arguments must outlive the runner. LibTorch takes as many threads as `team` has.
absl::StatusOr<std::unique_ptr<ModelRunner>> NewDenseRunner(const ModelConfig* config,
                                                            const ModelWeights* weights,
                                                            const RunnerOptions& options,
                                                            WorkerTeam* team);

}  // namespace prefixd
