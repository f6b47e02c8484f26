// Gives a checked prefix to the repository.
#pragma once

#include "absl/status/statusor.h"
#include "prefix_store/prefix_file.h"
#include "prefix_store/repository.h"

namespace prefixd {

// Stores `file` as the next version of `task`. Blocks on the disk; durable once it has returned OK.
absl::StatusOr<PrefixRecord> StorePrefix(PrefixRepository& repository, const TaskName& task,
                                         const PrefixFile& file, bool activate);

}  // namespace prefixd
