// What the operator sets: on the command line, or in the file that --config names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace prefixd {

struct ServerOptions {
  std::string model;                       // a .gguf file or a Hugging Face directory
  std::string data = "prefixd-data";       // folder of the prefix store
  std::string listen = "127.0.0.1:50051";  // HOST:PORT; port 0: the kernel chooses
  bool insecure_listen_anywhere = false;   // allows a host other than this machine's loopback
  std::string port_file;                   // gets "host:port" once the server serves
  std::string precision = "fp16";
  std::string log_level = "info";

  int threads = 1;        // of a forward pass
  int max_rows = 32;      // requests in the batch; more: more tokens a second, each request slower
  int max_queue = 256;    // requests that wait; more: longer waits before a refusal
  int step_tokens = 128;  // of one step; more: faster prompts, longer pauses for other requests

  int64_t kv_memory = int64_t{1} << 30;        // bytes of the KV cache
  int64_t prefix_memory = int64_t{512} << 20;  // bytes of resident prefixes
  int64_t max_upload = int64_t{1} << 30;       // bytes of an uploaded file

  absl::Duration transfer_idle = absl::Seconds(60);   // then an upload or download is ended
  absl::Duration shutdown_grace = absl::Seconds(30);  // for running requests after SIGTERM
};

// nullopt when --help or --version was asked for (it has been printed). INVALID_ARGUMENT for an
// unknown flag or a malformed value, on the command line or in the file of --config.
absl::StatusOr<std::optional<ServerOptions>> ParseServerFlags(int argc, const char* const* argv);

// INVALID_ARGUMENT, naming the flag and its range. PERMISSION_DENIED for a host other than loopback
// without insecure_listen_anywhere.
absl::Status CheckServerOptions(const ServerOptions& options);

}  // namespace prefixd
