#include "server/unary_call.h"

#include <utility>

#include "server/grpc_status.h"
#include "server/identity.h"

namespace prefixd {

grpc::ServerUnaryReactor* RunOnPool(grpc::CallbackServerContext* context, CallGate* gate,
                                    TaskPool* pool, absl::AnyInvocable<absl::Status()> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::StatusOr<CallGate::Pass> pass = gate->Enter();
  if (!pass.ok()) {
    reactor->Finish(ToGrpcStatus(pass.status()));
    return reactor;
  }
  const absl::Status posted =
      pool->Post([reactor, pass = *std::move(pass), handler = std::move(handler)]() mutable {
        reactor->Finish(ToGrpcStatus(handler()));
      });
  if (!posted.ok()) reactor->Finish(ToGrpcStatus(posted));
  return reactor;
}

grpc::ServerUnaryReactor* RunOnPoolForUser(
    grpc::CallbackServerContext* context, CallGate* gate, TaskPool* pool,
    absl::AnyInvocable<absl::Status(const std::string& user)> handler) {
  absl::StatusOr<std::string> user = CallerFromMetadata(context->client_metadata());
  if (!user.ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(user.status()));
    return reactor;
  }
  return RunOnPool(
      context, gate, pool,
      [user = *std::move(user), handler = std::move(handler)]() mutable { return handler(user); });
}

}  // namespace prefixd
