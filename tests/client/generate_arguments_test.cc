#include <gmock/gmock.h>

#include "client/prefixctl_generate.h"
#include "google/protobuf/text_format.h"
#include "tests/client/tool.h"

namespace prefixd {
namespace {

// The request of a command line, as Protobuf's text on one line; or the error.
std::string RequestOf(std::vector<std::string> arguments) {
  CLI::App app;
  GenerateArguments parsed;
  AddGenerateOptions(app, parsed);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return std::string("usage: ") + error.what();
  }
  const auto request = ToRequest(parsed);
  if (!request.ok()) return std::string(request.status().message());
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(*request, &text);
  return text;
}

TEST(GenerateArgumentsTest, DefaultsAreLeftToTheServer) {
  EXPECT_EQ(RequestOf({"--prompt", "hi"}), R"(text: "hi" sampling { } log_probs { } )");
}

TEST(GenerateArgumentsTest, EveryOptionReachesItsField) {
  EXPECT_EQ(
      RequestOf({"--task",
                 "a",
                 "--task",
                 "b/versions/3",
                 "--token-ids",
                 "1,2,3",
                 "--special-as-text",
                 "--max-new-tokens",
                 "9",
                 "--min-new-tokens",
                 "2",
                 "--temperature",
                 "0.5",
                 "--top-k",
                 "40",
                 "--top-p",
                 "0.75",
                 "--min-p",
                 "0.25",
                 "--repetition-penalty",
                 "1.5",
                 "--presence-penalty",
                 "-0.5",
                 "--frequency-penalty",
                 "0.5",
                 "--seed",
                 "18446744073709551615",
                 "--logit-bias",
                 "42:-5",
                 "--ignore-eos",
                 "--stop",
                 "-x",
                 "--stop",
                 "END",
                 "--stop-id",
                 "7",
                 "--stop-id",
                 "8",
                 "--logprobs",
                 "--prompt-logprobs",
                 "--top-logprobs",
                 "5"}),
      R"(tasks: "a" tasks: "b/versions/3" token_ids { ids: 1 ids: 2 ids: 3 } )"
      R"(special_tokens_as_text: true max_new_tokens: 9 min_new_tokens: 2 )"
      R"(sampling { temperature: 0.5 top_k: 40 top_p: 0.75 min_p: 0.25 repetition_penalty: 1.5 )"
      R"(presence_penalty: -0.5 frequency_penalty: 0.5 seed: 18446744073709551615 )"
      R"(logit_bias { key: 42 value: -5 } } ignore_eos: true stop_strings: "-x" )"
      R"(stop_strings: "END" stop_token_ids: 7 stop_token_ids: 8 )"
      R"(log_probs { generated: true prompt: true top_count: 5 } )");
}

TEST(GenerateArgumentsTest, ZeroThatMeansSomethingIsSent) {
  EXPECT_EQ(RequestOf({"--prompt", "", "--seed", "0", "--top-p", "0"}),
            R"(text: "" sampling { top_p: 0 seed: 0 } log_probs { } )");
}

TEST(GenerateArgumentsTest, TopLogProbsAloneMeansTheGeneratedOnes) {
  EXPECT_EQ(RequestOf({"--prompt", "x", "--top-logprobs", "2"}),
            R"(text: "x" sampling { } log_probs { generated: true top_count: 2 } )");
  EXPECT_EQ(RequestOf({"--prompt", "x", "--top-logprobs", "2", "--prompt-logprobs"}),
            R"(text: "x" sampling { } log_probs { prompt: true top_count: 2 } )");
}

TEST(GenerateArgumentsTest, PromptFromAFile) {
  const std::string path = MakeTemporaryDirectory() + "/prompt";
  WriteFile(path, "line\n");
  EXPECT_EQ(RequestOf({"--prompt-file", path}), R"(text: "line\n" sampling { } log_probs { } )");
  EXPECT_THAT(RequestOf({"--prompt-file", path + "x"}), testing::HasSubstr("cannot open"));
  WriteFile(path, "\xff");
  EXPECT_THAT(RequestOf({"--prompt-file", path}), testing::HasSubstr("not UTF-8"));
}

TEST(GenerateArgumentsTest, WrongCommandLines) {
  EXPECT_THAT(RequestOf({}), testing::StartsWith("usage: "));
  EXPECT_THAT(RequestOf({"--prompt", "a", "--token-ids", "1"}), testing::StartsWith("usage: "));
  EXPECT_THAT(RequestOf({"--prompt", "a", "--logit-bias", "5"}),
              testing::AllOf(testing::StartsWith("usage: "), testing::HasSubstr("ID:VALUE")));
  EXPECT_THAT(RequestOf({"--prompt", "a", "--seed", "-1"}), testing::StartsWith("usage: "));
  EXPECT_THAT(RequestOf({"--prompt", "a", "--top-k", "x"}), testing::StartsWith("usage: "));
  EXPECT_THAT(RequestOf({"--prompt", "\xff"}), testing::HasSubstr("not UTF-8"));
}

}  // namespace
}  // namespace prefixd
