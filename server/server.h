// The gRPC server: the two services, health and reflection.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "server/backend.h"
#include "server/flags.h"
#include "server/generation_service.h"
#include "server/prefix_admin_service.h"

namespace prefixd {

// Thread-safe.
class Server {
 public:
  // Listens and serves. What `backend` names must outlive the server. INVALID_ARGUMENT for bad
  // options, UNAVAILABLE when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Backend& backend,
                                                       const ServerOptions& options);

  // Shuts down at once unless it has been shut down.
  ~Server();

  // "host:port", with the port that was chosen.
  const std::string& address() const { return address_; }

  // Health says NOT_SERVING, new calls are answered UNAVAILABLE, running ones go on. Returns when
  // they have ended; cancels those left at `deadline`. Drains the engine too.
  void Shutdown(absl::Time deadline);

 private:
  Server(const Backend& backend, const ServerOptions& options);

  absl::Status Listen(const ServerOptions& options);

  const Backend backend_;
  CallGate gate_;
  // Two pools, so that uploads and lists do not hold up requests, nor the other way.
  TaskPool request_pool_;
  TaskPool admin_pool_;
  GenerationService generation_service_;
  PrefixAdminService admin_service_;
  std::unique_ptr<grpc::Server> server_;  // gone first: its calls use all above
  std::string address_;
};

}  // namespace prefixd
