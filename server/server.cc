#include "server/server.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "server/parse_error_interceptor.h"
#include "spdlog/spdlog.h"

namespace prefixd {
namespace {

// Tokenising and loading prefixes; the engine bounds how many requests wait behind them.
constexpr int kRequestThreads = 4;
constexpr int kMaxQueuedRequests = 1024;
// Parsing and storing files, each of which may hold a few copies of its prefix for a moment.
constexpr int kAdminThreads = 2;
constexpr int kMaxQueuedAdmin = 256;

constexpr int kMaxMessageBytes = 4 << 20;
constexpr int kMaxStreamsOfConnection = 1024;
constexpr int kKeepaliveMs = 60'000;  // finds out clients that vanished without a word
constexpr int kMinClientPingMs = 10'000;
constexpr int kMaxSyncThreads = 8;  // reflection alone is synchronous

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port is an error
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsOfConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinClientPingMs);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.SetResourceQuota(grpc::ResourceQuota("prefixd").SetMaxThreads(kMaxSyncThreads));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Backend& backend,
                                                      const ServerOptions& options) {
  PREFIXD_RETURN_IF_ERROR(CheckServerOptions(options));
  std::unique_ptr<Server> server(new Server(backend, options));
  PREFIXD_RETURN_IF_ERROR(server->Listen(options));
  return server;
}

Server::Server(const Backend& backend, const ServerOptions& options)
    : backend_(backend),
      request_pool_(kRequestThreads, kMaxQueuedRequests),
      admin_pool_(kAdminThreads, kMaxQueuedAdmin),
      generation_service_({.backend = backend, .gate = &gate_, .pool = &request_pool_}),
      admin_service_({.backend = backend, .gate = &gate_, .pool = &admin_pool_},
                     {.max_upload_bytes = options.max_upload, .idle = options.transfer_idle}) {}

absl::Status Server::Listen(const ServerOptions& options) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetLimits(builder);
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  builder.experimental().SetInterceptorCreators(ParseErrorInterceptors());
  builder.RegisterService(&generation_service_);
  builder.RegisterService(&admin_service_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return absl::UnavailableError(
        StrCat("cannot listen on ", options.listen, "; does another program use the port?"));
  }
  address_ = StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus(v1::GenerationService::service_full_name(), true);
  health->SetServingStatus(v1::PrefixAdminService::service_full_name(), true);
  return absl::OkStatus();
}

Server::~Server() {
  if (server_ != nullptr) Shutdown(absl::Now());
}

void Server::Shutdown(absl::Time deadline) {
  server_->GetHealthCheckService()->SetServingStatus(false);
  gate_.Close();
  backend_.engine->Drain(deadline);
  if (!gate_.WaitUntilEmpty(deadline)) {
    spdlog::warn("shutdown cancels the calls that still run");
  }
  // What is left are streams of health and reflection, and calls past their deadline.
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

}  // namespace prefixd
