#include "server/generate_call.h"

#include <chrono>
#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/call_deadline.h"
#include "server/generation_messages.h"
#include "server/grpc_status.h"
#include "server/identity.h"
#include "server/prefix_resolver.h"
#include "server/request_translation.h"
#include "spdlog/spdlog.h"

namespace prefixd {

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerateCall::Start(
    const ServiceContext& services, grpc::CallbackServerContext* context,
    const v1::GenerateRequest* request) {
  std::shared_ptr<GenerateCall> call(new GenerateCall(services.backend, context, request));
  call->self_ = call;
  if (const absl::Status entered = call->Enter(services); !entered.ok()) call->End(entered);
  return call.get();
}

GenerateCall::GenerateCall(const Backend& backend, grpc::CallbackServerContext* context,
                           const v1::GenerateRequest* request)
    : backend_(backend), context_(context), request_(request), arrival_(absl::Now()) {}

absl::Status GenerateCall::Enter(const ServiceContext& services) {
  PREFIXD_ASSIGN_OR_RETURN(user_, CallerFromMetadata(context_->client_metadata()));
  PREFIXD_ASSIGN_OR_RETURN(pass_, services.gate->Enter());
  return services.pool->Post([call = shared_from_this()] {
    if (const absl::Status submitted = call->Submit(); !submitted.ok()) call->End(submitted);
  });
}

absl::Status GenerateCall::Submit() {
  PREFIXD_ASSIGN_OR_RETURN(GenerationRequest request, Translate());
  before_submit_ = absl::Now() - arrival_;
  PREFIXD_ASSIGN_OR_RETURN(const Engine::RequestId id,
                           backend_.engine->Submit(std::move(request), shared_from_this()));
  bool cancelled = false;
  {
    MutexLock lock(&mutex_);
    id_ = id;
    cancelled = cancelled_;
  }
  if (cancelled) backend_.engine->Cancel(id);
  return absl::OkStatus();
}

absl::StatusOr<GenerationRequest> GenerateCall::Translate() {
  {
    MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("the client has cancelled the call");
  }
  const ModelConfig& config = backend_.model->config();
  PREFIXD_ASSIGN_OR_RETURN(GenerationRequest result, TranslateParameters(*request_, config));
  PREFIXD_ASSIGN_OR_RETURN(ResolvedPrefixes prefixes,
                           ResolvePrefixes(backend_, user_, request_->tasks()));
  PREFIXD_ASSIGN_OR_RETURN(result.prompt, TranslatePrompt(*request_, config, *backend_.tokenizer,
                                                          prefixes.begins_captured()));
  for (const PrefixRecord& record : prefixes.records) {
    prefix_versions_.push_back(record.name.ToString());
  }
  result.prefixes = std::move(prefixes.handles);
  if (!request_->sampling().has_seed()) result.sampling.seed = absl::BitGen()();
  seed_ = result.sampling.seed;
  result.deadline = DeadlineOf(*context_);
  return result;
}

void GenerateCall::End(const absl::Status& status) {
  MutexLock lock(&mutex_);
  end_ = status;
  Advance();
}

void GenerateCall::OnOutput(GenerationOutput output) {
  MutexLock lock(&mutex_);
  size_t shown = 0;
  do {
    shown += AddPromptLogProbs(output, shown, WaitingPiece());
  } while (shown < output.prompt_log_probs.size());
  AddOutput(std::move(output), WaitingPiece());
  Advance();
}

void GenerateCall::OnDone(const absl::Status& status, GenerationSummary summary) {
  spdlog::debug("generate user={} status={} prompt_tokens={} new_tokens={} total={}", user_,
                absl::StatusCodeToString(status.code()), summary.prompt_tokens, summary.new_tokens,
                absl::FormatDuration(summary.total_time));
  MutexLock lock(&mutex_);
  if (status.ok()) {
    v1::GenerateSummary* message = WaitingPiece()->mutable_summary();
    *message = ToMessage(summary, before_submit_);
    message->mutable_prefix_versions()->Assign(prefix_versions_.begin(), prefix_versions_.end());
    message->set_seed(seed_);
  }
  end_ = status;
  Advance();
}

void GenerateCall::OnWriteDone(bool ok) {
  MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) waiting_.clear();  // the client has gone; OnCancel follows
  Advance();
}

void GenerateCall::OnCancel() {
  std::optional<Engine::RequestId> id;
  {
    MutexLock lock(&mutex_);
    cancelled_ = true;
    id = id_;
  }
  if (id.has_value()) backend_.engine->Cancel(*id);
}

void GenerateCall::OnDone() {
  pass_.reset();
  const std::shared_ptr<GenerateCall> self = std::move(self_);
}

v1::GenerateResponse* GenerateCall::WaitingPiece() {
  if (waiting_.empty() || IsFull(waiting_.back())) waiting_.emplace_back();
  return &waiting_.back();
}

void GenerateCall::Advance() {
  if (writing_ || finished_) return;
  if (cancelled_) waiting_.clear();
  if (!waiting_.empty()) {
    written_ = std::move(waiting_.front());
    waiting_.pop_front();
    writing_ = true;
    StartWrite(&written_);
  } else if (end_.has_value()) {
    finished_ = true;
    Finish(ToGrpcStatus(*end_));
  }
}

}  // namespace prefixd
