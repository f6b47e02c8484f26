// prefixd: parse, open, load, serve, drain.
#include <cpuid.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/model_files.h"
#include "prefix_store/resident_cache.h"
#include "prefix_store/sqlite_repository.h"
#include "server/flags.h"
#include "server/port_file.h"
#include "server/prefix_resolver.h"
#include "server/server.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace prefixd {
namespace {

bool HasF16c() {  // Clang's __builtin_cpu_supports does not know it
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

absl::Status CheckProcessor() {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2") && HasF16c()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "this processor lacks AVX2, FMA, F16C or BMI2, which prefixd needs (Intel since Haswell, AMD "
      "since Zen)");
}

// SIGTERM and SIGINT come to sigwait in main's thread alone; a log whose reader has gone must not
// end the server. Before any thread starts.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

absl::StatusOr<std::unique_ptr<PrefixRepository>> OpenStore(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::FailedPreconditionError(
        StrCat("cannot make the folder ", folder, " of --data: ", error.message()));
  }
  return OpenSqliteRepository((std::filesystem::path(folder) / "prefixes.sqlite").string());
}

absl::StatusOr<EngineOptions> EngineOptionsFor(const ServerOptions& options, const Model& model) {
  const int64_t pages = options.kv_memory / model.page_bytes();
  if (pages < 1 || pages > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(
        StrCat("--kv-memory gives ", pages, " pages of ", model.page_bytes(), " bytes"));
  }
  return EngineOptions{.threads = options.threads,
                       .max_rows = options.max_rows,
                       .max_queued_rows = options.max_queue,
                       .step_tokens = options.step_tokens,
                       .pages = static_cast<int>(pages)};
}

void LogResident(const ServerOptions& options, const Model& model, int pages) {
  spdlog::info("model name={} fingerprint={} precision={} weight_bytes={}", model.config().name,
               model.fingerprint(), PrecisionName(model.precision()), model.weight_bytes());
  spdlog::info("memory kv_pages={} kv_bytes={} prefix_bytes={}", pages, pages * model.page_bytes(),
               options.prefix_memory);
}

absl::Status Serve(const ServerOptions& options, const sigset_t& signals) {
  const absl::Time start = absl::Now();
  PREFIXD_ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(options.precision));
  PREFIXD_ASSIGN_OR_RETURN(ModelFiles files, OpenModelFiles(options.model));
  PREFIXD_ASSIGN_OR_RETURN(const std::unique_ptr<PrefixRepository> repository,
                           OpenStore(options.data));
  PREFIXD_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model,
                           Model::Load(files.config, *files.tensors, precision));
  files.tensors.reset();

  ResidentCache cache(options.prefix_memory, MakePrefixLoader(repository.get(), model.get()));
  PREFIXD_ASSIGN_OR_RETURN(const EngineOptions engine_options, EngineOptionsFor(options, *model));
  PREFIXD_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                           Engine::Start(model.get(), files.tokenizer.get(), engine_options,
                                         [] { return absl::Now(); }));
  PREFIXD_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                           Server::Start({.model = model.get(),
                                          .tokenizer = files.tokenizer.get(),
                                          .engine = engine.get(),
                                          .repository = repository.get(),
                                          .cache = &cache},
                                         options));
  LogResident(options, *model, engine_options.pages);
  spdlog::info("serving address={} start={}", server->address(),
               absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1))));
  if (!options.port_file.empty()) {
    PREFIXD_RETURN_IF_ERROR(WritePortFile(options.port_file, server->address()));
    spdlog::info("port-file written path={}", options.port_file);
  }

  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("shutdown signal={} grace={}", signal, absl::FormatDuration(options.shutdown_grace));
  server->Shutdown(absl::Now() + options.shutdown_grace);
  spdlog::info("stopped");
  return absl::OkStatus();
}

absl::Status Run(int argc, const char* const* argv) {
  PREFIXD_RETURN_IF_ERROR(CheckProcessor());
  PREFIXD_ASSIGN_OR_RETURN(const std::optional<ServerOptions> options,
                           ParseServerFlags(argc, argv));
  if (!options.has_value()) return absl::OkStatus();
  PREFIXD_RETURN_IF_ERROR(CheckServerOptions(*options));
  spdlog::set_default_logger(spdlog::stderr_logger_mt("prefixd"));
  spdlog::set_level(spdlog::level::from_str(options->log_level));
  return Serve(*options, BlockSignals());
}

}  // namespace
}  // namespace prefixd

int main(int argc, char** argv) {
  const absl::Status status = prefixd::Run(argc, argv);
  if (status.ok()) return EXIT_SUCCESS;
  std::cerr << "prefixd: " << status.message() << '\n';
  return EXIT_FAILURE;
}
