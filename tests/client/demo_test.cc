// prefixd-demo as a process against a server.
#include <gmock/gmock.h>

#include <latch>

#include "client/demo_plan.h"
#include "tests/client/fake_server.h"
#include "tests/client/tool.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

std::string UserOf(const grpc::ServerContext& context) {
  const grpc::string_ref user = context.client_metadata().find("x-prefixd-user")->second;
  return {user.data(), user.size()};
}

// Answers with `count` tokens of text, then calls `before_end`.
grpc::Status Answer(FakeServer& server, const std::string& task_name,
                    FakeServer::GenerateWriter* writer, const std::function<void()>& before_end) {
  v1::GenerateResponse last;
  last.mutable_summary()->add_prefix_versions(server.active_version(task_name));
  last.mutable_summary()->set_finish_reason(v1::FINISH_REASON_LENGTH);
  v1::GenerateResponse piece;
  piece.set_text("word ");
  piece.add_token_ids(1);
  for (int i = 0; i < 16; ++i) writer->Write(piece);
  before_end();
  writer->Write(last);
  return grpc::Status::OK;
}

TEST(DemoPlanTest, IsWhatTheDemoPromises) {
  const DemoPlan plan = MakeDemoPlan(64);
  std::set<std::string> users, paths;
  for (const DemoTask& task : plan.tasks) {
    users.insert(task.user);
    paths.insert(task.user + "/" + task.task);
  }
  EXPECT_GE(users.size(), 3u);
  EXPECT_GE(paths.size(), 4u);
  EXPECT_EQ(paths.size(), plan.tasks.size());
  EXPECT_GE(plan.requests.size(), 16u);
  EXPECT_EQ(plan.requests[0].user, plan.second_version.user);
  EXPECT_EQ(plan.requests[0].task, plan.second_version.task);
  EXPECT_EQ(plan.follow_up.task, plan.second_version.task);
}

TEST(DemoTest, SwitchesATaskWhileItsAnswerStreams) {
  FakeServer server;
  std::latch follow_up(1);
  const DemoPlan plan = MakeDemoPlan(64);
  server.on_generate = [&](grpc::ServerContext* context, const v1::GenerateRequest& request,
                           FakeServer::GenerateWriter* writer) {
    const std::string task = "users/" + UserOf(*context) + "/tasks/" + request.tasks(0);
    if (request.text() == plan.follow_up.request.text()) follow_up.count_down();
    // The first request streams until its task has been switched.
    const bool first = request.text() == plan.requests[0].request.text();
    return Answer(server, task, writer, [&] {
      if (first) follow_up.wait();
    });
  };
  const ToolResult result = Tool("prefixd-demo", {"--server", server.address()}).Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("while request 1 was still streaming"));
  EXPECT_THAT(result.out,
              HasSubstr("request 1 finished on users/ada/tasks/story/versions/1, begun before the "
                        "switch;\nrequest 19, sent after it, was answered by "
                        "users/ada/tasks/story/versions/2\n"));
  EXPECT_THAT(result.out, HasSubstr("19 requests"));
  EXPECT_THAT(result.out, HasSubstr("0 errors"));
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
}

TEST(DemoTest, FailsWhenARequestFails) {
  FakeServer server;
  server.on_generate = [](auto&&...) { return BusyStatus("the queue is full", 1); };
  const ToolResult result = Tool("prefixd-demo", {"--server", server.address()}).Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("the queue is full"));
}

TEST(DemoTest, FailsWithoutAServer) {
  const ToolResult result = Tool("prefixd-demo", {"--server", "127.0.0.1:1"}).Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace prefixd
