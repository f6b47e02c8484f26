// JSON from files that nobody vouches for. Include it in .cc files alone: the parser is large.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace prefixd {

// INVALID_ARGUMENT, naming `what`, unless `text` is one JSON object.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view what);

// The JSON object in a file of at most `max_bytes`. NOT_FOUND when there is no file,
// INVALID_ARGUMENT when it is larger or holds something else; the message names the path.
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path,
                                            size_t max_bytes = size_t{64} << 20);

}  // namespace prefixd
