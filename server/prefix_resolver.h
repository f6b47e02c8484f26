// From what a request names to prefixes in memory.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "prefix_store/repository.h"
#include "prefix_store/resident_cache.h"
#include "server/backend.h"

namespace prefixd {

struct ResolvedPrefixes {
  std::vector<PrefixRecord> records;  // as named
  std::vector<PrefixHandle> handles;  // pin them

  // Whether the first holds the model's own keys and values of a text's beginning.
  bool begins_captured() const {
    return !records.empty() && records.front().origin == PrefixOrigin::kCaptured;
  }
};

// Finds the versions that `tasks` name for `user` and pins them. Blocks on the store.
// INVALID_ARGUMENT for a malformed name, too many, or a captured prefix that is not the first;
// NOT_FOUND; FAILED_PRECONDITION for a prefix of another model; RESOURCE_EXHAUSTED when there is no
// memory for it now.
absl::StatusOr<ResolvedPrefixes> ResolvePrefixes(
    const Backend& backend, const std::string& user,
    const google::protobuf::RepeatedPtrField<std::string>& tasks);

// The one answer for a name that does not exist and for one that is another user's.
absl::Status NoSuchPrefix(const std::string& name);

// A store's answer about `name`, its NOT_FOUND replaced by NoSuchPrefix.
absl::Status HideReason(const absl::Status& status, const VersionName& name);

// The cache's loader: reads a version from the repository, checks it and converts it for the model.
// Both must outlive it.
ResidentCache::Loader MakePrefixLoader(const PrefixRepository* repository, const Model* model);

// What prefixes must fit.
PrefixTarget TargetOf(const Model& model);

}  // namespace prefixd
