#include "server/flags.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <limits>
#include <string_view>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

struct Flags {
  ServerOptions options;
  double shutdown_grace = 30.0;
  double transfer_idle = 60.0;
};

void AddFiles(CLI::App& app, ServerOptions& options) {
  app.add_option("--model", options.model, "A .gguf file or a Hugging Face directory (required)")
      ->required();
  app.add_option("--data", options.data, "Folder of the prefix store");
  app.add_option("--port-file", options.port_file,
                 "File that gets \"host:port\" once the server serves");
}

void AddNetwork(CLI::App& app, Flags& flags) {
  ServerOptions& options = flags.options;
  app.add_option("--listen", options.listen, "HOST:PORT; port 0: a free one");
  app.add_flag("--insecure-listen-anywhere", options.insecure_listen_anywhere,
               "Allow a --listen beyond this machine, though nothing proves who calls");
  app.add_option("--max-upload", options.max_upload, "Largest prefix file, e.g. 1GiB")
      ->transform(CLI::AsSizeValue(true));
  app.add_option("--transfer-idle", flags.transfer_idle,
                 "Seconds after which a stalled upload or download is ended");
  app.add_option("--shutdown-grace", flags.shutdown_grace,
                 "Seconds that running requests get after SIGTERM");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
}

void AddEngine(CLI::App& app, ServerOptions& options) {
  app.add_option("--precision", options.precision, "fp16 or fp32")
      ->check(CLI::IsMember({"fp16", "fp32"}));
  app.add_option("--threads", options.threads, "Threads of a forward pass");
  app.add_option("--max-rows", options.max_rows, "Requests in the batch");
  app.add_option("--max-queue", options.max_queue, "Requests that wait");
  app.add_option("--step-tokens", options.step_tokens, "Tokens of one step");
  app.add_option("--kv-memory", options.kv_memory, "KV cache, e.g. 2GiB")
      ->transform(CLI::AsSizeValue(true));
  app.add_option("--prefix-memory", options.prefix_memory, "Resident prefixes, e.g. 512MiB")
      ->transform(CLI::AsSizeValue(true));
}

absl::Status CheckAtLeast(std::string_view flag, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(flag, " must be at least ", least, ", got ", value));
}

struct HostAndPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostAndPort> ParseListen(std::string_view listen) {
  const size_t colon = listen.rfind(':');
  HostAndPort result;
  if (colon != std::string_view::npos && colon > 0 &&
      absl::SimpleAtoi(ToAbsl(listen.substr(colon + 1)), &result.port) && result.port >= 0 &&
      result.port <= std::numeric_limits<uint16_t>::max()) {
    absl::string_view host = ToAbsl(listen.substr(0, colon));
    const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
    result.host = std::string(host);
    if (bracketed == absl::StrContains(host, ':') && !host.empty()) return result;
  }
  return absl::InvalidArgumentError(
      StrCat("--listen must be HOST:PORT, e.g. 127.0.0.1:50051 or [::1]:50051, got ", listen));
}

bool IsLoopback(const std::string& host) {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

absl::Status CheckListen(const ServerOptions& options) {
  PREFIXD_ASSIGN_OR_RETURN(const HostAndPort listen, ParseListen(options.listen));
  if (options.insecure_listen_anywhere || IsLoopback(listen.host)) return absl::OkStatus();
  return absl::PermissionDeniedError(StrCat(
      "--listen ", options.listen, " can be reached from other machines, and callers are not ",
      "authenticated: whoever connects can name any user and read and change his prefixes. Listen ",
      "on 127.0.0.1 behind a proxy that checks who calls, or say --insecure-listen-anywhere"));
}

}  // namespace

absl::StatusOr<std::optional<ServerOptions>> ParseServerFlags(int argc, const char* const* argv) {
  Flags flags;
  flags.options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  CLI::App app("prefixd: one frozen language model, many users' prefixes.", "prefixd");
  app.set_version_flag("--version", std::string("prefixd " PREFIXD_VERSION));
  app.set_config("--config", "", "File with these flags, one a line: kv-memory = \"2GiB\"");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.option_defaults()->always_capture_default();
  AddFiles(app, flags.options);
  AddNetwork(app, flags);
  AddEngine(app, flags.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked, std::cout, std::cerr);
    return std::nullopt;
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(StrCat(error.what(), " (see --help)"));
  }
  flags.options.shutdown_grace = absl::Seconds(flags.shutdown_grace);
  flags.options.transfer_idle = absl::Seconds(flags.transfer_idle);
  return std::move(flags.options);
}

absl::Status CheckServerOptions(const ServerOptions& options) {
  PREFIXD_RETURN_IF_ERROR(CheckListen(options));
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--threads", options.threads, 1));
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--max-rows", options.max_rows, 1));
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--max-queue", options.max_queue, 1));
  if (options.step_tokens < options.max_rows) {
    return absl::InvalidArgumentError(StrCat("--step-tokens (", options.step_tokens,
                                             ") must be at least --max-rows (", options.max_rows,
                                             "), so that each request gets on in each step"));
  }
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--kv-memory", options.kv_memory, 1));
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--prefix-memory", options.prefix_memory, 0));
  PREFIXD_RETURN_IF_ERROR(CheckAtLeast("--max-upload", options.max_upload, 1));
  if (!(options.shutdown_grace >= absl::ZeroDuration())) {
    return absl::InvalidArgumentError("--shutdown-grace must not be negative");
  }
  if (!(options.transfer_idle >= absl::Seconds(1))) {
    return absl::InvalidArgumentError("--transfer-idle must be at least 1 second");
  }
  return absl::OkStatus();
}

}  // namespace prefixd
