// Tells whoever started the server where it listens.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace prefixd {

// Writes `address` and a line end to `path`, so that a reader sees all of it or nothing.
absl::Status WritePortFile(const std::string& path, const std::string& address);

}  // namespace prefixd
