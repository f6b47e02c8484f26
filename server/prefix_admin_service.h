// prefixd.v1.PrefixAdminService: translates and delegates.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "prefix_store/prefix_name.h"
#include "prefixd/v1/prefix_admin_service.grpc.pb.h"
#include "server/backend.h"

namespace prefixd {

// Thread-safe. What `services` names must outlive it.
class PrefixAdminService final : public v1::PrefixAdminService::CallbackService {
 public:
  PrefixAdminService(const ServiceContext& services, const TransferLimits& limits);

  grpc::ServerReadReactor<v1::UploadPrefixRequest>* UploadPrefix(
      grpc::CallbackServerContext* context, v1::Prefix* response) override;
  grpc::ServerUnaryReactor* CapturePrefix(grpc::CallbackServerContext* context,
                                          const v1::CapturePrefixRequest* request,
                                          v1::Prefix* response) override;
  grpc::ServerUnaryReactor* ListPrefixes(grpc::CallbackServerContext* context,
                                         const v1::ListPrefixesRequest* request,
                                         v1::ListPrefixesResponse* response) override;
  grpc::ServerUnaryReactor* GetPrefix(grpc::CallbackServerContext* context,
                                      const v1::GetPrefixRequest* request,
                                      v1::Prefix* response) override;
  grpc::ServerUnaryReactor* ActivateVersion(grpc::CallbackServerContext* context,
                                            const v1::ActivateVersionRequest* request,
                                            v1::Prefix* response) override;
  grpc::ServerUnaryReactor* DeletePrefix(grpc::CallbackServerContext* context,
                                         const v1::DeletePrefixRequest* request,
                                         google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::DownloadPrefixResponse>* DownloadPrefix(
      grpc::CallbackServerContext* context, const v1::DownloadPrefixRequest* request) override;

 private:
  absl::Status List(const std::string& user, const v1::ListPrefixesRequest& request,
                    v1::ListPrefixesResponse* response) const;
  absl::Status Get(const std::string& user, const v1::GetPrefixRequest& request,
                   v1::Prefix* response) const;
  absl::Status Activate(const std::string& user, const v1::ActivateVersionRequest& request,
                        v1::Prefix* response) const;
  absl::Status Delete(const std::string& user, const v1::DeletePrefixRequest& request) const;

  // The version, or all of a task.
  absl::StatusOr<std::vector<VersionName>> VersionsOf(const VersionName& name) const;

  const ServiceContext services_;
  const TransferLimits limits_;
  TransferBudget budget_;
};

}  // namespace prefixd
