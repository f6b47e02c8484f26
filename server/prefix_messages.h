// From what the store knows to the API's messages.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "prefix_store/repository.h"
#include "prefixd/v1/prefix_admin_service.pb.h"

namespace prefixd {

v1::Prefix ToMessage(const PrefixRecord& record);

// A page token: where the last page ended. Opaque to clients.
std::string ToPageToken(const VersionName& last);

// INVALID_ARGUMENT unless `token` came from a list of the same `parent`.
absl::StatusOr<VersionName> ParsePageToken(std::string_view token, const TaskName& parent);

// INVALID_ARGUMENT for one of more than 1,024 bytes.
absl::Status CheckDescription(std::string_view description);

}  // namespace prefixd
