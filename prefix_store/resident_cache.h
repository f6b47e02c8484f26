// Prefixes in memory, in the model's cache layout, within a budget of bytes.
//
// A handle pins its prefix: it stays in memory as long as a handle lives, whatever becomes of its
// version. What no handle pins is kept, least recently used first out, while the budget lasts.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "model/model.h"
#include "prefix_store/prefix_name.h"

namespace prefixd {

// Keeps a prefix in memory. Costs PrefixSegment::bytes() of the budget until it is gone.
using PrefixHandle = std::shared_ptr<const PrefixSegment>;

// Thread-safe.
class ResidentCache {
 public:
  // Makes a version's segment: reads it from the store, checks it and converts it. Blocks.
  using Loader = std::function<absl::StatusOr<PrefixHandle>(const VersionName&)>;

  ResidentCache(int64_t budget_bytes, Loader loader);

  // The version's prefix (never version 0), loaded on the calling thread if it is not resident; two
  // callers at once load it once and get the same outcome. RESOURCE_EXHAUSTED, evicting nothing,
  // when what is pinned leaves no room for it; else what the loader says. Failures are not
  // remembered. The budget knows a prefix once it is loaded: loads under way come on top of it.
  absl::StatusOr<PrefixHandle> Acquire(const VersionName& name);

  // Forgets a deleted version. Handles stay good.
  void Drop(const VersionName& name);

  struct Stats {
    int prefixes = 0;   // that Acquire would find
    int64_t bytes = 0;  // of these, and of dropped ones that handles still pin
  };
  Stats stats() const;

 private:
  struct Load;
  struct Resident {
    VersionName name;
    PrefixHandle handle;
    int64_t bytes;
  };
  // A dropped version that handles keep in memory.
  struct Orphan {
    std::weak_ptr<const PrefixSegment> segment;
    int64_t bytes;
  };
  using Residents = std::list<Resident>;

  // Files the outcome of a load and returns what its callers get. What leaves the cache is moved to
  // `evicted`, to be freed without the lock.
  absl::StatusOr<PrefixHandle> Finish(const VersionName& name, absl::StatusOr<PrefixHandle> loaded,
                                      bool dropped, std::vector<PrefixHandle>* evicted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(int64_t bytes, std::vector<PrefixHandle>* evicted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t OrphanBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t budget_bytes_;
  const Loader loader_;

  mutable Mutex mutex_;
  CondVar loaded_;
  Residents residents_ ABSL_GUARDED_BY(mutex_);  // front: the most recently used
  absl::flat_hash_map<VersionName, Residents::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<VersionName, std::shared_ptr<Load>> loads_ ABSL_GUARDED_BY(mutex_);
  std::vector<Orphan> orphans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace prefixd
