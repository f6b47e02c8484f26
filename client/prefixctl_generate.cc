#include "client/prefixctl_generate.h"

#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/json_output.h"
#include "client/prefixctl_command.h"
#include "client/terminal.h"

namespace prefixd {
namespace {

// Of "42:-5".
absl::StatusOr<std::pair<int, float>> ParseLogitBias(const std::string& entry) {
  const size_t colon = entry.find(':');
  std::pair<int, float> bias;
  if (colon == std::string::npos || !absl::SimpleAtoi(entry.substr(0, colon), &bias.first) ||
      !absl::SimpleAtof(entry.substr(colon + 1), &bias.second)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a logit bias is ID:VALUE, like 42:-5; not \"", entry, "\""));
  }
  return bias;
}

absl::Status SetPrompt(const GenerateArguments& arguments, v1::GenerateRequest& request) {
  const int prompts = arguments.prompt.has_value() + arguments.prompt_file.has_value() +
                      arguments.token_ids.has_value();
  if (prompts != 1) {
    return absl::InvalidArgumentError(
        "give one prompt: --prompt TEXT, --prompt-file FILE (- for standard input) or --token-ids");
  }
  if (arguments.token_ids) {
    auto* ids = request.mutable_token_ids()->mutable_ids();
    ids->Add(arguments.token_ids->begin(), arguments.token_ids->end());
  } else if (arguments.prompt) {
    PREFIXD_RETURN_IF_ERROR(CheckUtf8(*arguments.prompt, "--prompt"));
    request.set_text(*arguments.prompt);
  } else {
    PREFIXD_ASSIGN_OR_RETURN(const std::string text, ReadText(*arguments.prompt_file));
    request.set_text(text);
  }
  return absl::OkStatus();
}

absl::Status SetSampling(const GenerateArguments& arguments, v1::SamplingParameters& sampling) {
  sampling.set_temperature(arguments.temperature);
  sampling.set_top_k(arguments.top_k);
  if (arguments.top_p) sampling.set_top_p(*arguments.top_p);
  sampling.set_min_p(arguments.min_p);
  if (arguments.repetition_penalty) sampling.set_repetition_penalty(*arguments.repetition_penalty);
  sampling.set_presence_penalty(arguments.presence_penalty);
  sampling.set_frequency_penalty(arguments.frequency_penalty);
  if (arguments.seed) sampling.set_seed(*arguments.seed);
  for (const std::string& entry : arguments.logit_bias) {
    PREFIXD_ASSIGN_OR_RETURN(const auto bias, ParseLogitBias(entry));
    (*sampling.mutable_logit_bias())[bias.first] = bias.second;
  }
  return absl::OkStatus();
}

// "12 prompt tokens, 40 new in 0.52 s (76.9 tokens/s), length, seed 7, users/…/versions/3"
std::string ClosingLine(const v1::GenerateSummary& summary) {
  const double seconds = Milliseconds(summary.total_duration()) / 1e3;
  std::string line = absl::StrFormat(
      "%d prompt tokens, %d new in %.2f s (%.1f tokens/s), %s, seed %d", summary.prompt_tokens(),
      summary.new_tokens(), seconds, seconds > 0 ? summary.new_tokens() / seconds : 0.0,
      FinishReasonName(summary.finish_reason()), summary.seed());
  if (!summary.prefix_versions().empty()) {
    absl::StrAppend(&line, ", ", absl::StrJoin(summary.prefix_versions(), " + "));
  }
  return line;
}

void PrintPiece(const v1::GenerateResponse& piece, bool terminal) {
  std::cout << (terminal ? WithoutControls(piece.text()) : piece.text()) << std::flush;
}

void PrintClosing(const v1::GenerateSummary& summary) {
  if (!IsTerminal(STDERR_FILENO)) return;
  const bool dim = WantsEscapes(STDERR_FILENO);
  std::cerr << (dim ? "\x1b[2m" : "") << ClosingLine(summary) << (dim ? "\x1b[0m" : "") << "\n";
}

absl::Status Run(const GenerateArguments& arguments, Session& session) {
  PREFIXD_ASSIGN_OR_RETURN(const v1::GenerateRequest request, ToRequest(arguments));
  PREFIXD_ASSIGN_OR_RETURN(Client * client, session.Connect());
  const bool json = session.options.json;
  const bool terminal = IsTerminal(STDOUT_FILENO);
  bool printed = false;
  Generation generation;
  const auto summary = client->Generate(request, [&](const v1::GenerateResponse& piece) {
    if (json) {
      generation.Append(piece);
    } else {
      PrintPiece(piece, terminal);
      printed |= !piece.text().empty();
    }
    return std::cout.good();
  });
  if (json && summary.ok()) std::cout << Dump(ToJson(generation, request.log_probs())) << "\n";
  if (!json && (printed || summary.ok())) std::cout << std::endl;
  if (!json && summary.ok()) PrintClosing(*summary);
  return summary.status();
}

}  // namespace

void AddGenerateOptions(CLI::App& app, GenerateArguments& a) {
  app.add_option("--task", a.tasks,
                 "A task whose prefix comes first; may be repeated to stack them")
      ->type_name("TASK[/versions/N]")
      ->allow_extra_args(false);
  CLI::Option_group* const prompt = app.add_option_group("The prompt (one of)");
  prompt->add_option("--prompt", a.prompt, "The prompt itself");
  prompt->add_option("--prompt-file", a.prompt_file, "A file with it; - is standard input");
  prompt->add_option("--token-ids", a.token_ids, "Its ids, like 1,2,3")->delimiter(',');
  prompt->require_option(1);
  app.add_flag("--special-as-text", a.special_as_text,
               "Read <|…|> in the prompt as characters, not as special tokens");
  app.add_option("--max-new-tokens", a.max_new_tokens, "Longest answer (128)");
  app.add_option("--min-new-tokens", a.min_new_tokens, "Nothing ends the answer before");
  app.add_option("--temperature", a.temperature, "0: greedy")->capture_default_str();
  app.add_option("--top-k", a.top_k, "Choose among the k likeliest tokens; 0: all");
  app.add_option("--top-p", a.top_p, "... among the fewest that sum to this probability");
  app.add_option("--min-p", a.min_p, "... among those at least this share of the likeliest");
  app.add_option("--repetition-penalty", a.repetition_penalty, "Above 1: repeat less");
  app.add_option("--presence-penalty", a.presence_penalty, "Taken from tokens in the answer");
  app.add_option("--frequency-penalty", a.frequency_penalty, "... for each time they are in it");
  app.add_option("--logit-bias", a.logit_bias, "Added to a token's logit; may be repeated")
      ->type_name("ID:VALUE")
      ->check([](const std::string& entry) {
        return std::string(ParseLogitBias(entry).status().message());
      })
      ->allow_extra_args(false);
  app.add_option("--seed", a.seed, "The same seed gives the same answer")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--ignore-eos", a.ignore_eos, "Go on past the end of the text");
  app.add_option("--stop", a.stop_strings, "End before this text; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--stop-id", a.stop_token_ids, "End with this token; may be repeated")
      ->allow_extra_args(false);
  app.add_flag("--logprobs", a.log_probs, "With --json: log-probabilities of the new tokens");
  app.add_flag("--prompt-logprobs", a.prompt_log_probs, "With --json: of the prompt's tokens");
  app.add_option("--top-logprobs", a.top_log_probs,
                 "With --json: of the likeliest N at each place");
}

absl::StatusOr<v1::GenerateRequest> ToRequest(const GenerateArguments& arguments) {
  v1::GenerateRequest request;
  for (const std::string& task : arguments.tasks) {
    PREFIXD_RETURN_IF_ERROR(CheckUtf8(task, "--task"));
    request.add_tasks(task);
  }
  PREFIXD_RETURN_IF_ERROR(SetPrompt(arguments, request));
  PREFIXD_RETURN_IF_ERROR(SetSampling(arguments, *request.mutable_sampling()));
  request.set_special_tokens_as_text(arguments.special_as_text);
  request.set_max_new_tokens(arguments.max_new_tokens);
  request.set_min_new_tokens(arguments.min_new_tokens);
  request.set_ignore_eos(arguments.ignore_eos);
  for (const std::string& stop : arguments.stop_strings) {
    PREFIXD_RETURN_IF_ERROR(CheckUtf8(stop, "--stop"));
    request.add_stop_strings(stop);
  }
  request.mutable_stop_token_ids()->Add(arguments.stop_token_ids.begin(),
                                        arguments.stop_token_ids.end());
  const bool any_log_probs = arguments.log_probs || arguments.prompt_log_probs;
  v1::LogProbOptions& options = *request.mutable_log_probs();
  options.set_generated(arguments.log_probs || (arguments.top_log_probs != 0 && !any_log_probs));
  options.set_prompt(arguments.prompt_log_probs);
  options.set_top_count(arguments.top_log_probs);
  return request;
}

void AddGenerateCommand(CLI::App& app, Commands& commands) {
  CLI::App* command = AddCommand(app, "generate", "Answer a prompt, through prefixes");
  auto arguments = std::make_shared<GenerateArguments>();
  AddGenerateOptions(*command, *arguments);
  commands.push_back({command, [arguments](Session& session) { return Run(*arguments, session); }});
}

}  // namespace prefixd
