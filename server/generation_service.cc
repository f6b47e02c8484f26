#include "server/generation_service.h"

#include <span>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "server/generate_call.h"
#include "server/generation_messages.h"
#include "server/request_translation.h"
#include "server/unary_call.h"

namespace prefixd {
namespace {

absl::Status TokenizeText(const Tokenizer& tokenizer, const v1::TokenizeRequest& request,
                          v1::TokenizeResponse* response) {
  PREFIXD_ASSIGN_OR_RETURN(
      const std::vector<int32_t> ids,
      tokenizer.Encode(request.text(), SpecialTokensFor(request.special_tokens_as_text())));
  response->mutable_token_ids()->Assign(ids.begin(), ids.end());
  return absl::OkStatus();
}

absl::Status DetokenizeIds(const Tokenizer& tokenizer, int vocabulary,
                           const v1::DetokenizeRequest& request, v1::DetokenizeResponse* response) {
  PREFIXD_RETURN_IF_ERROR(CheckTokenIds(AsSpan(request.token_ids()), vocabulary, "token_ids"));
  std::string bytes;
  for (const int32_t id : request.token_ids()) {
    bytes += tokenizer.TokenBytes(id, request.keep_special_tokens());
  }
  response->set_text(ReplaceInvalidUtf8(bytes));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FinishOk(grpc::CallbackServerContext* context) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace

GenerationService::GenerationService(const ServiceContext& services)
    : services_(services), start_(absl::Now()) {}

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return GenerateCall::Start(services_, context, request);
}

grpc::ServerUnaryReactor* GenerationService::Tokenize(grpc::CallbackServerContext* context,
                                                      const v1::TokenizeRequest* request,
                                                      v1::TokenizeResponse* response) {
  return RunOnPool(context, services_.gate, services_.pool, [this, request, response] {
    return TokenizeText(*services_.backend.tokenizer, *request, response);
  });
}

grpc::ServerUnaryReactor* GenerationService::Detokenize(grpc::CallbackServerContext* context,
                                                        const v1::DetokenizeRequest* request,
                                                        v1::DetokenizeResponse* response) {
  return RunOnPool(context, services_.gate, services_.pool, [this, request, response] {
    return DetokenizeIds(*services_.backend.tokenizer, services_.backend.model->config().vocabulary,
                         *request, response);
  });
}

grpc::ServerUnaryReactor* GenerationService::GetModel(grpc::CallbackServerContext* context,
                                                      const v1::GetModelRequest* /*request*/,
                                                      v1::GetModelResponse* response) {
  const Model& model = *services_.backend.model;
  const ModelConfig& config = model.config();
  response->set_display_name(config.name);
  response->set_architecture(config.architecture == Architecture::kGpt2 ? "gpt2" : "llama");
  response->set_fingerprint(model.fingerprint());
  response->set_precision(std::string(PrecisionName(model.precision())));
  response->set_layers(config.layers);
  response->set_hidden_size(config.hidden);
  response->set_heads(config.heads);
  response->set_kv_heads(config.kv_heads);
  response->set_head_dim(config.head_dim);
  response->set_vocabulary_size(config.vocabulary);
  response->set_max_positions(config.max_positions);
  response->set_weight_bytes(model.weight_bytes());
  if (config.bos_id.has_value()) response->set_bos_token_id(*config.bos_id);
  response->mutable_eos_token_ids()->Assign(config.eos_ids.begin(), config.eos_ids.end());
  return FinishOk(context);
}

grpc::ServerUnaryReactor* GenerationService::GetStatus(grpc::CallbackServerContext* context,
                                                       const v1::GetStatusRequest* /*request*/,
                                                       v1::GetStatusResponse* response) {
  const EngineStats engine = services_.backend.engine->stats();
  response->set_running_rows(engine.running_rows);
  response->set_queued_rows(engine.waiting_rows);
  response->set_total_pages(engine.total_pages);
  response->set_free_pages(engine.free_pages);
  response->set_tokens_per_second(engine.tokens_per_second);
  response->set_steps(engine.steps);
  response->set_new_tokens(engine.new_tokens);
  response->set_prompt_tokens(engine.prompt_tokens);
  response->set_preemptions(engine.preemptions);
  const ResidentCache::Stats cache = services_.backend.cache->stats();
  response->set_resident_prefixes(cache.prefixes);
  response->set_resident_prefix_bytes(cache.bytes);
  SetDuration(absl::Now() - start_, response->mutable_uptime_duration());
  return FinishOk(context);
}

}  // namespace prefixd
