// The end of the server, with calls under way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/server/raw_call.h"
#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

void WaitUntilRunning(TestServer& server) {
  while (server.GetStatus().running_rows() == 0) std::this_thread::yield();
}

TEST(ShutdownTest, RunningRequestsEndAndNewOnesAreRefused) {
  TestServer server;
  server.model().Hold();
  Answer answer;
  std::thread client([&] { answer = server.Generate(TextRequest("ab", 4)); });
  WaitUntilRunning(server);
  std::thread shutdown([&] { server.server().Shutdown(absl::InfiniteFuture()); });

  while (IsServing(server.channel(), "")) std::this_thread::yield();
  // The gate closes a moment after health has changed; a request that slips in is served.
  Answer refused;
  do {
    v1::GenerateRequest request = TextRequest("ab", 4);
    request.set_max_new_tokens(-1);
    refused = server.Generate(request);
  } while (refused.status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.status.error_details(), HasSubstr("RetryInfo"));
  v1::Prefix prefix;
  const std::string bytes = Serialized(FakePrefix(1));
  EXPECT_EQ(server.Upload(HeaderFor("users/ada/tasks/task", bytes), bytes, &prefix).error_code(),
            grpc::StatusCode::UNAVAILABLE);

  server.model().Release();
  client.join();
  shutdown.join();
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.text, "cdef");
}

TEST(ShutdownTest, WhatStillRunsAtTheDeadlineIsCancelled) {
  TestServer server;
  v1::GenerateRequest request = TextRequest("a", 19'000);
  server.model().Hold();
  Answer answer;
  std::thread client([&] { answer = server.Generate(request); });
  WaitUntilRunning(server);
  std::thread shutdown([&] { server.server().Shutdown(absl::Now()); });
  while (IsServing(server.channel(), "")) std::this_thread::yield();
  server.model().Release();
  shutdown.join();
  client.join();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ShutdownTest, AnIdleClientHoldsUpNothing) {
  TestServer server;
  EXPECT_TRUE(server.Generate(TextRequest("a")).status.ok());
  const absl::Time start = absl::Now();
  server.server().Shutdown(absl::Now() + absl::Minutes(5));
  EXPECT_LT(absl::Now() - start, absl::Minutes(1));
}

TEST(ShutdownTest, TwiceIsOnce) {
  TestServer server;
  server.server().Shutdown(absl::Now());
  server.server().Shutdown(absl::Now());
}

}  // namespace
}  // namespace prefixd
