// prefixd.v1.GenerationService: translates, delegates, counts.
#pragma once

#include "absl/time/time.h"
#include "prefixd/v1/generation_service.grpc.pb.h"
#include "server/backend.h"

namespace prefixd {

// Thread-safe. What `services` names must outlive it.
class GenerationService final : public v1::GenerationService::CallbackService {
 public:
  explicit GenerationService(const ServiceContext& services);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;

 private:
  const ServiceContext services_;
  const absl::Time start_;
};

}  // namespace prefixd
