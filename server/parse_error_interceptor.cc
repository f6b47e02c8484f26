#include "server/parse_error_interceptor.h"

#include "absl/status/status.h"
#include "server/grpc_status.h"

namespace prefixd {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

class ParseErrorInterceptor : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS) &&
        methods->GetSendStatus().error_code() == grpc::StatusCode::UNIMPLEMENTED &&
        methods->GetSendStatus().error_message().empty()) {
      methods->ModifySendStatus(ToGrpcStatus(absl::InvalidArgumentError(
          "the request is not a message of this method; strings must be UTF-8")));
    }
    methods->Proceed();
  }
};

class Factory : public ServerInterceptorFactoryInterface {
 public:
  Interceptor* CreateServerInterceptor(ServerRpcInfo* /*info*/) override {
    return std::make_unique<ParseErrorInterceptor>().release();  // gRPC owns it
  }
};

}  // namespace

std::vector<std::unique_ptr<ServerInterceptorFactoryInterface>> ParseErrorInterceptors() {
  std::vector<std::unique_ptr<ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>());
  return factories;
}

}  // namespace prefixd
