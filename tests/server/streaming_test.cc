// Streams under pressure: slow readers, cancels, deadlines, a full queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

// Asks until `done` says so; the test's own time limit ends it otherwise.
template <typename Done>
void WaitForStatus(TestServer& server, Done done) {
  while (!done(server.GetStatus())) std::this_thread::yield();
}

// A call that has begun and is read by hand.
class OpenCall {
 public:
  OpenCall(TestServer& server, const v1::GenerateRequest& request,
           std::chrono::milliseconds deadline = std::chrono::seconds(50)) {
    SetCaller(context_, "ada");
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
    reader_ = server.generation().Generate(&context_, request);
  }

  bool ReadOne() {
    v1::GenerateResponse piece;
    if (!reader_->Read(&piece)) return false;
    answer_.Add(piece);
    return true;
  }
  Answer ReadAll() {
    while (ReadOne()) {
    }
    answer_.status = reader_->Finish();
    return answer_;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>> reader_;
  Answer answer_;
};

TEST(StreamingTest, ASlowReaderHoldsUpNobodyAndGetsItAll) {
  constexpr int kTokens = 15'000;
  TestServer server;
  v1::GenerateRequest request = TextRequest("a", kTokens);
  request.set_ignore_eos(true);
  OpenCall slow(server, request);
  EXPECT_EQ(server.Generate(TextRequest("ab")).text, "cdef");
  WaitForStatus(server, [](const v1::GetStatusResponse& status) {
    return status.new_tokens() >= kTokens && status.running_rows() == 0;
  });
  const Answer answer = slow.ReadAll();
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_EQ(answer.token_ids.size(), static_cast<size_t>(kTokens));
  for (int i = 0; i < kTokens; ++i) {
    ASSERT_EQ(answer.token_ids[i], ('a' + 1 + i) % kFakeVocabulary);
  }
  EXPECT_LT(answer.messages, kTokens) << "pieces that could not be written were joined";
}

TEST(StreamingTest, CancelFreesTheRow) {
  TestServer server;
  server.model().Hold();
  OpenCall call(server, TextRequest("a", 10'000));
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 1; });
  call.Cancel();
  EXPECT_EQ(call.ReadAll().status.error_code(), grpc::StatusCode::CANCELLED);
  server.model().Release();
  WaitForStatus(server, [](const auto& status) {
    return status.running_rows() == 0 && status.free_pages() == status.total_pages();
  });
  EXPECT_LT(server.GetStatus().new_tokens(), 10'000);
  EXPECT_TRUE(server.Generate(TextRequest("a")).status.ok());
}

TEST(StreamingTest, CancelInTheMiddleOfAStream) {
  TestServer server;
  v1::GenerateRequest request = TextRequest("a", 19'000);
  request.set_ignore_eos(true);
  OpenCall call(server, request);
  ASSERT_TRUE(call.ReadOne());
  call.Cancel();
  call.ReadAll();
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 0; });
}

TEST(StreamingTest, ManyThatComeAndGo) {
  TestServer server;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&server, i] {
      for (int round = 0; round < 10; ++round) {
        OpenCall call(server, TextRequest("a", 200));
        for (int read = 0; read < i; ++read) call.ReadOne();
        call.Cancel();
        call.ReadAll();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  WaitForStatus(server, [](const auto& status) {
    return status.running_rows() == 0 && status.queued_rows() == 0;
  });
  EXPECT_EQ(server.Generate(TextRequest("ab")).text, "cdef");
}

TEST(StreamingTest, TheDeadlineEndsARequest) {
  TestServer server;
  server.model().Hold();
  OpenCall call(server, TextRequest("a", 10), std::chrono::milliseconds(200));
  EXPECT_EQ(call.ReadAll().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  server.model().Release();
  WaitForStatus(server, [](const auto& status) {
    return status.running_rows() == 0 && status.queued_rows() == 0;
  });
}

TEST(StreamingTest, AFullQueueRefusesWithRetryInfo) {
  TestServerOptions options;
  options.engine.max_rows = 1;
  options.engine.max_queued_rows = 2;
  TestServer server(options);
  server.model().Hold();
  OpenCall running(server, TextRequest("a"));
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 1; });
  OpenCall first(server, TextRequest("a"));
  OpenCall second(server, TextRequest("a"));
  WaitForStatus(server, [](const auto& status) { return status.queued_rows() == 2; });

  const Answer refused = server.Generate(TextRequest("a"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status.error_details(), HasSubstr("google.rpc.RetryInfo"));

  server.model().Release();
  EXPECT_TRUE(running.ReadAll().status.ok());
  EXPECT_TRUE(first.ReadAll().status.ok());
  EXPECT_TRUE(second.ReadAll().status.ok());
  EXPECT_TRUE(server.Generate(TextRequest("a")).status.ok());
}

TEST(StreamingTest, ARunningRequestKeepsADeletedPrefix) {
  TestServer server;
  server.MustUpload("task", 1);
  server.model().Hold();
  v1::GenerateRequest request = TextRequest("a", 3);
  request.add_tasks("task");
  OpenCall call(server, request);
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 1; });
  {
    grpc::ClientContext context;
    SetCaller(context, "ada");
    v1::DeletePrefixRequest deletion;
    deletion.set_name("users/ada/tasks/task");
    google::protobuf::Empty empty;
    ASSERT_TRUE(server.admin().DeletePrefix(&context, deletion, &empty).ok());
  }
  EXPECT_EQ(server.Generate(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
  server.model().Release();
  EXPECT_EQ(call.ReadAll().text, "ceg");
}

TEST(StreamingTest, ACancelledCaptureLeavesNothing) {
  TestServerOptions options;
  options.engine.max_rows = 1;
  TestServer server(options);
  server.model().Hold();
  v1::GenerateRequest endless = TextRequest("a", 19'000);
  endless.set_ignore_eos(true);
  OpenCall running(server, endless);
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 1; });
  grpc::ClientContext context;
  SetCaller(context, "ada");
  std::thread capture([&] {
    v1::CapturePrefixRequest request;
    request.set_parent("users/ada/tasks/persona");
    request.set_text("hello");
    v1::Prefix prefix;
    EXPECT_EQ(server.admin().CapturePrefix(&context, request, &prefix).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  WaitForStatus(server, [](const auto& status) { return status.queued_rows() == 1; });
  context.TryCancel();
  capture.join();
  server.model().Release();
  WaitForStatus(server, [](const auto& status) { return status.queued_rows() == 0; });
  running.Cancel();
  running.ReadAll();
  WaitForStatus(server, [](const auto& status) { return status.running_rows() == 0; });
  EXPECT_EQ(server.MustUpload("persona", 1), "users/ada/tasks/persona/versions/1");
}

}  // namespace
}  // namespace prefixd
