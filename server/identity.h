// Who calls.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/support/string_ref.h"

namespace prefixd {

// The metadata key that names the caller's user. Nothing proves it: whoever can reach the port can
// name any user. So the server listens on this machine alone unless it is told otherwise.
inline constexpr char kUserMetadataKey[] = "x-prefixd-user";

// The caller's user, from a call's metadata. INVALID_ARGUMENT, telling key and form, when it is
// missing, there more than once or malformed.
absl::StatusOr<std::string> CallerFromMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace prefixd
