// One DownloadPrefix call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "prefixd/v1/prefix_admin_service.pb.h"
#include "server/backend.h"
#include "server/idle_timer.h"

namespace prefixd {

// Keeps itself alive until the call is over. Holds one file, taken from the budget that all
// transfers share; ended when the client stops reading.
class DownloadCall : public grpc::ServerWriteReactor<v1::DownloadPrefixResponse>,
                     public std::enable_shared_from_this<DownloadCall> {
 public:
  // Begins the call; what it returns is for gRPC.
  static grpc::ServerWriteReactor<v1::DownloadPrefixResponse>* Start(
      const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
      grpc::CallbackServerContext* context, const v1::DownloadPrefixRequest* request);

  ~DownloadCall() override;

  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  DownloadCall(const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
               grpc::CallbackServerContext* context, const v1::DownloadPrefixRequest* request);

  absl::Status Enter();
  absl::Status Load();
  void Begin();                          // writes the first message
  void End(const absl::Status& status);  // called once

  const ServiceContext services_;
  const TransferLimits limits_;
  TransferBudget* const budget_;
  grpc::CallbackServerContext* const context_;
  const v1::DownloadPrefixRequest* const request_;

  std::optional<CallGate::Pass> pass_;
  std::shared_ptr<DownloadCall> self_;  // until OnDone
  std::shared_ptr<IdleTimer> timer_;

  // Touched by the pool, then by one write at a time.
  std::string user_;
  std::string bytes_;
  size_t sent_ = 0;
  int64_t taken_ = 0;  // from the budget
  v1::DownloadPrefixResponse message_;
};

}  // namespace prefixd
