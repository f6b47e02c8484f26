#include "server/upload_call.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "prefix_store/prefix_file.h"
#include "server/grpc_status.h"
#include "server/identity.h"
#include "server/prefix_messages.h"
#include "server/prefix_resolver.h"
#include "server/store_prefix.h"

namespace prefixd {
namespace {

constexpr size_t kMaxChunkBytes = size_t{1} << 20;
constexpr size_t kDigestDigits = 64;

absl::Status CheckDigest(std::string_view digest) {
  const bool digits =
      std::all_of(digest.begin(), digest.end(), [](char c) { return absl::ascii_isxdigit(c); });
  if (digest.size() == kDigestDigits && digits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "header.sha256 must be the SHA-256 of the file: 64 hexadecimal digits");
}

absl::StatusOr<PrefixFile> ParseUpload(const v1::UploadPrefixRequest::Header& header,
                                       std::string_view bytes, const Model& model,
                                       std::vector<std::string>* warnings) {
  if (header.format() == v1::PREFIX_FORMAT_PEFT) {
    return ParsePeftPrefix(bytes, header.peft_config_json(), TargetOf(model), warnings);
  }
  return ParsePrefixFile(bytes, TargetOf(model));
}

}  // namespace

grpc::ServerReadReactor<v1::UploadPrefixRequest>* UploadCall::Start(
    const ServiceContext& services, const TransferLimits& limits, TransferBudget* budget,
    grpc::CallbackServerContext* context, v1::Prefix* response) {
  std::shared_ptr<UploadCall> call(new UploadCall(services, limits, budget, context, response));
  call->self_ = call;
  if (const absl::Status entered = call->Enter(); !entered.ok()) {
    call->End(entered);
    return call.get();
  }
  call->timer_ = IdleTimer::Start(limits.idle, [weak = call->weak_from_this()] {
    if (const auto expired = weak.lock()) expired->Expire();
  });
  call->StartRead(&call->message_);
  return call.get();
}

UploadCall::UploadCall(const ServiceContext& services, const TransferLimits& limits,
                       TransferBudget* budget, grpc::CallbackServerContext* context,
                       v1::Prefix* response)
    : services_(services),
      limits_(limits),
      budget_(budget),
      context_(context),
      response_(response) {}

UploadCall::~UploadCall() { budget_->Give(taken_); }

absl::Status UploadCall::Enter() {
  PREFIXD_ASSIGN_OR_RETURN(user_, CallerFromMetadata(context_->client_metadata()));
  PREFIXD_ASSIGN_OR_RETURN(pass_, services_.gate->Enter());
  return absl::OkStatus();
}

void UploadCall::OnReadDone(bool ok) {
  timer_->Progress();
  const absl::Status status = ok ? Accept() : Close();
  if (!status.ok()) {
    End(status);
  } else if (ok) {
    StartRead(&message_);
  }
}

absl::Status UploadCall::Accept() {
  switch (message_.part_case()) {
    case v1::UploadPrefixRequest::kHeader:
      return AcceptHeader();
    case v1::UploadPrefixRequest::kChunk:
      return AcceptChunk();
    case v1::UploadPrefixRequest::PART_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a message of an upload must hold header or chunk");
}

absl::Status UploadCall::AcceptHeader() {
  if (header_.has_value()) {
    return absl::InvalidArgumentError("only the first message of an upload may hold header");
  }
  header_ = std::move(*message_.mutable_header());
  PREFIXD_ASSIGN_OR_RETURN(task_, ParseTaskName(header_->parent()));
  if (task_.user != user_) return NoSuchPrefix(task_.ToString());
  PREFIXD_RETURN_IF_ERROR(CheckDigest(header_->sha256()));
  PREFIXD_RETURN_IF_ERROR(CheckDescription(header_->description()));
  switch (header_->format()) {
    case v1::PREFIX_FORMAT_UNSPECIFIED:
    case v1::PREFIX_FORMAT_PREFIXD:
      if (header_->peft_config_json().empty()) return absl::OkStatus();
      return absl::InvalidArgumentError(
          "header.peft_config_json goes with header.format PREFIX_FORMAT_PEFT alone");
    case v1::PREFIX_FORMAT_PEFT:
      if (!header_->peft_config_json().empty()) return absl::OkStatus();
      return absl::InvalidArgumentError(
          "header.peft_config_json must hold the text of adapter_config.json");
    default:
      return absl::InvalidArgumentError(StrCat(
          "header.format ", static_cast<int>(header_->format()), " is not known to this server"));
  }
}

absl::Status UploadCall::AcceptChunk() {
  if (!header_.has_value()) {
    return absl::InvalidArgumentError("the first message of an upload must hold header");
  }
  const std::string& chunk = message_.chunk();
  const auto size = static_cast<int64_t>(chunk.size());
  if (chunk.size() > kMaxChunkBytes) {
    return absl::InvalidArgumentError(
        StrCat("a chunk has ", size, " bytes, at most ", kMaxChunkBytes, " are allowed"));
  }
  if (taken_ + size > limits_.max_upload_bytes) {
    return absl::InvalidArgumentError(
        StrCat("the file has more than ", limits_.max_upload_bytes, " bytes, this server's limit"));
  }
  if (!budget_->Take(size)) {
    return absl::ResourceExhaustedError("too many transfers at once; try again later");
  }
  taken_ += size;
  bytes_ += chunk;
  digest_.Update(chunk);
  return absl::OkStatus();
}

absl::Status UploadCall::Close() {
  timer_->Stop();
  if (context_->IsCancelled()) return absl::CancelledError("the upload was cut off");
  if (!header_.has_value()) {
    return absl::InvalidArgumentError("the first message of an upload must hold header");
  }
  if (digest_.HexDigest() != absl::AsciiStrToLower(header_->sha256())) {
    return absl::InvalidArgumentError(
        StrCat("the ", bytes_.size(), " bytes that came do not match header.sha256"));
  }
  if (!BeginStoring()) return absl::OkStatus();
  return services_.pool->Post([call = shared_from_this()] { call->End(call->Store()); });
}

absl::Status UploadCall::Store() {
  const Backend& backend = services_.backend;
  std::vector<std::string> warnings;
  PREFIXD_ASSIGN_OR_RETURN(PrefixFile file,
                           ParseUpload(*header_, bytes_, *backend.model, &warnings));
  if (!header_->description().empty()) file.description = header_->description();
  PREFIXD_RETURN_IF_ERROR(CheckDescription(file.description));
  // What was checked against this model belongs to it from now on.
  file.model_fingerprint = backend.model->fingerprint();
  if (context_->IsCancelled()) return absl::CancelledError("the client has cancelled the upload");
  PREFIXD_ASSIGN_OR_RETURN(const PrefixRecord record,
                           StorePrefix(*backend.repository, task_, file, !header_->no_activate()));
  *response_ = ToMessage(record);
  response_->mutable_warnings()->Assign(warnings.begin(), warnings.end());
  return absl::OkStatus();
}

bool UploadCall::BeginStoring() {
  MutexLock lock(&mutex_);
  if (stage_ != Stage::kReading) return false;
  stage_ = Stage::kStoring;
  return true;
}

void UploadCall::Expire() {
  {
    MutexLock lock(&mutex_);
    if (stage_ != Stage::kReading) return;
    stage_ = Stage::kFinished;
  }
  Finish(ToGrpcStatus(absl::DeadlineExceededError(
      StrCat("the upload was ended: nothing came for ", absl::FormatDuration(limits_.idle)))));
}

void UploadCall::End(const absl::Status& status) {
  {
    MutexLock lock(&mutex_);
    if (std::exchange(stage_, Stage::kFinished) == Stage::kFinished) return;
  }
  Finish(ToGrpcStatus(status));
}

void UploadCall::OnDone() {
  if (timer_ != nullptr) timer_->Stop();
  pass_.reset();
  const std::shared_ptr<UploadCall> self = std::move(self_);
}

}  // namespace prefixd
