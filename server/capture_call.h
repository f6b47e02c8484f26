// One CapturePrefix call: the engine runs the text, and what it leaves in the cache is stored.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "engine/generation.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "prefix_store/prefix_name.h"
#include "prefixd/v1/prefix_admin_service.pb.h"
#include "server/backend.h"

namespace prefixd {

// Keeps itself alive until the call is over. No thread waits for the engine.
class CaptureCall : public grpc::ServerUnaryReactor,
                    public GenerationSink,
                    public std::enable_shared_from_this<CaptureCall> {
 public:
  // Begins the call; what it returns is for gRPC.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& services,
                                         grpc::CallbackServerContext* context,
                                         const v1::CapturePrefixRequest* request,
                                         v1::Prefix* response);

  // GenerationSink, on the engine's thread.
  void OnOutput(GenerationOutput /*output*/) override {}
  void OnDone(const absl::Status& status, GenerationSummary summary) override;

  // ServerUnaryReactor, on gRPC's threads.
  void OnCancel() override;
  void OnDone() override;

 private:
  CaptureCall(const ServiceContext& services, grpc::CallbackServerContext* context,
              const v1::CapturePrefixRequest* request, v1::Prefix* response);

  absl::Status Enter();
  absl::Status Submit();
  absl::StatusOr<GenerationRequest> Translate() const;
  absl::Status Store(PrefixTensor captured);
  void End(const absl::Status& status);  // called once

  const ServiceContext services_;
  grpc::CallbackServerContext* const context_;
  const v1::CapturePrefixRequest* const request_;
  v1::Prefix* const response_;

  TaskName task_;
  std::optional<CallGate::Pass> pass_;
  std::shared_ptr<CaptureCall> self_;  // until OnDone()

  Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Engine::RequestId> id_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace prefixd
