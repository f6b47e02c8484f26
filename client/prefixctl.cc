// prefixctl: the command line of prefixd.
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/json_output.h"
#include "client/prefixctl_command.h"
#include "client/rpc_error.h"

namespace prefixd {
namespace {

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  if (const char* user = std::getenv("USER")) options.user = user;
  app.add_option("--server", options.server, "Address of prefixd")
      ->envname("PREFIXD_SERVER")
      ->capture_default_str();
  app.add_option("--user", options.user, "Whose prefixes; default: the name you are logged in by")
      ->envname("PREFIXD_USER");
  app.add_flag("--json", options.json, "Print one JSON value instead of text for people");
  app.add_option("--deadline", options.deadline_seconds, "Give up after so many seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--wait", options.wait_seconds,
                 "Wait up to so many seconds for a server that is not up yet")
      ->check(CLI::NonNegativeNumber);
}

void PrintError(const absl::Status& status, bool json) {
  if (json) {
    std::cerr << Dump(ToJson(status)) << "\n";
    return;
  }
  std::cerr << "prefixctl: " << Describe(status);
  if (const auto delay = RetryAfter(status)) std::cerr << " (try again in " << *delay << ")";
  std::cerr << "\n";
}

int Main(int argc, char** argv) {
  CLI::App app("prefixctl talks to prefixd: one model, everybody's prefixes.", "prefixctl");
  app.footer(ExitCodesHelp());
  app.require_subcommand(1);
  Session session;
  AddGlobalOptions(app, session.options);
  Commands commands;
  AddGenerateCommand(app, commands);
  AddPrefixCommands(app, commands);
  AddTransferCommands(app, commands);
  AddModelCommands(app, commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageExitCode;
  }
  if (session.options.user.empty()) {
    std::cerr << "prefixctl: no user is known; set --user or PREFIXD_USER\n";
    return kUsageExitCode;
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    const absl::Status status = command.run(session);
    if (!status.ok()) PrintError(status, session.options.json);
    return ExitCode(status);
  }
  return kUsageExitCode;
}

}  // namespace
}  // namespace prefixd

int main(int argc, char** argv) { return prefixd::Main(argc, argv); }
