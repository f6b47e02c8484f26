// Where prefixes are kept: numbered versions of each (user, task), durable once acknowledged.
//
// Invariants, for every implementation:
//   - a version never changes, and its number is never used again: not after a delete of the
//   version
//     or of the task, not after a restart;
//   - a call that returned OK is durable; one that failed left no trace;
//   - metadata and bytes are written in one transaction, and the checksum is verified at each read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "prefix_store/prefix_file.h"
#include "prefix_store/prefix_name.h"

namespace prefixd {

// What is known of a version without reading its bytes.
struct PrefixRecord {
  VersionName name;
  bool active = false;
  std::string description;
  int positions = 0;
  int position_offset = 0;
  std::string model_fingerprint;
  PrefixOrigin origin = PrefixOrigin::kUploaded;
  int64_t size_bytes = 0;
  std::string sha256;  // of the bytes, 64 hexadecimal digits
  absl::Time create_time;

  bool operator==(const PrefixRecord&) const = default;
};

// A version to be. The repository gives it its number.
struct NewPrefix {
  TaskName task;
  std::string description;
  int positions = 0;
  int position_offset = 0;
  std::string model_fingerprint;
  PrefixOrigin origin = PrefixOrigin::kUploaded;
  bool activate = true;    // a task's first version becomes active all the same
  absl::Time create_time;  // kept to the microsecond
};

// Thread-safe. Calls block on the disk or the network: never call them on the engine thread.
class PrefixRepository {
 public:
  virtual ~PrefixRepository() = default;

  // Stores `bytes` (prefixd's own file) as the task's next version. INVALID_ARGUMENT when they are
  // more than the store takes for one version; RESOURCE_EXHAUSTED when the disk is full.
  virtual absl::StatusOr<PrefixRecord> Create(const NewPrefix& prefix, std::string_view bytes) = 0;

  // One version; version 0: the task's active one. NOT_FOUND; DATA_LOSS when what is stored of it
  // cannot be read.
  virtual absl::StatusOr<PrefixRecord> Get(const VersionName& name) const = 0;

  // The bytes of a version; version 0: of the active one. NOT_FOUND; DATA_LOSS when they do not
  // match the checksum.
  virtual absl::StatusOr<std::string> Read(const VersionName& name) const = 0;

  struct ListOptions {
    std::string user;
    std::string task;                  // empty: all tasks
    std::optional<VersionName> after;  // begin behind this one
    int limit = 100;
  };
  // By task name, then by number; fewer than `limit` only at the end. Leaves out versions for which
  // Get would say DATA_LOSS.
  virtual absl::StatusOr<std::vector<PrefixRecord>> List(const ListOptions& options) const = 0;

  // Makes a version (not version 0: INVALID_ARGUMENT) the active one. NOT_FOUND.
  virtual absl::StatusOr<PrefixRecord> Activate(const VersionName& name) = 0;

  // Deletes a version; version 0: the task with all its versions (its counter stays). NOT_FOUND;
  // FAILED_PRECONDITION for the active version of a task.
  virtual absl::Status Delete(const VersionName& name) = 0;
};

}  // namespace prefixd
