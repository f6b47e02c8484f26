#include "client/prefixctl_command.h"

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/terminal.h"

namespace prefixd {

absl::StatusOr<Client*> Session::Connect() {
  const ClientOptions client_options = {.deadline = options.deadline_seconds > 0
                                                        ? absl::Seconds(options.deadline_seconds)
                                                        : absl::InfiniteDuration(),
                                        .wait_for_server = absl::Seconds(options.wait_seconds)};
  watcher_ = std::make_unique<SignalWatcher>(
      [this] {
        // Nothing is under way while the client is still connecting.
        Client* const client = cancellable_.load();
        if (client == nullptr) _exit(ExitCode(absl::CancelledError()));
        client->Cancel();
      },
      [] {});
  PREFIXD_ASSIGN_OR_RETURN(client_, Client::Connect(options.server, options.user, client_options));
  cancellable_ = client_.get();
  return client_.get();
}

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& help) {
  CLI::App* const command = app.add_subcommand(name, help)->fallthrough();
  command->footer("--server, --user, --json, --deadline and --wait: see prefixctl --help");
  return command;
}

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
      return 3;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return 4;
    case absl::StatusCode::kUnavailable:
      return 5;
    case absl::StatusCode::kResourceExhausted:
      return 6;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return 7;
    default:
      return 1;
  }
}

std::string ExitCodesHelp() {
  return "Exit codes:\n"
         "  0  done\n"
         "  1  another error\n"
         "  2  the command line is wrong\n"
         "  3  no such task, version or file\n"
         "  4  the server refused the arguments, or they do not fit its model\n"
         "  5  no server answers\n"
         "  6  the server is busy; try again later\n"
         "  7  cancelled (Ctrl-C), or past --deadline";
}

absl::Status CheckUtf8(const std::string& text, const std::string& what) {
  if (IsUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8 text"));
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot open ", path));
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (file.bad()) return absl::UnknownError(absl::StrCat("cannot read ", path));
  }
  PREFIXD_RETURN_IF_ERROR(CheckUtf8(text, path == "-" ? "standard input" : path));
  return text;
}

std::string Count(int64_t count, const std::string& noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace prefixd
