#include "client/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/client_call.h"
#include "client/rpc_error.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace prefixd {
namespace {

constexpr char kUserKey[] = "x-prefixd-user";
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr int kMaxReceivedBytes = 64 << 20;
constexpr int kListPageSize = 1000;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxReceiveMessageSize(kMaxReceivedBytes);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// Whether the channel became ready: by `give_up`, or while the server refuses, by `refused_until`.
bool WaitUntilReady(grpc::Channel& channel, absl::Time give_up, absl::Time refused_until) {
  while (true) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_SHUTDOWN) return false;
    const absl::Time limit = state == GRPC_CHANNEL_TRANSIENT_FAILURE ? refused_until : give_up;
    if (absl::Now() >= limit) return false;
    channel.WaitForStateChange(state, absl::ToChronoTime(limit));
  }
}

}  // namespace

Client::CallRegistry::~CallRegistry() {
  CancelAll();
  MutexLock lock(&mutex_);
  while (!contexts_.empty()) idle_.Wait(&mutex_);
}

void Client::CallRegistry::Add(grpc::ClientContext* context) {
  MutexLock lock(&mutex_);
  contexts_.insert(context);
  if (cancelled_) context->TryCancel();
}

void Client::CallRegistry::Remove(grpc::ClientContext* context) {
  MutexLock lock(&mutex_);
  contexts_.erase(context);
  if (contexts_.empty()) idle_.SignalAll();
}

void Client::CallRegistry::CancelAll() {
  MutexLock lock(&mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

Client::Call::Call(Client& client) : calls_(*client.calls_) {
  context_.AddMetadata(kUserKey, client.user_);
  if (client.deadline_ != absl::InfiniteDuration()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + client.deadline_));
  }
  calls_.Add(&context_);
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& address,
                                                        const std::string& user,
                                                        const ClientOptions& options) {
  if (user.empty()) return absl::InvalidArgumentError("a user is required to connect");
  const std::shared_ptr<grpc::Channel> channel = MakeChannel(address);
  const absl::Time now = absl::Now();
  const absl::Time refused_until = now + options.wait_for_server;
  if (!WaitUntilReady(*channel, std::max(now + kConnectTimeout, refused_until), refused_until)) {
    return absl::UnavailableError(absl::StrCat("no prefixd answers at ", address,
                                               "; is it running, and is this its address?"));
  }
  return std::unique_ptr<Client>(new Client(channel, user, options.deadline));
}

Client::Client(const std::shared_ptr<grpc::Channel>& channel, std::string user,
               absl::Duration deadline)
    : user_(std::move(user)),
      deadline_(deadline),
      generation_(v1::GenerationService::NewStub(channel)),
      prefixes_(v1::PrefixAdminService::NewStub(channel)),
      calls_(std::make_unique<CallRegistry>()) {}

Client::~Client() = default;

void Client::Cancel() { calls_->CancelAll(); }

std::string Client::ResourceName(const std::string& task, int64_t version) const {
  std::string name = absl::StrCat("users/", user_, "/tasks/", task);
  if (version != 0) absl::StrAppend(&name, "/versions/", version);
  return name;
}

absl::StatusOr<v1::GenerateSummary> Client::Generate(const v1::GenerateRequest& request,
                                                     PieceCallback on_piece) {
  Call call(*this);
  const auto reader = generation_->Generate(call.context(), request);
  v1::GenerateResponse piece;
  v1::GenerateSummary summary;
  bool has_summary = false;
  bool wanted = true;
  while (reader->Read(&piece)) {
    if (piece.has_summary()) {
      summary = piece.summary();
      has_summary = true;
    }
    if (wanted && !on_piece(piece)) {
      wanted = false;
      call.context()->TryCancel();
    }
  }
  const absl::Status status = FromGrpcStatus(reader->Finish());
  if (!status.ok()) return status;
  if (!wanted) return absl::CancelledError("the caller stopped reading");
  if (!has_summary) return absl::InternalError("the server's answer ended without a summary");
  return summary;
}

absl::StatusOr<v1::TokenizeResponse> Client::Tokenize(const v1::TokenizeRequest& request) {
  return Call::Unary(*this, *generation_, &v1::GenerationService::Stub::Tokenize, request);
}

absl::StatusOr<v1::DetokenizeResponse> Client::Detokenize(const v1::DetokenizeRequest& request) {
  return Call::Unary(*this, *generation_, &v1::GenerationService::Stub::Detokenize, request);
}

absl::StatusOr<v1::GetModelResponse> Client::GetModel() {
  return Call::Unary(*this, *generation_, &v1::GenerationService::Stub::GetModel,
                     v1::GetModelRequest());
}

absl::StatusOr<v1::GetStatusResponse> Client::GetStatus() {
  return Call::Unary(*this, *generation_, &v1::GenerationService::Stub::GetStatus,
                     v1::GetStatusRequest());
}

absl::StatusOr<v1::Prefix> Client::CapturePrefix(const NewVersion& version, std::string_view text,
                                                 bool special_tokens_as_text) {
  v1::CapturePrefixRequest request;
  request.set_parent(ResourceName(version.task));
  request.set_text(std::string(text));
  request.set_special_tokens_as_text(special_tokens_as_text);
  request.set_description(version.description);
  request.set_no_activate(!version.activate);
  return Call::Unary(*this, *prefixes_, &v1::PrefixAdminService::Stub::CapturePrefix, request);
}

absl::StatusOr<std::vector<v1::Prefix>> Client::ListPrefixes(const std::string& task) {
  v1::ListPrefixesRequest request;
  request.set_parent(task.empty() ? absl::StrCat("users/", user_) : ResourceName(task));
  request.set_page_size(kListPageSize);
  std::vector<v1::Prefix> prefixes;
  while (true) {
    PREFIXD_ASSIGN_OR_RETURN(
        v1::ListPrefixesResponse page,
        Call::Unary(*this, *prefixes_, &v1::PrefixAdminService::Stub::ListPrefixes, request));
    for (v1::Prefix& prefix : *page.mutable_prefixes()) prefixes.push_back(std::move(prefix));
    if (page.next_page_token().empty()) return prefixes;
    request.set_page_token(page.next_page_token());
  }
}

absl::StatusOr<v1::Prefix> Client::GetPrefix(const std::string& task, int64_t version) {
  v1::GetPrefixRequest request;
  request.set_name(ResourceName(task, version));
  return Call::Unary(*this, *prefixes_, &v1::PrefixAdminService::Stub::GetPrefix, request);
}

absl::StatusOr<v1::Prefix> Client::ActivateVersion(const std::string& task, int64_t version) {
  v1::ActivateVersionRequest request;
  request.set_name(ResourceName(task, version));
  return Call::Unary(*this, *prefixes_, &v1::PrefixAdminService::Stub::ActivateVersion, request);
}

absl::Status Client::DeletePrefix(const std::string& task, int64_t version) {
  v1::DeletePrefixRequest request;
  request.set_name(ResourceName(task, version));
  return Call::Unary(*this, *prefixes_, &v1::PrefixAdminService::Stub::DeletePrefix, request)
      .status();
}

}  // namespace prefixd
