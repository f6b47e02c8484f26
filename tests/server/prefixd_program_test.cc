// The program from outside: what it refuses at its start, what it answers, how it ends.
#include "tests/server/prefixd_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/sha256.h"
#include "grpcpp/create_channel.h"
#include "model/files/safetensors.h"
#include "prefixd/v1/generation_service.grpc.pb.h"
#include "prefixd/v1/prefix_admin_service.grpc.pb.h"

namespace prefixd {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::Not;

std::string GoldenPath(const std::string& name) {
  const char* source = std::getenv("PREFIXD_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/tests/golden/" + name;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

struct Answer {
  grpc::Status status;
  std::string text;
  std::vector<int32_t> ids;
};

// A client that speaks for one user.
class Client {
 public:
  explicit Client(const std::string& address)
      : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        generation_(v1::GenerationService::NewStub(channel_)),
        admin_(v1::PrefixAdminService::NewStub(channel_)) {}

  static void Prepare(grpc::ClientContext& context) {
    context.AddMetadata("x-prefixd-user", "ada");
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(50));
  }

  Answer Generate(const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    Prepare(context);
    const auto reader = generation_->Generate(&context, request);
    Answer answer;
    v1::GenerateResponse piece;
    while (reader->Read(&piece)) {
      answer.text += piece.text();
      answer.ids.insert(answer.ids.end(), piece.token_ids().begin(), piece.token_ids().end());
    }
    answer.status = reader->Finish();
    return answer;
  }

  v1::Prefix UploadPeft(const std::string& task, const std::string& folder) {
    const std::string bytes = ReadFile(folder + "/adapter_model.safetensors");
    grpc::ClientContext context;
    Prepare(context);
    v1::Prefix prefix;
    const auto writer = admin_->UploadPrefix(&context, &prefix);
    v1::UploadPrefixRequest message;
    message.mutable_header()->set_parent("users/ada/tasks/" + task);
    message.mutable_header()->set_format(v1::PREFIX_FORMAT_PEFT);
    message.mutable_header()->set_peft_config_json(ReadFile(folder + "/adapter_config.json"));
    message.mutable_header()->set_sha256(Sha256Hex(bytes));
    writer->Write(message);
    message.set_chunk(bytes);
    writer->Write(message);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return prefix;
  }

  v1::GenerationService::Stub& generation() { return *generation_; }
  v1::PrefixAdminService::Stub& admin() { return *admin_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::GenerationService::Stub> generation_;
  std::unique_ptr<v1::PrefixAdminService::Stub> admin_;
};

v1::GenerateRequest IdsRequest(const std::vector<int32_t>& ids, int max_new_tokens) {
  v1::GenerateRequest request;
  request.mutable_token_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
  request.set_max_new_tokens(max_new_tokens);
  request.set_ignore_eos(true);
  return request;
}

TEST(PrefixdProgramTest, RefusesABadStart) {
  const std::string model = GoldenPath("models/llama_tiny");
  const auto log_of = [](const std::vector<std::string>& arguments) {
    PrefixdProgram program(arguments);
    EXPECT_NE(program.Wait(), 0);
    return program.log();
  };
  EXPECT_THAT(log_of({}), HasSubstr("--model"));
  EXPECT_THAT(log_of({"--model", "/does/not/exist"}), HasSubstr("/does/not/exist"));
  EXPECT_THAT(log_of({"--model", model, "--listen", "0.0.0.0:0"}),
              HasSubstr("--insecure-listen-anywhere"));
  EXPECT_THAT(log_of({"--model", model, "--data", "/dev/null/x"}), HasSubstr("--data"));
  const TempDirectory directory;
  EXPECT_THAT(log_of({"--model", model, "--data", directory.path(), "--kv-memory", "1"}),
              HasSubstr("--kv-memory"));
}

TEST(PrefixdProgramTest, AnswersAsTransformersAndPeftDo) {
  ServingProgram serving(GoldenPath("models/llama_tiny"), "fp32");
  Client client(serving.address());
  const v1::Prefix prefix = client.UploadPeft("task", GoldenPath("models/llama_tiny/peft"));
  EXPECT_GT(prefix.warnings_size(), 0) << "PEFT names no model";

  const SafetensorsFile golden =
      OpenSafetensors(GoldenPath("models/llama_tiny/golden.safetensors")).value();
  const auto ids = [&](const std::string& name) {
    const std::string_view bytes = golden.contents.tensors.at(name).bytes;
    std::vector<int32_t> result(bytes.size() / sizeof(int32_t));
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  };
  for (const std::string name : {"case0", "case1", "case2", "case3"}) {
    v1::GenerateRequest request = IdsRequest(ids(name + ".prompt"), 32);
    const auto expect_greedy = [&](const std::string& tensor) {
      std::vector<int32_t> expected = ids(tensor);
      expected.resize(32);
      const Answer answer = client.Generate(request);
      ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
      EXPECT_THAT(answer.ids, ElementsAreArray(expected)) << tensor;
    };
    expect_greedy(name + ".greedy");
    request.add_tasks("task");
    expect_greedy(name + ".prefix_greedy");
  }
}

TEST(PrefixdProgramTest, KeepsPrefixesOverARestartAndLocksItsStore) {
  const TempDirectory directory;
  const std::string model = GoldenPath("models/llama_tiny");
  const std::vector<std::string> same_data = {"--data", directory.File("kept")};
  v1::GenerateRequest request = IdsRequest({1, 2, 3}, 8);
  request.add_tasks("task");
  Answer before;
  {
    ServingProgram serving(model, "fp16", same_data);
    Client client(serving.address());
    client.UploadPeft("task", GoldenPath("models/llama_tiny/peft"));
    before = client.Generate(request);
    EXPECT_TRUE(before.status.ok()) << before.status.error_message();

    PrefixdProgram second({"--model", model, "--listen", "127.0.0.1:0", "--data", same_data[1]});
    EXPECT_NE(second.Wait(), 0) << "one process at a time";
    // Killed, not stopped: what was acknowledged is durable.
  }
  ServingProgram serving(model, "fp16", same_data);
  const Answer after = Client(serving.address()).Generate(request);
  EXPECT_TRUE(after.status.ok()) << after.status.error_message();
  EXPECT_EQ(after.ids, before.ids);
}

TEST(PrefixdProgramTest, LogsNoPrompt) {
  ServingProgram serving(GoldenPath("models/llama_tiny"), "fp16", {"--log-level", "debug"});
  v1::GenerateRequest request;
  request.set_text("confidential");
  request.set_max_new_tokens(2);
  EXPECT_TRUE(Client(serving.address()).Generate(request).status.ok());
  serving.program().Signal(SIGTERM);
  EXPECT_EQ(serving.program().Wait(), 0);
  EXPECT_THAT(serving.program().log(), HasSubstr("generate user=ada"));
  EXPECT_THAT(serving.program().log(), Not(HasSubstr("confidential")));
}

// The signal comes while a stream runs: the stream ends as it should, and so does the program.
void ExpectToStopWithAStreamUnderWay(const std::string& model, int signal, int max_new_tokens) {
  ServingProgram serving(model, "fp16");
  Client client(serving.address());
  grpc::ClientContext context;
  Client::Prepare(context);
  const auto reader = client.generation().Generate(&context, IdsRequest({1, 2, 3}, max_new_tokens));
  v1::GenerateResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  int tokens = piece.token_ids_size();
  serving.program().Signal(signal);
  while (reader->Read(&piece)) tokens += piece.token_ids_size();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(tokens, max_new_tokens);
  EXPECT_EQ(serving.program().Wait(), 0) << serving.program().log();
  EXPECT_THAT(serving.program().log(), HasSubstr("stopped"));
  EXPECT_FALSE(client.Generate(IdsRequest({1}, 1)).status.ok());
}

TEST(PrefixdProgramTest, StopsWithAStreamUnderWay) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ExpectToStopWithAStreamUnderWay(GoldenPath("models/llama_tiny"), signal, 120);
  }
}

class RealModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("PREFIXD_TEST_MODEL");
    if (path == nullptr || *path == '\0') GTEST_SKIP() << "PREFIXD_TEST_MODEL is not set";
    model_ = path;
  }

  std::string model_;
};

// All at once, with and without the prefix in one batch: each as PEFT answers it alone.
TEST_F(RealModelTest, AnswersACrowdAsPeftDoes) {
  ServingProgram serving(model_, "fp16", {"--kv-memory", "128MiB"});
  Client client(serving.address());
  client.UploadPeft("sailor", GoldenPath("smollm2/peft"));
  const nlohmann::json golden = nlohmann::json::parse(ReadFile(GoldenPath("smollm2/golden.json")));
  std::vector<std::thread> crowd;
  for (const nlohmann::json& golden_case : golden["cases"]) {
    for (const std::string kind : {"plain", "prefix"}) {
      crowd.emplace_back([&client, &golden_case, kind] {
        v1::GenerateRequest request;
        request.set_text(golden_case["prompt"].get<std::string>());
        if (kind == "prefix") request.add_tasks("sailor");
        auto expected = golden_case[kind]["greedy_ids"].get<std::vector<int32_t>>();
        expected.resize(golden_case[kind]["safe_tokens"].get<size_t>());
        request.set_max_new_tokens(static_cast<int>(expected.size()));
        request.set_ignore_eos(true);
        const Answer answer = client.Generate(request);
        ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
        EXPECT_EQ(answer.ids, expected) << kind << ": " << golden_case["prompt"];
      });
    }
  }
  for (std::thread& thread : crowd) thread.join();
}

TEST_F(RealModelTest, ACapturedTextAnswersAsTheTextItself) {
  ServingProgram serving(model_, "fp16", {"--kv-memory", "128MiB"});
  Client client(serving.address());
  const nlohmann::json golden = nlohmann::json::parse(ReadFile(GoldenPath("smollm2/golden.json")));
  const std::string persona = golden["prefix_text"];
  const std::string prompt = golden["cases"][0]["prompt"];
  grpc::ClientContext context;
  Client::Prepare(context);
  v1::CapturePrefixRequest capture;
  capture.set_parent("users/ada/tasks/persona");
  capture.set_text(persona);
  v1::Prefix prefix;
  const grpc::Status status = client.admin().CapturePrefix(&context, capture, &prefix);
  ASSERT_TRUE(status.ok()) << status.error_message();

  v1::GenerateRequest whole;
  whole.set_text(persona + prompt);
  whole.set_max_new_tokens(16);
  v1::GenerateRequest short_one = whole;
  short_one.set_text(prompt);
  short_one.add_tasks("persona");
  const Answer expected = client.Generate(whole);
  ASSERT_TRUE(expected.status.ok()) << expected.status.error_message();
  const Answer answer = client.Generate(short_one);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.ids, expected.ids);
}

TEST_F(RealModelTest, StopsWithAStreamUnderWay) {
  ExpectToStopWithAStreamUnderWay(model_, SIGTERM, 64);
}

TEST_F(RealModelTest, CancelsWhatOutlastsTheGrace) {
  ServingProgram serving(model_, "fp16", {"--shutdown-grace", "0"});
  Client client(serving.address());
  grpc::ClientContext context;
  Client::Prepare(context);
  const auto reader = client.generation().Generate(&context, IdsRequest({1, 2, 3}, 4000));
  v1::GenerateResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  serving.program().Signal(SIGTERM);
  while (reader->Read(&piece)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(serving.program().Wait(), 0) << serving.program().log();
}

}  // namespace
}  // namespace prefixd
