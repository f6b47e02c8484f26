#include "prefix_store/resident_cache.h"

#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {

// A load under way, shared by the thread that loads and those that wait for it.
struct ResidentCache::Load {
  bool done = false;
  bool dropped = false;  // its version was deleted meanwhile
  absl::StatusOr<PrefixHandle> outcome = PrefixHandle();
};

namespace {

// Under the cache's lock nobody can copy the cache's own reference, so that an unpinned prefix
// stays unpinned.
bool IsPinned(const PrefixHandle& handle) { return handle.use_count() > 1; }

}  // namespace

ResidentCache::ResidentCache(int64_t budget_bytes, Loader loader)
    : budget_bytes_(budget_bytes), loader_(std::move(loader)) {}

absl::StatusOr<PrefixHandle> ResidentCache::Acquire(const VersionName& name) {
  if (name.version == 0) {
    return absl::InvalidArgumentError("the cache holds versions; resolve the active one first");
  }
  const auto load = std::make_shared<Load>();
  {
    MutexLock lock(&mutex_);
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      residents_.splice(residents_.begin(), residents_, found->second);
      return found->second->handle;
    }
    if (const auto [found, inserted] = loads_.emplace(name, load); !inserted) {
      const std::shared_ptr<Load> other = found->second;
      while (!other->done) loaded_.Wait(&mutex_);
      return other->outcome;
    }
  }
  absl::StatusOr<PrefixHandle> loaded = loader_(name);
  std::vector<PrefixHandle> evicted;
  MutexLock lock(&mutex_);
  load->outcome = Finish(name, std::move(loaded), load->dropped, &evicted);
  load->done = true;
  if (!load->dropped) loads_.erase(name);
  loaded_.SignalAll();
  return load->outcome;
}

absl::StatusOr<PrefixHandle> ResidentCache::Finish(const VersionName& name,
                                                   absl::StatusOr<PrefixHandle> loaded,
                                                   bool dropped,
                                                   std::vector<PrefixHandle>* evicted) {
  PREFIXD_ASSIGN_OR_RETURN(PrefixHandle handle, std::move(loaded));
  const int64_t bytes = handle->bytes();
  PREFIXD_RETURN_IF_ERROR(MakeRoom(bytes, evicted));
  if (dropped) {
    orphans_.push_back({handle, bytes});
  } else {
    residents_.push_front({name, handle, bytes});
    by_name_[name] = residents_.begin();
  }
  return handle;
}

absl::Status ResidentCache::MakeRoom(int64_t bytes, std::vector<PrefixHandle>* evicted) {
  std::erase_if(orphans_, [](const Orphan& orphan) { return orphan.segment.expired(); });
  int64_t used = OrphanBytes();
  int64_t pinned = used;
  for (const Resident& resident : residents_) {
    used += resident.bytes;
    if (IsPinned(resident.handle)) pinned += resident.bytes;
  }
  if (bytes > budget_bytes_ - pinned) {
    return absl::ResourceExhaustedError(
        StrCat("the prefix needs ", bytes, " bytes of memory; of the ", budget_bytes_,
               " for prefixes, running requests hold ", pinned,
               bytes > budget_bytes_ ? ": give the server more" : ": try again later"));
  }
  for (auto oldest = residents_.end(); used + bytes > budget_bytes_;) {
    --oldest;
    if (IsPinned(oldest->handle)) continue;
    used -= oldest->bytes;
    evicted->push_back(std::move(oldest->handle));
    by_name_.erase(oldest->name);
    oldest = residents_.erase(oldest);
  }
  return absl::OkStatus();
}

int64_t ResidentCache::OrphanBytes() const {
  int64_t bytes = 0;
  for (const Orphan& orphan : orphans_) {
    if (!orphan.segment.expired()) bytes += orphan.bytes;
  }
  return bytes;
}

void ResidentCache::Drop(const VersionName& name) {
  PrefixHandle dropped;  // freed without the lock
  MutexLock lock(&mutex_);
  if (const auto load = loads_.find(name); load != loads_.end()) {
    load->second->dropped = true;
    loads_.erase(load);
  }
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  dropped = std::move(found->second->handle);
  orphans_.push_back({dropped, found->second->bytes});
  residents_.erase(found->second);
  by_name_.erase(found);
}

ResidentCache::Stats ResidentCache::stats() const {
  MutexLock lock(&mutex_);
  Stats stats = {.prefixes = static_cast<int>(residents_.size()), .bytes = OrphanBytes()};
  for (const Resident& resident : residents_) stats.bytes += resident.bytes;
  return stats;
}

}  // namespace prefixd
