// gRPC's errors as absl::Status.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace prefixd {

// The same code and message. A google.rpc.RetryInfo in the details is kept for RetryAfter();
// details that cannot be read are left out.
absl::Status FromGrpcStatus(const grpc::Status& status);

// How long the server asks to wait before the next attempt, if it says so.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

// "NOT_FOUND: there is no task", for people; a message that only repeats the code is left out.
std::string Describe(const absl::Status& status);

}  // namespace prefixd
