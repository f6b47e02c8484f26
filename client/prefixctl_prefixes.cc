// prefixctl list, activate and delete.
#include <algorithm>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "client/json_output.h"
#include "client/prefixctl_command.h"
#include "client/progress_bar.h"
#include "client/terminal.h"

namespace prefixd {
namespace {

struct Arguments {
  std::string task;
  int64_t version = 0;
};

// "support/versions/3" of "users/ada/tasks/support/versions/3".
std::string ShortName(const std::string& name) {
  const size_t at = name.find("/tasks/");
  return at == std::string::npos ? name : name.substr(at + 7);
}

void PrintTable(const std::vector<v1::Prefix>& prefixes) {
  int width = 7;
  for (const v1::Prefix& prefix : prefixes) {
    width = std::max(width, DisplayWidth(ShortName(prefix.name())));
  }
  std::cout << "  " << PadTo("VERSION", width) << "  POSITIONS      SIZE  DESCRIPTION\n";
  for (const v1::Prefix& prefix : prefixes) {
    std::cout << (prefix.active() ? "* " : "  ") << PadTo(ShortName(prefix.name()), width)
              << absl::StrFormat("  %9d  %8s  ", prefix.positions(),
                                 FormatBytes(prefix.size_bytes()))
              << OneLine(prefix.description()) << "\n";
  }
}

absl::Status List(const Arguments& arguments, Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const auto prefixes, client->ListPrefixes(arguments.task));
  if (session.options.json) {
    Json list = Json::array();
    for (const v1::Prefix& prefix : prefixes) list.push_back(ToJson(prefix));
    std::cout << Dump(list) << "\n";
  } else if (prefixes.empty()) {
    std::cout << client->user() << " has no prefixes yet; make one with capture or upload\n";
  } else {
    PrintTable(prefixes);
  }
  return absl::OkStatus();
}

absl::Status Activate(const Arguments& arguments, Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const auto prefix,
                           client->ActivateVersion(arguments.task, arguments.version));
  if (session.options.json) {
    std::cout << Dump(ToJson(prefix)) << "\n";
  } else {
    std::cout << "new requests for " << arguments.task << " use " << prefix.name() << "\n";
  }
  return absl::OkStatus();
}

absl::Status Delete(const Arguments& arguments, Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_RETURN_IF_ERROR(client->DeletePrefix(arguments.task, arguments.version));
  const std::string what = arguments.version == 0
                               ? absl::StrCat(arguments.task, " with all its versions")
                               : absl::StrCat(arguments.task, "/versions/", arguments.version);
  if (session.options.json) {
    std::cout << Dump(Json::object({{"deleted", what}})) << "\n";
  } else {
    std::cout << "deleted " << what << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddPrefixCommands(CLI::App& app, Commands& commands) {
  auto arguments = std::make_shared<Arguments>();

  CLI::App* list = AddCommand(app, "list", "List versions; * marks the active ones");
  list->add_option("--task", arguments->task, "Only this task's");
  commands.push_back({list, [arguments](Session& session) { return List(*arguments, session); }});

  CLI::App* activate = AddCommand(app, "activate", "Switch new requests to a version");
  activate->add_option("--task", arguments->task, "The task")->required();
  activate->add_option("--version", arguments->version, "The version's number")
      ->required()
      ->check(CLI::PositiveNumber);
  commands.push_back(
      {activate, [arguments](Session& session) { return Activate(*arguments, session); }});

  CLI::App* remove = AddCommand(app, "delete", "Delete a version, or a task with all its versions");
  remove->add_option("--task", arguments->task, "The task")->required();
  remove->add_option("--version", arguments->version, "Only this version, which is not active")
      ->check(CLI::PositiveNumber);
  commands.push_back(
      {remove, [arguments](Session& session) { return Delete(*arguments, session); }});
}

}  // namespace prefixd
