// What a client is told of a request that is no message of its method.
#pragma once

#include <memory>
#include <vector>

#include "grpcpp/support/server_interceptor.h"

namespace prefixd {

// Answers such a request with INVALID_ARGUMENT and the likely reason. gRPC's callback API says
// UNIMPLEMENTED and nothing else; since every method is implemented, no handler of ours says that.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
ParseErrorInterceptors();

}  // namespace prefixd
