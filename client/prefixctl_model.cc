// prefixctl tokenize, detokenize, model and status.
#include <iostream>
#include <memory>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "client/json_output.h"
#include "client/prefixctl_command.h"
#include "client/progress_bar.h"

namespace prefixd {
namespace {

struct Arguments {
  std::string text;
  std::string text_file;
  bool special_as_text = false;
  std::vector<int> ids;
  bool keep_special = false;
};

absl::Status Tokenize(const Arguments& arguments, Session& session) {
  v1::TokenizeRequest request;
  request.set_special_tokens_as_text(arguments.special_as_text);
  std::string text = arguments.text;
  if (!arguments.text_file.empty()) {
    PREFIXD_ASSIGN_OR_RETURN(text, ReadText(arguments.text_file));
  }
  PREFIXD_RETURN_IF_ERROR(CheckUtf8(text, "--text"));
  request.set_text(text);
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const auto response, client->Tokenize(request));
  if (session.options.json) {
    Json ids = Json::array();
    for (int id : response.token_ids()) ids.push_back(id);
    std::cout << Dump(Json::object({{"token_ids", ids}})) << "\n";
  } else {
    std::cout << absl::StrJoin(response.token_ids(), ",") << "\n";
  }
  return absl::OkStatus();
}

absl::Status Detokenize(const Arguments& arguments, Session& session) {
  v1::DetokenizeRequest request;
  request.mutable_token_ids()->Add(arguments.ids.begin(), arguments.ids.end());
  request.set_keep_special_tokens(arguments.keep_special);
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const auto response, client->Detokenize(request));
  if (session.options.json) {
    std::cout << Dump(Json::object({{"text", response.text()}})) << "\n";
  } else {
    std::cout << response.text() << "\n";
  }
  return absl::OkStatus();
}

absl::Status Model(Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const v1::GetModelResponse model, client->GetModel());
  if (session.options.json) {
    std::cout << Dump(ToJson(model)) << "\n";
    return absl::OkStatus();
  }
  std::cout << absl::StreamFormat(
      "%s (%s, %s, %s)\n"
      "%d layers, hidden %d, %d heads over %d key-value heads of %d\n"
      "vocabulary %d, at most %d positions\n"
      "fingerprint %s\n",
      model.display_name(), model.architecture(), model.precision(),
      FormatBytes(model.weight_bytes()), model.layers(), model.hidden_size(), model.heads(),
      model.kv_heads(), model.head_dim(), model.vocabulary_size(), model.max_positions(),
      model.fingerprint());
  return absl::OkStatus();
}

absl::Status Status(Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  PREFIXD_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, client->GetStatus());
  if (session.options.json) {
    std::cout << Dump(ToJson(status)) << "\n";
    return absl::OkStatus();
  }
  const absl::Duration uptime =
      absl::Trunc(absl::Milliseconds(Milliseconds(status.uptime_duration())), absl::Seconds(1));
  std::cout << absl::StreamFormat(
      "up for           %s\n"
      "in the batch     %d (%d waiting)\n"
      "speed            %.1f tokens/s\n"
      "cache            %d of %d pages free\n"
      "prefixes         %d in memory, %s\n"
      "since the start  %d new tokens, %d of prompts, %d steps, %d preemptions\n",
      absl::FormatDuration(uptime), status.running_rows(), status.queued_rows(),
      status.tokens_per_second(), status.free_pages(), status.total_pages(),
      status.resident_prefixes(), FormatBytes(status.resident_prefix_bytes()), status.new_tokens(),
      status.prompt_tokens(), status.steps(), status.preemptions());
  return absl::OkStatus();
}

}  // namespace

void AddModelCommands(CLI::App& app, Commands& commands) {
  auto arguments = std::make_shared<Arguments>();

  CLI::App* tokenize = AddCommand(app, "tokenize", "Show the ids of a text");
  CLI::Option_group* const source = tokenize->add_option_group("The text (one of)");
  source->add_option("--text", arguments->text, "The text itself");
  source->add_option("--text-file", arguments->text_file, "A file; - is standard input");
  source->require_option(1);
  tokenize->add_flag("--special-as-text", arguments->special_as_text,
                     "Read <|…|> in the text as characters, not as special tokens");
  commands.push_back(
      {tokenize, [arguments](Session& session) { return Tokenize(*arguments, session); }});

  CLI::App* detokenize = AddCommand(app, "detokenize", "Show the text of ids");
  detokenize->add_option("ids", arguments->ids, "Like 1,2,3")->delimiter(',')->required();
  detokenize->add_flag("--keep-special", arguments->keep_special, "Show special tokens too");
  commands.push_back(
      {detokenize, [arguments](Session& session) { return Detokenize(*arguments, session); }});

  commands.push_back({AddCommand(app, "model", "Show the resident model"), Model});
  commands.push_back({AddCommand(app, "status", "Show what the server is doing"), Status});
}

}  // namespace prefixd
