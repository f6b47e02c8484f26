// One Generate call: gRPC's writer and the engine's sink at once.
//
// Three parties meet here, each on its own thread: the pool, which resolves the request and submits
// it; the engine, which brings pieces; and gRPC, which tells when a message has gone and when the
// client has. Whatever the order, the call ends when the engine has said its last word (or the
// request never reached it) and all pieces have been written.
//
// A slow client: pieces that cannot be written yet are joined, so they take no more memory than the
// answer itself, which max_new_tokens bounds.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/generation.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "prefixd/v1/generation_service.pb.h"
#include "server/backend.h"

namespace prefixd {

// Keeps itself alive until the call is over.
class GenerateCall : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                     public GenerationSink,
                     public std::enable_shared_from_this<GenerateCall> {
 public:
  // Begins the call; what it returns is for gRPC.
  static grpc::ServerWriteReactor<v1::GenerateResponse>* Start(const ServiceContext& services,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::GenerateRequest* request);

  // GenerationSink, on the engine's thread.
  void OnOutput(GenerationOutput output) override;
  void OnDone(const absl::Status& status, GenerationSummary summary) override;

  // ServerWriteReactor, on gRPC's threads.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  GenerateCall(const Backend& backend, grpc::CallbackServerContext* context,
               const v1::GenerateRequest* request);

  absl::Status Enter(const ServiceContext& services);
  absl::Status Submit();
  absl::StatusOr<GenerationRequest> Translate();
  void End(const absl::Status& status);

  // Where the next piece goes: joined to one that waits, or to a new one.
  v1::GenerateResponse* WaitingPiece() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Backend backend_;
  grpc::CallbackServerContext* const context_;
  const v1::GenerateRequest* const request_;
  const absl::Time arrival_;

  // Written before the request is submitted.
  std::string user_;
  std::vector<std::string> prefix_versions_;
  uint64_t seed_ = 0;
  absl::Duration before_submit_;

  std::optional<CallGate::Pass> pass_;
  std::shared_ptr<GenerateCall> self_;  // until OnDone()

  Mutex mutex_;
  std::deque<v1::GenerateResponse> waiting_ ABSL_GUARDED_BY(mutex_);
  v1::GenerateResponse written_ ABSL_GUARDED_BY(mutex_);  // gRPC reads it while writing_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Engine::RequestId> id_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace prefixd
