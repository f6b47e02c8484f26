#include "server/identity.h"

#include <string_view>

#include "base/str_cat.h"
#include "prefix_store/prefix_name.h"

namespace prefixd {

absl::StatusOr<std::string> CallerFromMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  const auto [first, last] = metadata.equal_range(kUserMetadataKey);
  const auto found = std::distance(first, last);
  if (found == 1) {
    const std::string_view user(first->second.data(), first->second.size());
    if (IsResourceId(user)) return std::string(user);
  }
  return absl::InvalidArgumentError(StrCat(
      "the metadata key \"", kUserMetadataKey, "\" must name the caller's user: 1 to 63 letters, ",
      "digits, '-', '_' and '.', the first a letter or digit; ",
      found == 0 ? "it is missing" : (found == 1 ? "it has another form" : "it is there twice")));
}

}  // namespace prefixd
