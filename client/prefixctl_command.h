// What the commands of prefixctl share.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/signal_watcher.h"

namespace prefixd {

struct GlobalOptions {
  std::string server = "127.0.0.1:50051";
  std::string user;
  bool json = false;
  double deadline_seconds = 0;  // 0: none
  double wait_seconds = 0;      // for a server that is not up yet
};

// One run of prefixctl. Lives in main.
class Session {
 public:
  GlobalOptions options;

  // Connects; Ctrl-C then cancels the client's calls. Call once, with no other thread running. The
  // client lives as long as the session.
  absl::StatusOr<Client*> Connect();

 private:
  std::unique_ptr<Client> client_;
  std::atomic<Client*> cancellable_ = nullptr;  // client_, once it is connected
  std::unique_ptr<SignalWatcher> watcher_;      // goes before the client that it cancels
};

// A subcommand and what it does.
struct Command {
  CLI::App* app;
  std::function<absl::Status(Session&)> run;
};
using Commands = std::vector<Command>;

void AddGenerateCommand(CLI::App& app, Commands& commands);
void AddPrefixCommands(CLI::App& app, Commands& commands);
void AddTransferCommands(CLI::App& app, Commands& commands);
void AddModelCommands(CLI::App& app, Commands& commands);

// A subcommand that also takes the global options after its own.
CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& help);

// The process's exit status for a result; ExitCodesHelp() lists them for --help.
int ExitCode(const absl::Status& status);
constexpr int kUsageExitCode = 2;
std::string ExitCodesHelp();

// Text from a file, or from standard input when `path` is "-". INVALID_ARGUMENT when it is not
// UTF-8.
absl::StatusOr<std::string> ReadText(const std::string& path);

// INVALID_ARGUMENT, naming `what`, when `text` is not UTF-8.
absl::Status CheckUtf8(const std::string& text, const std::string& what);

// "1 position", "3 positions".
std::string Count(int64_t count, const std::string& noun);

}  // namespace prefixd
