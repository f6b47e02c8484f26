#include "server/capture_call.h"

#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "prefix_store/prefix_file.h"
#include "server/call_deadline.h"
#include "server/grpc_status.h"
#include "server/identity.h"
#include "server/prefix_messages.h"
#include "server/prefix_resolver.h"
#include "server/request_translation.h"
#include "server/store_prefix.h"

namespace prefixd {

grpc::ServerUnaryReactor* CaptureCall::Start(const ServiceContext& services,
                                             grpc::CallbackServerContext* context,
                                             const v1::CapturePrefixRequest* request,
                                             v1::Prefix* response) {
  std::shared_ptr<CaptureCall> call(new CaptureCall(services, context, request, response));
  call->self_ = call;
  if (const absl::Status entered = call->Enter(); !entered.ok()) call->End(entered);
  return call.get();
}

CaptureCall::CaptureCall(const ServiceContext& services, grpc::CallbackServerContext* context,
                         const v1::CapturePrefixRequest* request, v1::Prefix* response)
    : services_(services), context_(context), request_(request), response_(response) {}

absl::Status CaptureCall::Enter() {
  PREFIXD_ASSIGN_OR_RETURN(const std::string user, CallerFromMetadata(context_->client_metadata()));
  PREFIXD_ASSIGN_OR_RETURN(pass_, services_.gate->Enter());
  PREFIXD_ASSIGN_OR_RETURN(task_, ParseTaskName(request_->parent()));
  if (task_.user != user) return NoSuchPrefix(task_.ToString());
  PREFIXD_RETURN_IF_ERROR(CheckDescription(request_->description()));
  return services_.pool->Post([call = shared_from_this()] {
    if (const absl::Status submitted = call->Submit(); !submitted.ok()) call->End(submitted);
  });
}

absl::Status CaptureCall::Submit() {
  PREFIXD_ASSIGN_OR_RETURN(GenerationRequest request, Translate());
  PREFIXD_ASSIGN_OR_RETURN(const Engine::RequestId id, services_.backend.engine->Submit(
                                                           std::move(request), shared_from_this()));
  bool cancelled = false;
  {
    MutexLock lock(&mutex_);
    id_ = id;
    cancelled = cancelled_;
  }
  if (cancelled) services_.backend.engine->Cancel(id);
  return absl::OkStatus();
}

absl::StatusOr<GenerationRequest> CaptureCall::Translate() const {
  const Tokenizer& tokenizer = *services_.backend.tokenizer;
  GenerationRequest result;
  result.prompt.assign(tokenizer.prefix_ids().begin(), tokenizer.prefix_ids().end());
  PREFIXD_ASSIGN_OR_RETURN(
      const std::vector<int32_t> ids,
      tokenizer.Encode(request_->text(), SpecialTokensFor(request_->special_tokens_as_text())));
  if (ids.empty()) return absl::InvalidArgumentError("text must not be empty");
  result.prompt.insert(result.prompt.end(), ids.begin(), ids.end());
  result.capture = true;
  result.max_new_tokens = 0;
  result.deadline = DeadlineOf(*context_);
  return result;
}

void CaptureCall::OnDone(const absl::Status& status, GenerationSummary summary) {
  if (!status.ok()) return End(status);
  if (!summary.captured.has_value()) return End(absl::InternalError("nothing was captured"));
  const absl::Status posted = services_.pool->Post(
      [call = shared_from_this(), captured = *std::move(summary.captured)]() mutable {
        call->End(call->Store(std::move(captured)));
      });
  if (!posted.ok()) End(posted);
}

absl::Status CaptureCall::Store(PrefixTensor captured) {
  {
    MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("the client has cancelled the call");
  }
  PrefixFile file;
  file.tensor = std::move(captured);
  file.tensor.position_offset = file.tensor.positions;
  file.model_fingerprint = services_.backend.model->fingerprint();
  file.description = request_->description();
  file.origin = PrefixOrigin::kCaptured;
  PREFIXD_ASSIGN_OR_RETURN(
      const PrefixRecord record,
      StorePrefix(*services_.backend.repository, task_, file, !request_->no_activate()));
  *response_ = ToMessage(record);
  return absl::OkStatus();
}

void CaptureCall::End(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

void CaptureCall::OnCancel() {
  std::optional<Engine::RequestId> id;
  {
    MutexLock lock(&mutex_);
    cancelled_ = true;
    id = id_;
  }
  if (id.has_value()) services_.backend.engine->Cancel(*id);
}

void CaptureCall::OnDone() {
  pass_.reset();
  const std::shared_ptr<CaptureCall> self = std::move(self_);
}

}  // namespace prefixd
