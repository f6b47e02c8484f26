#include "engine/engine.h"

#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "engine/engine_loop.h"

namespace prefixd {
namespace {

absl::Status CheckEngineOptions(const EngineOptions& options) {
  const auto check = [](std::string_view name, int value) {
    return value > 0 ? absl::OkStatus()
                     : absl::InvalidArgumentError(StrCat(name, " must be positive, got ", value));
  };
  PREFIXD_RETURN_IF_ERROR(check("threads", options.threads));
  PREFIXD_RETURN_IF_ERROR(check("max_rows", options.max_rows));
  PREFIXD_RETURN_IF_ERROR(check("max_queued_rows", options.max_queued_rows));
  PREFIXD_RETURN_IF_ERROR(check("step_tokens", options.step_tokens));
  PREFIXD_RETURN_IF_ERROR(check("pages of the KV cache", options.pages));
  if (options.step_tokens < options.max_rows) {
    return absl::InvalidArgumentError(StrCat("step_tokens (", options.step_tokens,
                                             ") must be at least max_rows (", options.max_rows,
                                             "), so that every row can go on in every step"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(const Model* model,
                                                      const Tokenizer* tokenizer,
                                                      const EngineOptions& options, Clock clock) {
  PREFIXD_RETURN_IF_ERROR(CheckEngineOptions(options));
  auto loop = std::make_unique<EngineLoop>(model, tokenizer, options, std::move(clock));
  PREFIXD_RETURN_IF_ERROR(loop->Init());
  return std::unique_ptr<Engine>(new Engine(std::move(loop)));
}

Engine::Engine(std::unique_ptr<EngineLoop> loop)
    : loop_(std::move(loop)), thread_([this] { loop_->Run(); }) {}

Engine::~Engine() {
  loop_->Stop();
  thread_.join();
}

absl::StatusOr<Engine::RequestId> Engine::Submit(GenerationRequest request,
                                                 std::shared_ptr<GenerationSink> sink) {
  return loop_->Submit(std::move(request), std::move(sink));
}

void Engine::Cancel(RequestId id) { loop_->Cancel(id); }

void Engine::Drain(absl::Time deadline) { loop_->Drain(deadline); }

EngineStats Engine::stats() const { return loop_->stats(); }

}  // namespace prefixd
