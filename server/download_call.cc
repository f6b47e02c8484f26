#include "server/download_call.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "server/grpc_status.h"
#include "server/identity.h"
#include "server/prefix_messages.h"
#include "server/prefix_resolver.h"

namespace prefixd {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

}  // namespace

grpc::ServerWriteReactor<v1::DownloadPrefixResponse>* DownloadCall::Start(
    const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
    grpc::CallbackServerContext* context, const v1::DownloadPrefixRequest* request) {
  std::shared_ptr<DownloadCall> call(new DownloadCall(services, limits, budget, context, request));
  call->self_ = call;
  if (const absl::Status entered = call->Enter(); !entered.ok()) call->End(entered);
  return call.get();
}

DownloadCall::DownloadCall(const ServiceContext& services, const TransferLimits& limits,
                           TransferBudget* budget, grpc::CallbackServerContext* context,
                           const v1::DownloadPrefixRequest* request)
    : services_(services), limits_(limits), budget_(budget), context_(context), request_(request) {}

DownloadCall::~DownloadCall() { budget_->Give(taken_); }

absl::Status DownloadCall::Enter() {
  PREFIXD_ASSIGN_OR_RETURN(user_, CallerFromMetadata(context_->client_metadata()));
  PREFIXD_ASSIGN_OR_RETURN(pass_, services_.gate->Enter());
  return services_.pool->Post([call = shared_from_this()] {
    if (const absl::Status loaded = call->Load(); !loaded.ok()) return call->End(loaded);
    call->Begin();
  });
}

absl::Status DownloadCall::Load() {
  PREFIXD_ASSIGN_OR_RETURN(const VersionName name, ParseVersionName(request_->name()));
  if (name.task.user != user_) return NoSuchPrefix(name.ToString());
  const PrefixRepository& repository = *services_.backend.repository;
  const absl::StatusOr<PrefixRecord> record = repository.Get(name);
  if (!record.ok()) return HideReason(record.status(), name);
  if (!budget_->Take(record->size_bytes)) {
    return absl::ResourceExhaustedError("too many transfers at once; try again later");
  }
  taken_ = record->size_bytes;
  absl::StatusOr<std::string> bytes = repository.Read(record->name);
  if (!bytes.ok()) return HideReason(bytes.status(), name);
  bytes_ = *std::move(bytes);
  *message_.mutable_prefix() = ToMessage(*record);
  return absl::OkStatus();
}

void DownloadCall::Begin() {
  timer_ = IdleTimer::Start(limits_.idle, [weak = weak_from_this()] {
    // A write that waits for the client's window ends only with the call.
    if (const auto expired = weak.lock()) expired->context_->TryCancel();
  });
  StartWrite(&message_);
}

void DownloadCall::OnWriteDone(bool ok) {
  timer_->Progress();
  if (!ok) return End(absl::CancelledError("the client has gone"));
  if (sent_ == bytes_.size()) return End(absl::OkStatus());
  const size_t size = std::min(kChunkBytes, bytes_.size() - sent_);
  message_.set_chunk(bytes_.data() + sent_, size);
  sent_ += size;
  StartWrite(&message_);
}

void DownloadCall::End(const absl::Status& status) {
  if (timer_ != nullptr) timer_->Stop();
  Finish(ToGrpcStatus(status));
}

void DownloadCall::OnDone() {
  pass_.reset();
  const std::shared_ptr<DownloadCall> self = std::move(self_);
}

}  // namespace prefixd
