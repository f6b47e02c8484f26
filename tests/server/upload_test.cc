// Uploads, good and bad: a bad one leaves nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr char kParent[] = "users/ada/tasks/task";

class UploadTest : public testing::Test {
 protected:
  void ExpectRefused(const v1::UploadPrefixRequest::Header& header, const std::string& bytes,
                     grpc::StatusCode code, const std::string& message) {
    v1::Prefix prefix;
    const grpc::Status status = server_.Upload(header, bytes, &prefix);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  }
  void ExpectRefused(const PrefixFile& file, grpc::StatusCode code, const std::string& message) {
    const std::string bytes = Serialized(file);
    ExpectRefused(HeaderFor(kParent, bytes), bytes, code, message);
  }

  // Nothing was left behind, not even a number.
  void ExpectNothingStored() {
    EXPECT_EQ(server_.MustUpload("task", 1), std::string(kParent) + "/versions/1");
  }

  TestServer server_;
};

TEST_F(UploadTest, MakesAVersion) {
  const std::string bytes = Serialized(FakePrefix(1));
  v1::UploadPrefixRequest::Header header = HeaderFor(kParent, bytes);
  header.set_description("first");
  v1::Prefix prefix;
  ASSERT_TRUE(server_.Upload(header, bytes, &prefix).ok());
  EXPECT_EQ(prefix.name(), "users/ada/tasks/task/versions/1");
  EXPECT_TRUE(prefix.active());
  EXPECT_EQ(prefix.description(), "first");
  EXPECT_EQ(prefix.position_offset(), 3);
  EXPECT_GT(prefix.size_bytes(), 0);
  EXPECT_THAT(prefix.sha256(), SizeIs(64));

  header.set_no_activate(true);
  ASSERT_TRUE(server_.Upload(header, bytes, &prefix).ok());
  EXPECT_FALSE(prefix.active());
}

TEST_F(UploadTest, AcceptsAChecksumInCapitals) {
  const std::string bytes = Serialized(FakePrefix(1));
  v1::UploadPrefixRequest::Header header = HeaderFor(kParent, bytes);
  for (char& digit : *header.mutable_sha256()) digit = static_cast<char>(std::toupper(digit));
  v1::Prefix prefix;
  EXPECT_TRUE(server_.Upload(header, bytes, &prefix).ok());
}

TEST_F(UploadTest, AFileWithoutAFingerprintBelongsToThisModelFromNowOn) {
  PrefixFile file = FakePrefix(1);
  file.model_fingerprint.clear();
  const std::string bytes = Serialized(file);
  v1::Prefix prefix;
  ASSERT_TRUE(server_.Upload(HeaderFor(kParent, bytes), bytes, &prefix).ok());
  EXPECT_EQ(prefix.model_fingerprint(), std::string(64, 'a'));
}

TEST_F(UploadTest, RefusesAWrongChecksum) {
  const std::string bytes = Serialized(FakePrefix(1));
  ExpectRefused(HeaderFor(kParent, "something else"), bytes, grpc::StatusCode::INVALID_ARGUMENT,
                "sha256");
  v1::UploadPrefixRequest::Header header = HeaderFor(kParent, bytes);
  header.set_sha256("abc");
  ExpectRefused(header, bytes, grpc::StatusCode::INVALID_ARGUMENT, "sha256");
  ExpectNothingStored();
}

TEST_F(UploadTest, RefusesAFileThatWasCutOff) {
  const std::string bytes = Serialized(FakePrefix(1));
  for (const size_t size : {size_t{0}, size_t{7}, bytes.size() / 2, bytes.size() - 1}) {
    const std::string cut = bytes.substr(0, size);
    ExpectRefused(HeaderFor(kParent, cut), cut, grpc::StatusCode::INVALID_ARGUMENT, "");
    ExpectRefused(HeaderFor(kParent, bytes), cut, grpc::StatusCode::INVALID_ARGUMENT, "sha256");
  }
  ExpectNothingStored();
}

TEST_F(UploadTest, RefusesBadValues) {
  PrefixFile file = FakePrefix(1);
  file.tensor.values[20] = std::numeric_limits<float>::quiet_NaN();
  ExpectRefused(file, grpc::StatusCode::INVALID_ARGUMENT, "position");
  file.tensor.values[20] = std::numeric_limits<float>::infinity();
  ExpectRefused(file, grpc::StatusCode::INVALID_ARGUMENT, "position");
  file.tensor.values[20] = 70'000.0F;
  ExpectRefused(file, grpc::StatusCode::INVALID_ARGUMENT, "position");
  ExpectNothingStored();
}

TEST_F(UploadTest, RefusesAWrongShape) {
  PrefixFile file = FakePrefix(1);
  file.tensor.shape.layers = 4;
  file.tensor.values.resize(3 * file.tensor.shape.values_per_position());
  ExpectRefused(file, grpc::StatusCode::INVALID_ARGUMENT, "4");
  ExpectNothingStored();
}

TEST_F(UploadTest, RefusesAnotherModelsPrefix) {
  PrefixFile file = FakePrefix(1);
  file.model_fingerprint = std::string(64, 'b');
  ExpectRefused(file, grpc::StatusCode::FAILED_PRECONDITION, "bbbbbbbbbbbb");
  ExpectRefused(file, grpc::StatusCode::FAILED_PRECONDITION, "aaaaaaaaaaaa");
  ExpectNothingStored();
}

TEST_F(UploadTest, RefusesBadHeaders) {
  const std::string bytes = Serialized(FakePrefix(1));
  const auto refuse = [&](auto change, const std::string& message) {
    v1::UploadPrefixRequest::Header header = HeaderFor(kParent, bytes);
    change(header);
    ExpectRefused(header, bytes, grpc::StatusCode::INVALID_ARGUMENT, message);
  };
  refuse([](auto& h) { h.set_parent("users/ada"); }, "users/{user}/tasks/{task}");
  refuse([](auto& h) { h.set_parent("users/ada/tasks/task/versions/1"); }, "users/{user}");
  refuse([](auto& h) { h.set_description(std::string(1025, 'x')); }, "description");
  refuse([](auto& h) { h.set_peft_config_json("{}"); }, "peft_config_json");
  refuse([](auto& h) { h.set_format(v1::PREFIX_FORMAT_PEFT); }, "peft_config_json");
  refuse([](auto& h) { h.set_format(static_cast<v1::PrefixFormat>(9)); }, "format");
  ExpectNothingStored();
}

// An upload whose messages are sent by hand.
class RawUpload {
 public:
  explicit RawUpload(TestServer& server) {
    SetCaller(context_, "ada");
    writer_ = server.admin().UploadPrefix(&context_, &prefix_);
  }

  RawUpload& Header(const v1::UploadPrefixRequest::Header& header) {
    v1::UploadPrefixRequest message;
    *message.mutable_header() = header;
    writer_->Write(message);
    return *this;
  }
  RawUpload& Chunk(const std::string& bytes) {
    v1::UploadPrefixRequest message;
    message.set_chunk(bytes);
    writer_->Write(message);
    return *this;
  }
  RawUpload& Nothing() {
    writer_->Write({});
    return *this;
  }
  grpc::Status Finish() {
    writer_->WritesDone();
    return writer_->Finish();
  }
  grpc::Status WaitForTheServer() { return writer_->Finish(); }
  grpc::Status Cancel() {
    context_.TryCancel();
    return writer_->Finish();
  }

 private:
  grpc::ClientContext context_;
  v1::Prefix prefix_;
  std::unique_ptr<grpc::ClientWriter<v1::UploadPrefixRequest>> writer_;
};

TEST_F(UploadTest, RefusesMessagesOutOfOrder) {
  const std::string bytes = Serialized(FakePrefix(1));
  const v1::UploadPrefixRequest::Header header = HeaderFor(kParent, bytes);
  const grpc::StatusCode invalid = grpc::StatusCode::INVALID_ARGUMENT;
  EXPECT_EQ(RawUpload(server_).Finish().error_code(), invalid);
  EXPECT_EQ(RawUpload(server_).Nothing().Finish().error_code(), invalid);
  EXPECT_EQ(RawUpload(server_).Chunk(bytes).Finish().error_code(), invalid);
  EXPECT_EQ(RawUpload(server_).Header(header).Header(header).Finish().error_code(), invalid);
  EXPECT_EQ(RawUpload(server_)
                .Header(header)
                .Chunk(std::string((1 << 20) + 1, 'x'))
                .Finish()
                .error_code(),
            invalid);
  ExpectNothingStored();
}

TEST_F(UploadTest, AnUploadThatTheClientDropsLeavesNothing) {
  const std::string bytes = Serialized(FakePrefix(1));
  EXPECT_EQ(RawUpload(server_).Header(HeaderFor(kParent, bytes)).Chunk(bytes).Cancel().error_code(),
            grpc::StatusCode::CANCELLED);
  ExpectNothingStored();
}

TEST(UploadLimitsTest, AFileAboveTheLimitIsRefused) {
  TestServerOptions options;
  options.server.max_upload = 2000;
  TestServer server(options);
  const std::string bytes = Serialized(FakePrefix(1, 300));
  v1::Prefix prefix;
  const grpc::Status status = server.Upload(HeaderFor(kParent, bytes), bytes, &prefix);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("2000"));
  server.MustUpload("task", 1);
}

TEST(UploadLimitsTest, AStalledUploadIsEnded) {
  TestServerOptions options;
  options.server.transfer_idle = absl::Seconds(1);
  TestServer server(options);
  const std::string bytes = Serialized(FakePrefix(1));
  RawUpload upload(server);
  upload.Header(HeaderFor(kParent, bytes)).Chunk("x");
  const grpc::Status status = upload.WaitForTheServer();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("nothing came"));
  EXPECT_EQ(server.MustUpload("task", 1), "users/ada/tasks/task/versions/1");
}

TEST(UploadLimitsTest, TransfersShareABudgetAndGiveItBack) {
  TestServerOptions options;
  options.server.max_upload = 10'000;  // the budget is twice that
  TestServer server(options);
  const std::string bytes(9'000, 'x');
  RawUpload first(server);
  RawUpload second(server);
  first.Header(HeaderFor(kParent, bytes)).Chunk(bytes);
  second.Header(HeaderFor(kParent, bytes)).Chunk(bytes);
  // The server may not have read them yet.
  grpc::Status refused;
  do {
    refused = RawUpload(server).Header(HeaderFor(kParent, bytes)).Chunk(bytes).Finish();
  } while (refused.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_details(), HasSubstr("RetryInfo"));
  first.Cancel();
  second.Cancel();
  grpc::Status status;
  const std::string good = Serialized(FakePrefix(1));
  v1::Prefix prefix;
  do {
    status = server.Upload(HeaderFor(kParent, good), good, &prefix);
  } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace prefixd
