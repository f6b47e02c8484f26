#include "client/client.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "base/sha256.h"
#include "client/rpc_error.h"
#include "tests/client/fake_server.h"
#include "tests/client/tool.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

class ClientTest : public testing::Test {
 protected:
  std::unique_ptr<Client> Connect(const ClientOptions& options = {}) {
    auto client = Client::Connect(server_.address(), "ada", options);
    EXPECT_TRUE(client.ok()) << client.status();
    return std::move(*client);
  }

  // Streams pieces until the call is cancelled.
  void AnswerWithoutEnd() {
    server_.on_generate = [](grpc::ServerContext* context, const v1::GenerateRequest&,
                             FakeServer::GenerateWriter* writer) {
      v1::GenerateResponse piece;
      piece.set_text("more ");
      while (!context->IsCancelled() && writer->Write(piece)) {
      }
      return grpc::Status::CANCELLED;
    };
  }

  FakeServer server_;
};

bool Ignore(const v1::GenerateResponse&) { return true; }

TEST_F(ClientTest, RefusedConnectionFailsAtOnceAndSaysWhere) {
  const auto client = Client::Connect("127.0.0.1:1", "ada", {});
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(client.status().message()), HasSubstr("127.0.0.1:1"));
}

TEST_F(ClientTest, NeedsAUser) {
  EXPECT_EQ(Client::Connect(server_.address(), "", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ClientTest, GenerateHandsOverPiecesAndReturnsTheSummary) {
  const auto client = Connect();
  v1::GenerateRequest request;
  request.set_text("hello");
  request.mutable_sampling()->set_seed(9);
  std::string text;
  const auto summary = client->Generate(request, [&](const v1::GenerateResponse& piece) {
    text += piece.text();
    return true;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(text, "echo: hello");
  EXPECT_EQ(summary->seed(), 9u);
  EXPECT_EQ(server_.last_user(), "ada");
}

TEST_F(ClientTest, FalseFromTheCallbackCancels) {
  AnswerWithoutEnd();
  const auto client = Connect();
  int pieces = 0;
  const auto summary = client->Generate(v1::GenerateRequest(),
                                        [&](const v1::GenerateResponse&) { return ++pieces < 3; });
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(pieces, 3);
  server_.WaitForGenerating(0);
}

TEST_F(ClientTest, CancelEndsRunningAndLaterCalls) {
  AnswerWithoutEnd();
  const auto client = Connect();
  absl::Status status;
  std::thread caller([&] { status = client->Generate(v1::GenerateRequest(), Ignore).status(); });
  server_.WaitForGenerating(1);
  client->Cancel();
  caller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client->GetModel().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, DeadlineEndsACall) {
  AnswerWithoutEnd();
  const auto client = Connect({.deadline = absl::Milliseconds(50)});
  EXPECT_EQ(client->Generate(v1::GenerateRequest(), Ignore).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, ErrorsKeepMessageAndRetryDelay) {
  server_.on_generate = [](auto&&...) { return BusyStatus("the queue is full", 3); };
  const absl::Status status = Connect()->Generate(v1::GenerateRequest(), Ignore).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "the queue is full");
  EXPECT_EQ(RetryAfter(status), absl::Seconds(3));
}

TEST_F(ClientTest, BrokenErrorDetailsAreLeftOut) {
  for (const std::string& details : {std::string("\xff\xff\xff"), std::string("\x1a\x05zz")}) {
    const absl::Status status =
        FromGrpcStatus({grpc::StatusCode::RESOURCE_EXHAUSTED, "full", details});
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(RetryAfter(status), std::nullopt);
  }
}

TEST_F(ClientTest, ErrorsAreDescribedOnce) {
  EXPECT_EQ(Describe(absl::NotFoundError("no task")), "NOT_FOUND: no task");
  EXPECT_EQ(Describe(absl::CancelledError("CANCELLED")), "CANCELLED");
  EXPECT_EQ(Describe(absl::CancelledError("")), "CANCELLED");
}

TEST_F(ClientTest, ListGathersAllPages) {
  const auto client = Connect();
  for (const char* task : {"a", "b", "c", "b", "a"}) {
    ASSERT_TRUE(client->CapturePrefix({.task = task, .description = ""}, "text").ok());
  }
  EXPECT_EQ(client->ListPrefixes("")->size(), 5u);
  EXPECT_EQ(client->ListPrefixes("b")->size(), 2u);
}

TEST_F(ClientTest, VersionsAreSwitchedAndDeleted) {
  const auto client = Connect();
  EXPECT_TRUE(client->CapturePrefix({.task = "t", .description = "one"}, "1")->active());
  const NewVersion quiet = {.task = "t", .description = "two", .activate = false};
  EXPECT_EQ(client->CapturePrefix(quiet, "22")->name(), "users/ada/tasks/t/versions/2");
  EXPECT_EQ(client->GetPrefix("t", 0)->description(), "one");
  EXPECT_TRUE(client->ActivateVersion("t", 2)->active());
  EXPECT_EQ(client->GetPrefix("t", 0)->description(), "two");
  EXPECT_EQ(client->DeletePrefix("t", 2).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(client->DeletePrefix("t", 1).ok());
  EXPECT_EQ(client->GetPrefix("t", 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(client->DeletePrefix("t", 0).ok());
  EXPECT_TRUE(client->ListPrefixes("")->empty());
}

TEST_F(ClientTest, UploadAndDownloadAFile) {
  const auto client = Connect();
  const std::string directory = MakeTemporaryDirectory();
  std::string bytes;
  for (int i = 0; i < 600'000; ++i) bytes += static_cast<char>(i * 31 + i / 251);
  WriteFile(directory + "/prefix", bytes);
  std::vector<int64_t> progress;
  const auto prefix = client->UploadPrefix({.task = "t", .description = "d"}, directory + "/prefix",
                                           [&](int64_t sent, int64_t total) {
                                             progress.push_back(sent);
                                             EXPECT_EQ(total, 600'000);
                                           });
  ASSERT_TRUE(prefix.ok()) << prefix.status();
  EXPECT_EQ(prefix->sha256(), Sha256Hex(bytes));
  EXPECT_EQ(progress, (std::vector<int64_t>{0, 262'144, 524'288, 600'000}));

  WriteFile(directory + "/out", "old");
  ASSERT_TRUE(client->DownloadPrefix("t", 1, directory + "/out").ok());
  EXPECT_EQ(ReadFile(directory + "/out"), bytes);
}

TEST_F(ClientTest, FailedDownloadLeavesTheOldFileAlone) {
  const auto client = Connect();
  const std::string directory = MakeTemporaryDirectory();
  ASSERT_TRUE(client->CapturePrefix({.task = "t", .description = ""}, "text").ok());
  WriteFile(directory + "/out", "old");
  server_.damage_downloads = true;
  EXPECT_EQ(client->DownloadPrefix("t", 0, directory + "/out").status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(client->DownloadPrefix("none", 0, directory + "/out").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(client->DownloadPrefix("t", 0, directory + "/no/such/folder").ok());
  EXPECT_FALSE(client->DownloadPrefix("t", 0, directory).ok());
  EXPECT_EQ(ReadFile(directory + "/out"), "old");
  const std::filesystem::directory_iterator files(directory);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(ClientTest, UploadOfAPeftDirectoryCarriesItsConfiguration) {
  const auto client = Connect();
  const std::string directory = MakeTemporaryDirectory();
  WriteFile(directory + "/adapter_model.safetensors", "tensors");
  WriteFile(directory + "/adapter_config.json", "{\"a\":1}");
  const auto ignore = [](int64_t, int64_t) {};
  for (const std::string& path : {directory, directory + "/adapter_model.safetensors"}) {
    const auto prefix = client->UploadPrefix({.task = "t", .description = ""}, path, ignore);
    ASSERT_TRUE(prefix.ok()) << prefix.status();
    EXPECT_EQ(prefix->warnings(0), "{\"a\":1}");
    EXPECT_EQ(prefix->sha256(), Sha256Hex("tensors"));
  }
}

TEST_F(ClientTest, UploadReportsWhyTheServerRefused) {
  const auto client = Connect();
  const std::string path = MakeTemporaryDirectory() + "/big";
  WriteFile(path, std::string(8 << 20, 'x'));
  const auto prefix = client->UploadPrefix({.task = "t", .description = "refuse at once"}, path,
                                           [](int64_t, int64_t) {});
  EXPECT_EQ(prefix.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(prefix.status().message(), "made for another model");
  EXPECT_EQ(
      client->UploadPrefix({.task = "t", .description = ""}, path + "none", [](int64_t, int64_t) {})
          .status()
          .code(),
      absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace prefixd
