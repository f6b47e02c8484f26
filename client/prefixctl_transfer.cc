// prefixctl capture, upload and download.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/json_output.h"
#include "client/prefixctl_command.h"
#include "client/progress_bar.h"
#include "client/terminal.h"

namespace prefixd {
namespace {

struct Arguments {
  std::string task;
  std::string text;
  std::string text_file;
  bool special_as_text = false;
  std::string path;
  std::string description;
  bool no_activate = false;
  int64_t version = 0;

  NewVersion new_version() const {
    return {.task = task, .description = description, .activate = !no_activate};
  }
};

void PrintVersion(const v1::Prefix& prefix, const std::string& verb, const Session& session) {
  if (session.options.json) {
    std::cout << Dump(ToJson(prefix)) << "\n";
    return;
  }
  std::cout << verb << " " << prefix.name() << " (" << Count(prefix.positions(), "position") << ", "
            << FormatBytes(prefix.size_bytes()) << (prefix.active() ? ", active" : ", not active")
            << ")\n";
  for (const std::string& warning : prefix.warnings()) {
    std::cerr << "prefixctl: warning: " << warning << "\n";
  }
}

absl::Status Capture(const Arguments& arguments, Session& session) {
  std::string text = arguments.text;
  if (!arguments.text_file.empty()) {
    PREFIXD_ASSIGN_OR_RETURN(text, ReadText(arguments.text_file));
  }
  PREFIXD_RETURN_IF_ERROR(CheckUtf8(text, "--text"));
  PREFIXD_RETURN_IF_ERROR(CheckUtf8(arguments.description, "--description"));
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(
      const v1::Prefix prefix,
      client->CapturePrefix(arguments.new_version(), text, arguments.special_as_text));
  PrintVersion(prefix, "captured", session);
  return absl::OkStatus();
}

absl::Status Upload(const Arguments& arguments, Session& session) {
  PREFIXD_RETURN_IF_ERROR(CheckUtf8(arguments.description, "--description"));
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  const bool show = WantsEscapes(STDERR_FILENO);
  const auto result = client->UploadPrefix(
      arguments.new_version(), arguments.path, [&](int64_t sent, int64_t total) {
        if (!show) return;
        const int columns = SizeOfTerminal(STDERR_FILENO).columns - 1;
        std::cerr << "\r\x1b[K" << RenderProgress(sent, total, columns) << std::flush;
      });
  if (show) std::cerr << "\r\x1b[K";
  if (!result.ok()) return result.status();
  PrintVersion(*result, "uploaded", session);
  return absl::OkStatus();
}

absl::Status Download(const Arguments& arguments, Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(
      const v1::Prefix prefix,
      client->DownloadPrefix(arguments.task, arguments.version, arguments.path));
  PrintVersion(prefix, absl::StrCat("wrote ", arguments.path, " from"), session);
  return absl::OkStatus();
}

void AddNewVersionOptions(CLI::App& command, Arguments& arguments) {
  command.add_option("--task", arguments.task, "The task that gets the version")->required();
  command.add_option("--description", arguments.description, "A line for people");
  command.add_flag("--no-activate", arguments.no_activate, "Leave the active version as it is");
}

}  // namespace

void AddTransferCommands(CLI::App& app, Commands& commands) {
  auto arguments = std::make_shared<Arguments>();

  CLI::App* capture = AddCommand(app, "capture", "Make a version from a text, e.g. instructions");
  AddNewVersionOptions(*capture, *arguments);
  CLI::Option_group* const source = capture->add_option_group("The text (one of)");
  source->add_option("--text", arguments->text, "The text itself");
  source->add_option("--text-file", arguments->text_file, "A file; - is standard input");
  source->require_option(1);
  capture->add_flag("--special-as-text", arguments->special_as_text,
                    "Read <|…|> in the text as characters, not as special tokens");
  commands.push_back(
      {capture, [arguments](Session& session) { return Capture(*arguments, session); }});

  CLI::App* upload = AddCommand(app, "upload", "Make a version from a trained prefix's file");
  AddNewVersionOptions(*upload, *arguments);
  upload->add_option("path", arguments->path, "PEFT's output directory, or a prefixd file")
      ->required();
  commands.push_back(
      {upload, [arguments](Session& session) { return Upload(*arguments, session); }});

  CLI::App* download = AddCommand(app, "download", "Save a version as a prefixd file");
  download->add_option("--task", arguments->task, "The task")->required();
  download->add_option("--version", arguments->version, "Not the active version but this one")
      ->check(CLI::PositiveNumber);
  download->add_option("out", arguments->path, "The file to write")->required();
  commands.push_back(
      {download, [arguments](Session& session) { return Download(*arguments, session); }});
}

}  // namespace prefixd
