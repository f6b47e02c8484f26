#include "server/prefix_admin_service.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/capture_call.h"
#include "server/download_call.h"
#include "server/prefix_messages.h"
#include "server/prefix_resolver.h"
#include "server/unary_call.h"
#include "server/upload_call.h"
#include "spdlog/spdlog.h"

namespace prefixd {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;

// The version or task that `name` names, if it is the caller's.
absl::StatusOr<VersionName> OwnName(const std::string& user, const std::string& name) {
  PREFIXD_ASSIGN_OR_RETURN(VersionName parsed, ParseVersionName(name));
  if (parsed.task.user != user) return NoSuchPrefix(parsed.ToString());
  return parsed;
}

absl::StatusOr<PrefixRepository::ListOptions> TranslateList(
    const std::string& user, const v1::ListPrefixesRequest& request) {
  PREFIXD_ASSIGN_OR_RETURN(const TaskName parent, ParseParent(request.parent()));
  if (parent.user != user) return NoSuchPrefix(request.parent());
  if (request.page_size() < 0 || request.page_size() > kMaxPageSize) {
    return absl::InvalidArgumentError(
        StrCat("page_size must be in [0, ", kMaxPageSize, "], got ", request.page_size()));
  }
  PrefixRepository::ListOptions options;
  options.user = parent.user;
  options.task = parent.task;
  options.limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  if (!request.page_token().empty()) {
    PREFIXD_ASSIGN_OR_RETURN(options.after, ParsePageToken(request.page_token(), parent));
  }
  return options;
}

}  // namespace

PrefixAdminService::PrefixAdminService(const ServiceContext& services, const TransferLimits& limits)
    : services_(services), limits_(limits), budget_(2 * limits.max_upload_bytes) {}

grpc::ServerReadReactor<v1::UploadPrefixRequest>* PrefixAdminService::UploadPrefix(
    grpc::CallbackServerContext* context, v1::Prefix* response) {
  return UploadCall::Start(services_, limits_, &budget_, context, response);
}

grpc::ServerUnaryReactor* PrefixAdminService::CapturePrefix(grpc::CallbackServerContext* context,
                                                            const v1::CapturePrefixRequest* request,
                                                            v1::Prefix* response) {
  return CaptureCall::Start(services_, context, request, response);
}

grpc::ServerUnaryReactor* PrefixAdminService::ListPrefixes(grpc::CallbackServerContext* context,
                                                           const v1::ListPrefixesRequest* request,
                                                           v1::ListPrefixesResponse* response) {
  return RunOnPoolForUser(context, services_.gate, services_.pool,
                          [this, request, response](const std::string& user) {
                            return List(user, *request, response);
                          });
}

grpc::ServerUnaryReactor* PrefixAdminService::GetPrefix(grpc::CallbackServerContext* context,
                                                        const v1::GetPrefixRequest* request,
                                                        v1::Prefix* response) {
  return RunOnPoolForUser(
      context, services_.gate, services_.pool,
      [this, request, response](const std::string& user) { return Get(user, *request, response); });
}

grpc::ServerUnaryReactor* PrefixAdminService::ActivateVersion(
    grpc::CallbackServerContext* context, const v1::ActivateVersionRequest* request,
    v1::Prefix* response) {
  return RunOnPoolForUser(context, services_.gate, services_.pool,
                          [this, request, response](const std::string& user) {
                            return Activate(user, *request, response);
                          });
}

grpc::ServerUnaryReactor* PrefixAdminService::DeletePrefix(grpc::CallbackServerContext* context,
                                                           const v1::DeletePrefixRequest* request,
                                                           google::protobuf::Empty* /*response*/) {
  return RunOnPoolForUser(
      context, services_.gate, services_.pool,
      [this, request](const std::string& user) { return Delete(user, *request); });
}

grpc::ServerWriteReactor<v1::DownloadPrefixResponse>* PrefixAdminService::DownloadPrefix(
    grpc::CallbackServerContext* context, const v1::DownloadPrefixRequest* request) {
  return DownloadCall::Start(services_, limits_, &budget_, context, request);
}

absl::Status PrefixAdminService::List(const std::string& user,
                                      const v1::ListPrefixesRequest& request,
                                      v1::ListPrefixesResponse* response) const {
  PREFIXD_ASSIGN_OR_RETURN(PrefixRepository::ListOptions options, TranslateList(user, request));
  const auto page_size = static_cast<size_t>(options.limit);
  ++options.limit;  // tells whether there are more
  PREFIXD_ASSIGN_OR_RETURN(const std::vector<PrefixRecord> records,
                           services_.backend.repository->List(options));
  if (records.empty() && !options.task.empty() && !options.after.has_value()) {
    return NoSuchPrefix(request.parent());
  }
  for (const PrefixRecord& record : records) {
    if (response->prefixes_size() == static_cast<int>(page_size)) break;
    *response->add_prefixes() = ToMessage(record);
  }
  if (records.size() > page_size) {
    response->set_next_page_token(ToPageToken(records[page_size - 1].name));
  }
  return absl::OkStatus();
}

absl::Status PrefixAdminService::Get(const std::string& user, const v1::GetPrefixRequest& request,
                                     v1::Prefix* response) const {
  PREFIXD_ASSIGN_OR_RETURN(const VersionName name, OwnName(user, request.name()));
  const absl::StatusOr<PrefixRecord> record = services_.backend.repository->Get(name);
  if (!record.ok()) return HideReason(record.status(), name);
  *response = ToMessage(*record);
  return absl::OkStatus();
}

absl::Status PrefixAdminService::Activate(const std::string& user,
                                          const v1::ActivateVersionRequest& request,
                                          v1::Prefix* response) const {
  PREFIXD_ASSIGN_OR_RETURN(const VersionName name, OwnName(user, request.name()));
  if (name.version == 0) {
    return absl::InvalidArgumentError(StrCat("name must be a version, e.g. ", name.ToString(),
                                             "/versions/1, got ", name.ToString()));
  }
  const absl::StatusOr<PrefixRecord> record = services_.backend.repository->Activate(name);
  if (!record.ok()) return HideReason(record.status(), name);
  spdlog::info("prefix activated name={}", name.ToString());
  *response = ToMessage(*record);
  return absl::OkStatus();
}

absl::Status PrefixAdminService::Delete(const std::string& user,
                                        const v1::DeletePrefixRequest& request) const {
  PREFIXD_ASSIGN_OR_RETURN(const VersionName name, OwnName(user, request.name()));
  PREFIXD_ASSIGN_OR_RETURN(const std::vector<VersionName> versions, VersionsOf(name));
  const absl::Status deleted = services_.backend.repository->Delete(name);
  if (!deleted.ok()) return HideReason(deleted, name);
  for (const VersionName& version : versions) services_.backend.cache->Drop(version);
  spdlog::info("prefix deleted name={}", name.ToString());
  return absl::OkStatus();
}

// One made or loaded while the task is being deleted stays in the cache until it is evicted: its
// number is never used again, so nothing can reach it.
absl::StatusOr<std::vector<VersionName>> PrefixAdminService::VersionsOf(
    const VersionName& name) const {
  if (name.version != 0) return std::vector<VersionName>{name};
  PrefixRepository::ListOptions options;
  options.user = name.task.user;
  options.task = name.task.task;
  options.limit = std::numeric_limits<int>::max();
  PREFIXD_ASSIGN_OR_RETURN(const std::vector<PrefixRecord> records,
                           services_.backend.repository->List(options));
  std::vector<VersionName> names;
  for (const PrefixRecord& record : records) names.push_back(record.name);
  return names;
}

}  // namespace prefixd
