// Bad requests: each gets its code and a message that helps, and the server goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/server/raw_call.h"
#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

class BadRequestsTest : public testing::Test {
 protected:
  void ExpectRefused(const v1::GenerateRequest& request, grpc::StatusCode code,
                     const std::string& message, const std::string& user = "ada") {
    const Answer answer = server_.Generate(request, user);
    EXPECT_EQ(answer.status.error_code(), code) << answer.status.error_message();
    EXPECT_THAT(answer.status.error_message(), HasSubstr(message));
    EXPECT_EQ(answer.messages, 0);
  }

  ~BadRequestsTest() override {
    EXPECT_EQ(server_.Generate(TextRequest("ab")).text, "cdef") << "the server goes on";
  }

  TestServer server_;
};

TEST_F(BadRequestsTest, NoSuchTask) {
  v1::GenerateRequest request = TextRequest("a");
  request.add_tasks("nothing");
  ExpectRefused(request, grpc::StatusCode::NOT_FOUND, "nothing");
  request.set_tasks(0, "nothing/versions/1");
  ExpectRefused(request, grpc::StatusCode::NOT_FOUND, "nothing");
}

TEST_F(BadRequestsTest, AnotherUsersTaskIsAsIfThereWereNone) {
  server_.MustUpload("secret", 1, "bob");
  v1::GenerateRequest request = TextRequest("a");
  request.add_tasks("secret");
  const Answer forbidden = server_.Generate(request, "ada");
  const Answer missing = server_.Generate(request, "ida");
  EXPECT_EQ(forbidden.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(missing.status.error_code(), grpc::StatusCode::NOT_FOUND);
  std::string text = forbidden.status.error_message();
  text.replace(text.find("ada"), 3, "ida");
  EXPECT_EQ(text, missing.status.error_message());
  // A task of another user cannot even be named.
  request.set_tasks(0, "users/bob/tasks/secret");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "tasks");
}

TEST_F(BadRequestsTest, TooManyOrMalformedTasks) {
  v1::GenerateRequest request = TextRequest("a");
  for (int i = 0; i < 5; ++i) request.add_tasks("task");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "tasks");
  request.clear_tasks();
  request.add_tasks("no spaces");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "tasks");
}

TEST_F(BadRequestsTest, NoUser) {
  grpc::ClientContext context;
  const auto reader = server_.generation().Generate(&context, TextRequest("a"));
  v1::GenerateResponse piece;
  EXPECT_FALSE(reader->Read(&piece));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("x-prefixd-user"));
  ExpectRefused(TextRequest("a"), grpc::StatusCode::INVALID_ARGUMENT, "x-prefixd-user", "a b");
}

TEST_F(BadRequestsTest, PromptTooLong) {
  ExpectRefused(TextRequest(std::string(30'000, 'a')), grpc::StatusCode::FAILED_PRECONDITION,
                "20000");
  ExpectRefused(TextRequest("a", 1 << 30), grpc::StatusCode::FAILED_PRECONDITION, "20000");
  ExpectRefused(TextRequest("a", std::numeric_limits<int>::max()),
                grpc::StatusCode::FAILED_PRECONDITION, "20000");
}

TEST_F(BadRequestsTest, NoPrompt) {
  ExpectRefused({}, grpc::StatusCode::INVALID_ARGUMENT, "prompt");
  TestServer without_bos({.bos_id = std::nullopt});
  const Answer answer = without_bos.Generate(TextRequest(""));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("BOS"));
}

TEST_F(BadRequestsTest, ForeignTokenIds) {
  v1::GenerateRequest request;
  request.mutable_token_ids()->add_ids(258);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "token_ids");
}

TEST_F(BadRequestsTest, ParametersOutOfRange) {
  v1::GenerateRequest request = TextRequest("a");
  request.mutable_sampling()->set_top_p(1.5F);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "sampling.top_p");
  request = TextRequest("a");
  request.mutable_sampling()->set_temperature(std::numeric_limits<float>::quiet_NaN());
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "sampling.temperature");
  ExpectRefused(TextRequest("a", -1), grpc::StatusCode::INVALID_ARGUMENT, "max_new_tokens");
}

TEST_F(BadRequestsTest, InvalidUtf8) {
  // Protobuf's own classes refuse to make such a message, so its bytes are sent as they are.
  std::string bytes = TextRequest("XX").SerializeAsString();
  bytes.replace(bytes.find("XX"), 2, "\xC3\x28");
  const grpc::Status status =
      RawCall(server_.channel(), "/prefixd.v1.GenerationService/Generate", bytes).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("UTF-8"));
}

TEST_F(BadRequestsTest, ACapturedPrefixThatIsNotTheFirst) {
  PrefixFile captured = FakePrefix(1);
  captured.origin = PrefixOrigin::kCaptured;
  const std::string bytes = Serialized(captured);
  v1::Prefix prefix;
  ASSERT_TRUE(server_.Upload(HeaderFor("users/ada/tasks/captured", bytes), bytes, &prefix).ok());
  server_.MustUpload("trained", 1);
  v1::GenerateRequest request = TextRequest("a");
  request.add_tasks("trained");
  request.add_tasks("captured");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "captured");
  request.set_tasks(0, "captured");
  request.set_tasks(1, "trained");
  EXPECT_TRUE(server_.Generate(request).status.ok());
}

TEST_F(BadRequestsTest, ForeignTokenIdsToDetokenize) {
  grpc::ClientContext context;
  v1::DetokenizeRequest request;
  request.add_token_ids(-5);
  v1::DetokenizeResponse response;
  const grpc::Status status = server_.generation().Detokenize(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("token_ids"));
}

TEST(PrefixMemoryTest, APrefixThatHasNoRoomIsRefusedWithRetryInfo) {
  TestServer server({.prefix_memory = 100});
  server.MustUpload("task", 1);
  v1::GenerateRequest request = TextRequest("a");
  request.add_tasks("task");
  const Answer answer = server.Generate(request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_details(), HasSubstr("RetryInfo"));
}

}  // namespace
}  // namespace prefixd
