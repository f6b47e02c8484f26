#include "server/store_prefix.h"

#include <string>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "spdlog/spdlog.h"

namespace prefixd {

absl::StatusOr<PrefixRecord> StorePrefix(PrefixRepository& repository, const TaskName& task,
                                         const PrefixFile& file, bool activate) {
  const NewPrefix prefix = {
      .task = task,
      .description = file.description,
      .positions = file.tensor.positions,
      .position_offset = file.tensor.position_offset,
      .model_fingerprint = file.model_fingerprint,
      .origin = file.origin,
      .activate = activate,
      .create_time = absl::Now(),
  };
  PREFIXD_ASSIGN_OR_RETURN(const std::string bytes, SerializePrefixFile(file));
  PREFIXD_ASSIGN_OR_RETURN(PrefixRecord record, repository.Create(prefix, bytes));
  spdlog::info("prefix created name={} positions={} bytes={} active={}", record.name.ToString(),
               record.positions, record.size_bytes, record.active);
  return record;
}

}  // namespace prefixd
