// Generate, when all goes well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::ElementsAre;

TEST(GenerateTest, AnswersABareModel) {
  TestServer server;
  const Answer answer = server.Generate(TextRequest("ab", 4));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.text, "cdef");
  EXPECT_THAT(answer.token_ids, ElementsAre('c', 'd', 'e', 'f'));
  EXPECT_EQ(answer.summary.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(answer.summary.prompt_tokens(), 2);
  EXPECT_EQ(answer.summary.new_tokens(), 4);
  EXPECT_EQ(answer.summary.prefix_versions_size(), 0);
}

TEST(GenerateTest, UsesTheCallersPrefixes) {
  TestServer server;
  const std::string by_one = server.MustUpload("one", 1);
  const std::string by_three = server.MustUpload("three", 3);
  server.MustUpload("one", 5, "bob");

  v1::GenerateRequest request = TextRequest("a", 3);
  request.add_tasks("one");
  Answer answer = server.Generate(request);
  EXPECT_EQ(answer.text, "ceg");
  EXPECT_THAT(answer.summary.prefix_versions(), ElementsAre(by_one));
  EXPECT_EQ(server.Generate(request, "bob").text, "gms");

  request.add_tasks("three");
  answer = server.Generate(request);
  EXPECT_EQ(answer.text, "fkp");
  EXPECT_THAT(answer.summary.prefix_versions(), ElementsAre(by_one, by_three));
}

TEST(GenerateTest, UsesTheActiveVersionUnlessOneIsPinned) {
  TestServer server;
  const std::string first = server.MustUpload("task", 1);
  const std::string second = server.MustUpload("task", 2);
  v1::GenerateRequest request = TextRequest("a", 1);
  request.add_tasks("task");
  EXPECT_EQ(server.Generate(request).text, "d");
  request.set_tasks(0, "task/versions/1");
  EXPECT_EQ(server.Generate(request).text, "c");

  grpc::ClientContext context;
  SetCaller(context, "ada");
  v1::ActivateVersionRequest activate;
  activate.set_name(first);
  v1::Prefix prefix;
  ASSERT_TRUE(server.admin().ActivateVersion(&context, activate, &prefix).ok());
  EXPECT_TRUE(prefix.active());
  request.set_tasks(0, "task");
  EXPECT_EQ(server.Generate(request).text, "c");
}

TEST(GenerateTest, PutsTheModelsTokensBeforeAText) {
  TestServer server({.prefix_ids = {kFakeBos}});
  EXPECT_EQ(server.Generate(TextRequest("ab")).summary.prompt_tokens(), 3);
  EXPECT_EQ(server.Generate(TextRequest("")).summary.prompt_tokens(), 1);
}

TEST(GenerateTest, ReportsWhyItEnded) {
  TestServer server;
  v1::GenerateRequest request;
  request.mutable_token_ids()->add_ids(255);
  request.set_max_new_tokens(10);
  EXPECT_EQ(server.Generate(request).summary.finish_reason(), v1::FINISH_REASON_END_OF_TEXT);

  request = TextRequest("a", 10);
  request.add_stop_strings("de");
  const Answer stopped = server.Generate(request);
  EXPECT_EQ(stopped.text, "bc");
  EXPECT_EQ(stopped.summary.finish_reason(), v1::FINISH_REASON_STOP_STRING);

  request = TextRequest("a", 10);
  request.add_stop_token_ids('e');
  EXPECT_EQ(server.Generate(request).summary.finish_reason(), v1::FINISH_REASON_STOP_TOKEN);
}

TEST(GenerateTest, ReturnsLogProbabilities) {
  TestServer server;
  v1::GenerateRequest request = TextRequest("abc", 2);
  request.mutable_log_probs()->set_generated(true);
  request.mutable_log_probs()->set_prompt(true);
  request.mutable_log_probs()->set_top_count(3);
  const Answer answer = server.Generate(request);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_EQ(answer.log_probs.size(), 2u);
  EXPECT_EQ(answer.log_probs[0].token().token_id(), 'd');
  EXPECT_LT(answer.log_probs[0].token().log_prob(), 0.0F);
  EXPECT_EQ(answer.log_probs[0].top_size(), 3);
  ASSERT_EQ(answer.prompt_log_probs.size(), 2u);
  EXPECT_EQ(answer.prompt_log_probs[1].token().token_id(), 'c');
}

TEST(GenerateTest, CutsLongListsOfLogProbabilitiesIntoMessages) {
  TestServer server;
  v1::GenerateRequest request = TextRequest(std::string(6000, 'a'), 1);
  request.mutable_log_probs()->set_prompt(true);
  request.mutable_log_probs()->set_top_count(20);
  const Answer answer = server.Generate(request);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.prompt_log_probs.size(), 5999u);
  EXPECT_GT(answer.messages, 1);
}

TEST(GenerateTest, TheSummaryTellsTheSeedThatRepeatsIt) {
  TestServer server;
  v1::GenerateRequest request = TextRequest("a", 30);
  request.mutable_sampling()->set_temperature(100);
  const Answer first = server.Generate(request);
  const Answer second = server.Generate(request);
  EXPECT_NE(first.summary.seed(), second.summary.seed());
  request.mutable_sampling()->set_seed(first.summary.seed());
  EXPECT_EQ(server.Generate(request).token_ids, first.token_ids);
}

TEST(GenerateTest, ACapturedPrefixGoesOnWithItsText) {
  TestServer server({.prefix_ids = {2}});
  grpc::ClientContext context;
  SetCaller(context, "ada");
  v1::CapturePrefixRequest capture;
  capture.set_parent("users/ada/tasks/persona");
  capture.set_text("hello");
  capture.set_description("a greeting");
  v1::Prefix prefix;
  const grpc::Status status = server.admin().CapturePrefix(&context, capture, &prefix);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(prefix.name(), "users/ada/tasks/persona/versions/1");
  EXPECT_EQ(prefix.positions(), 6) << "the model's own token comes first";
  EXPECT_EQ(prefix.position_offset(), 6);
  EXPECT_EQ(prefix.origin(), v1::PREFIX_ORIGIN_CAPTURED);
  EXPECT_EQ(prefix.description(), "a greeting");

  v1::GenerateRequest request = TextRequest("a", 1);
  request.add_tasks("persona");
  const Answer answer = server.Generate(request);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.summary.prompt_tokens(), 1) << "the model's own token is not repeated";
  EXPECT_EQ(answer.text, "d");
}

}  // namespace
}  // namespace prefixd
