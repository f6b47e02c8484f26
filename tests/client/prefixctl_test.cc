// prefixctl as its users run it: a process against a server.
#include <gmock/gmock.h>
#include <signal.h>

#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/tool.h"

namespace prefixd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class PrefixctlTest : public testing::Test {
 protected:
  std::vector<std::string> WithServer(std::vector<std::string> arguments) const {
    const std::vector<std::string> more = {"--server", server_.address(), "--user", "ada"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  ToolResult Run(const std::vector<std::string>& arguments, const std::string& input = "") const {
    return Tool("prefixctl", WithServer(arguments), input).Wait();
  }
  void AnswerWith(grpc::Status status) {
    server_.on_generate = [status](auto&&...) { return status; };
  }

  FakeServer server_;
};

TEST_F(PrefixctlTest, GeneratePrintsTheText) {
  const ToolResult result = Run({"generate", "--prompt", "hello"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "echo: hello\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(PrefixctlTest, GenerateReadsStandardInput) {
  EXPECT_EQ(Run({"generate", "--prompt-file", "-"}, "from stdin").out, "echo: from stdin\n");
}

TEST_F(PrefixctlTest, GeneratePrintsOneJsonObject) {
  ASSERT_EQ(Run({"capture", "--task", "t", "--text", "x"}).exit_code, 0);
  const ToolResult result = Run({"generate", "--task", "t", "--prompt", "hello", "--json",
                                 "--logprobs", "--prompt-logprobs", "--seed", "5"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer["text"], "echo: hello");
  EXPECT_EQ(answer["token_ids"], json({7}));
  EXPECT_EQ(static_cast<float>(answer["log_probs"][0].get<double>()), -0.1f);
  EXPECT_EQ(static_cast<float>(answer["prompt_log_probs"][0].get<double>()), -1.7182817f);
  EXPECT_EQ(answer["finish_reason"], "end_of_text");
  EXPECT_EQ(answer["prefix_versions"], json({"users/ada/tasks/t/versions/1"}));
  EXPECT_EQ(answer["seed"], 5);
  EXPECT_EQ(answer["total_ms"], 12.5);
}

TEST_F(PrefixctlTest, CaptureListActivateDelete) {
  const ToolResult first = Run({"capture", "--task", "t", "--text", "abc", "--json"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(json::parse(first.out)["name"], "users/ada/tasks/t/versions/1");
  EXPECT_EQ(json::parse(first.out)["positions"], 3);
  const ToolResult second =
      Run({"capture", "--task", "t", "--text-file", "-", "--no-activate"}, "the second");
  EXPECT_THAT(second.out, HasSubstr("captured users/ada/tasks/t/versions/2 (10 positions"));
  EXPECT_THAT(second.out, HasSubstr("not active"));
  EXPECT_THAT(Run({"activate", "--task", "t", "--version", "2"}).out, HasSubstr("versions/2"));
  EXPECT_THAT(Run({"list"}).out, HasSubstr("* t/versions/2"));
  EXPECT_EQ(json::parse(Run({"--json", "list", "--task", "t"}).out).size(), 2u);
  EXPECT_EQ(Run({"delete", "--task", "t", "--version", "1"}).out, "deleted t/versions/1\n");
  EXPECT_EQ(Run({"delete", "--task", "t"}).exit_code, 0);
  EXPECT_THAT(Run({"list"}).out, HasSubstr("ada has no prefixes yet"));
}

TEST_F(PrefixctlTest, UploadAndDownload) {
  const std::string directory = MakeTemporaryDirectory();
  WriteFile(directory + "/prefix", "bytes");
  const ToolResult upload = Run({"upload", "--task", "t", directory + "/prefix", "--json"});
  ASSERT_EQ(upload.exit_code, 0) << upload.err;
  EXPECT_EQ(json::parse(upload.out)["origin"], "uploaded");
  EXPECT_EQ(upload.err, "");
  EXPECT_EQ(Run({"download", "--task", "t", directory + "/out"}).exit_code, 0);
  EXPECT_EQ(ReadFile(directory + "/out"), "bytes");
}

TEST_F(PrefixctlTest, TokensModelAndStatus) {
  EXPECT_EQ(Run({"tokenize", "--text", "AB"}).out, "65,66\n");
  EXPECT_EQ(Run({"tokenize", "--text", "AB", "--json"}).out, "{\"token_ids\":[65,66]}\n");
  EXPECT_EQ(Run({"detokenize", "65,66"}).out, "AB\n");
  EXPECT_EQ(Run({"detokenize", "65", "66", "--json"}).out, "{\"text\":\"AB\"}\n");
  EXPECT_THAT(Run({"model"}).out, HasSubstr("Fake 1M"));
  EXPECT_EQ(json::parse(Run({"model", "--json"}).out)["architecture"], "llama");
  EXPECT_THAT(Run({"status"}).out, HasSubstr("12.5 tokens/s"));
  EXPECT_EQ(json::parse(Run({"status", "--json"}).out)["tokens_per_second"], 12.5);
}

TEST_F(PrefixctlTest, UsageErrorsExitWith2) {
  EXPECT_EQ(Run({}).exit_code, 2);
  EXPECT_EQ(Run({"fly"}).exit_code, 2);
  EXPECT_EQ(Run({"generate"}).exit_code, 2);
  EXPECT_EQ(Run({"generate", "--prompt", "x", "--top-k", "many"}).exit_code, 2);
  EXPECT_EQ(Run({"capture", "--task", "t"}).exit_code, 2);
  EXPECT_EQ(Run({"activate", "--task", "t", "--version", "0"}).exit_code, 2);
  EXPECT_EQ(Run({"--help"}).exit_code, 0);
  EXPECT_THAT(Run({"--help"}).out, HasSubstr("Exit codes:"));
}

TEST_F(PrefixctlTest, ErrorsHaveTheirExitCodes) {
  EXPECT_EQ(Run({"generate", "--task", "none", "--prompt", "x"}).exit_code, 3);
  EXPECT_EQ(Run({"upload", "--task", "t", "/no/such/file"}).exit_code, 3);
  AnswerWith({grpc::StatusCode::INVALID_ARGUMENT, "top_p is 2"});
  EXPECT_EQ(Run({"generate", "--prompt", "x"}).exit_code, 4);
  AnswerWith({grpc::StatusCode::FAILED_PRECONDITION, "too long"});
  EXPECT_EQ(Run({"generate", "--prompt", "x"}).exit_code, 4);
  AnswerWith({grpc::StatusCode::UNAVAILABLE, "shutting down"});
  EXPECT_EQ(Run({"generate", "--prompt", "x"}).exit_code, 5);
  AnswerWith({grpc::StatusCode::INTERNAL, "broken"});
  EXPECT_EQ(Run({"generate", "--prompt", "x"}).exit_code, 1);
  EXPECT_EQ(Tool("prefixctl", {"model", "--server", "127.0.0.1:1", "--user", "a"}).Wait().exit_code,
            5);
}

TEST_F(PrefixctlTest, BusyServerTellsWhenToTryAgain) {
  AnswerWith(BusyStatus("the queue is full", 2));
  const ToolResult people = Run({"generate", "--prompt", "x"});
  EXPECT_EQ(people.exit_code, 6);
  EXPECT_EQ(people.err, "prefixctl: RESOURCE_EXHAUSTED: the queue is full (try again in 2s)\n");
  const ToolResult machine = Run({"generate", "--prompt", "x", "--json"});
  EXPECT_EQ(machine.out, "");
  EXPECT_EQ(json::parse(machine.err)["error"]["retry_after_ms"], 2000);
}

TEST_F(PrefixctlTest, CtrlCCancelsTheCall) {
  server_.on_generate = [](grpc::ServerContext* context, const v1::GenerateRequest&,
                           FakeServer::GenerateWriter* writer) {
    while (!context->IsCancelled() && writer->Write(v1::GenerateResponse())) {
    }
    return grpc::Status::CANCELLED;
  };
  Tool tool("prefixctl", WithServer({"generate", "--prompt", "x"}));
  server_.WaitForGenerating(1);
  kill(tool.pid(), SIGINT);
  EXPECT_EQ(tool.Wait().exit_code, 7);
  server_.WaitForGenerating(0);
  EXPECT_EQ(Run({"generate", "--prompt", "x", "--deadline", "0.05"}).exit_code, 7);
}

}  // namespace
}  // namespace prefixd
