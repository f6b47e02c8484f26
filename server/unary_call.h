// A unary call whose handler may block.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/call_gate.h"
#include "server/task_pool.h"

namespace prefixd {

// Runs `handler` on the pool and finishes the call with what it returns; or finishes it at once
// when the gate is closed or the pool full. The request and the response live until then.
grpc::ServerUnaryReactor* RunOnPool(grpc::CallbackServerContext* context, CallGate* gate,
                                    TaskPool* pool, absl::AnyInvocable<absl::Status()> handler);

// The same for a handler that is given the caller's user.
grpc::ServerUnaryReactor* RunOnPoolForUser(
    grpc::CallbackServerContext* context, CallGate* gate, TaskPool* pool,
    absl::AnyInvocable<absl::Status(const std::string& user)> handler);

}  // namespace prefixd
