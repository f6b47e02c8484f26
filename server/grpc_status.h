// The one place where an absl::Status becomes a gRPC status.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace prefixd {

// Codes map one to one. RESOURCE_EXHAUSTED and UNAVAILABLE carry google.rpc.RetryInfo in their
// details. A long message is cut, so that the status fits into a client's limit of metadata.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace prefixd
