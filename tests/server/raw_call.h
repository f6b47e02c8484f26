// Calls without generated code: of methods whose protos come with no package, and with bytes that
// Protobuf would not make.
#pragma once

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"

namespace prefixd {

struct RawAnswer {
  grpc::Status status;
  std::string bytes;
};

// One message to `method`, one back.
RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::string& request);

// What grpc.health.v1.Health says of `service` ("": the server).
bool IsServing(const std::shared_ptr<grpc::Channel>& channel, const std::string& service);

}  // namespace prefixd
