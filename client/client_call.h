// Client's bookkeeping of running calls. Private to client*.cc.
#pragma once

#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "client/client.h"
#include "client/rpc_error.h"
#include "grpcpp/client_context.h"

namespace prefixd {

// The contexts of the calls that run, so that they can be cancelled. Thread-safe.
class Client::CallRegistry {
 public:
  ~CallRegistry();

  void Add(grpc::ClientContext* context);
  void Remove(grpc::ClientContext* context);
  void CancelAll();

 private:
  Mutex mutex_;
  CondVar idle_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
};

// One call: its context with the user's name and the deadline, registered as long as it lives.
class Client::Call {
 public:
  explicit Call(Client& client);
  ~Call() { calls_.Remove(&context_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  grpc::ClientContext* context() { return &context_; }

  // A whole call of one request and one answer.
  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Unary(Client& client, Stub& stub,
                                        grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                                        const Request& request) {
    Call call(client);
    Response response;
    const absl::Status status = FromGrpcStatus((stub.*method)(call.context(), request, &response));
    if (!status.ok()) return status;
    return response;
  }

 private:
  CallRegistry& calls_;
  grpc::ClientContext context_;
};

}  // namespace prefixd
