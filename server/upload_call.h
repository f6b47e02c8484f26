// One UploadPrefix call: gathers the file, checks it, stores it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "prefix_store/prefix_name.h"
#include "prefixd/v1/prefix_admin_service.pb.h"
#include "server/backend.h"
#include "server/idle_timer.h"

namespace prefixd {

// Keeps itself alive until the call is over. Bounds what it holds: one file of at most the limit's
// bytes, taken from the budget that all transfers share, and ended when the client stops sending.
class UploadCall : public grpc::ServerReadReactor<v1::UploadPrefixRequest>,
                   public std::enable_shared_from_this<UploadCall> {
 public:
  // Begins the call; what it returns is for gRPC.
  static grpc::ServerReadReactor<v1::UploadPrefixRequest>* Start(
      const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
      grpc::CallbackServerContext* context, v1::Prefix* response);

  ~UploadCall() override;

  void OnReadDone(bool ok) override;
  void OnDone() override;

 private:
  UploadCall(const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
             grpc::CallbackServerContext* context, v1::Prefix* response);

  absl::Status Enter();
  absl::Status Accept();  // what was read last
  absl::Status AcceptHeader();
  absl::Status AcceptChunk();
  absl::Status Close();  // the client has sent all
  absl::Status Store();
  bool BeginStoring();  // false when the call has ended meanwhile
  void Expire();        // nothing came for too long
  void End(const absl::Status& status);

  enum class Stage { kReading, kStoring, kFinished };

  const ServiceContext services_;
  const TransferLimits limits_;
  TransferBudget* const budget_;
  grpc::CallbackServerContext* const context_;
  v1::Prefix* const response_;

  std::optional<CallGate::Pass> pass_;
  std::shared_ptr<UploadCall> self_;  // until OnDone
  std::shared_ptr<IdleTimer> timer_;

  // Touched by one read at a time, then by the pool.
  std::string user_;
  v1::UploadPrefixRequest message_;
  std::optional<v1::UploadPrefixRequest::Header> header_;
  TaskName task_;
  std::string bytes_;
  int64_t taken_ = 0;  // from the budget
  Sha256 digest_;

  Mutex mutex_;
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kReading;
};

}  // namespace prefixd
