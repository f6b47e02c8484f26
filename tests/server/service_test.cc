// The small methods, health and reflection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/protobuf/unknown_field_set.h"
#include "tests/server/raw_call.h"
#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using google::protobuf::UnknownFieldSet;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ServiceTest, TellsOfTheModel) {
  TestServer server;
  grpc::ClientContext context;
  v1::GetModelResponse model;
  ASSERT_TRUE(server.generation().GetModel(&context, {}, &model).ok());
  EXPECT_EQ(model.display_name(), "fake");
  EXPECT_EQ(model.architecture(), "llama");
  EXPECT_EQ(model.fingerprint(), std::string(64, 'a'));
  EXPECT_EQ(model.precision(), "fp16");
  EXPECT_EQ(model.layers(), 2);
  EXPECT_EQ(model.vocabulary_size(), kFakeVocabulary);
  EXPECT_EQ(model.max_positions(), 20'000);
  EXPECT_EQ(model.bos_token_id(), kFakeBos);
  EXPECT_THAT(model.eos_token_ids(), ElementsAre(kFakeEos));
}

TEST(ServiceTest, TellsWhatItDoes) {
  TestServer server;
  server.Generate(TextRequest("ab", 4));
  const v1::GetStatusResponse status = server.GetStatus();
  EXPECT_EQ(status.new_tokens(), 4);
  EXPECT_EQ(status.total_pages(), 2048);
  EXPECT_GE(status.steps(), 4);
  EXPECT_GT(status.uptime_duration().seconds() + status.uptime_duration().nanos(), 0);
}

TEST(ServiceTest, TokenizesAndBack) {
  TestServer server;
  v1::TokenizeRequest text;
  text.set_text("a<eos>");
  v1::TokenizeResponse ids;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(server.generation().Tokenize(&context, text, &ids).ok());
    EXPECT_THAT(ids.token_ids(), ElementsAre('a', kFakeEos));
  }
  v1::DetokenizeRequest request;
  *request.mutable_token_ids() = ids.token_ids();
  request.add_token_ids(0xFF);
  v1::DetokenizeResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(server.generation().Detokenize(&context, request, &response).ok());
    EXPECT_EQ(response.text(), "a\uFFFD");
  }
  request.set_keep_special_tokens(true);
  grpc::ClientContext context;
  ASSERT_TRUE(server.generation().Detokenize(&context, request, &response).ok());
  EXPECT_EQ(response.text(), "a<eos>\uFFFD");
}

TEST(ServiceTest, AnswersHealthChecks) {
  TestServer server;
  for (const char* service :
       {"", "prefixd.v1.GenerationService", "prefixd.v1.PrefixAdminService"}) {
    EXPECT_TRUE(IsServing(server.channel(), service)) << service;
  }
}

TEST(ServiceTest, DescribesItself) {
  TestServer server;
  // grpc.reflection.v1alpha.ServerReflectionRequest.list_services = 7
  UnknownFieldSet request;
  request.AddLengthDelimited(7, "*");
  std::string bytes;
  request.SerializeToString(&bytes);
  const RawAnswer answer = RawCall(
      server.channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", bytes);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.bytes, HasSubstr("prefixd.v1.GenerationService"));
  EXPECT_THAT(answer.bytes, HasSubstr("prefixd.v1.PrefixAdminService"));
}

TEST(ServiceTest, AnAddressThatIsTakenIsAnError) {
  TestServer server;
  ServerOptions options;
  options.listen = server.server().address();
  const auto second = Server::Start({}, options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(options.listen));
}

}  // namespace
}  // namespace prefixd
