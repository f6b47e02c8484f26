#include "server/grpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/unknown_field_set.h"

namespace prefixd {
namespace {

TEST(GrpcStatusTest, MapsCodesOneToOne) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "why");
  }
}

TEST(GrpcStatusTest, TellsWhenToTryAgain) {
  const grpc::Status status = ToGrpcStatus(absl::ResourceExhaustedError("full"));
  google::protobuf::UnknownFieldSet fields;  // of google.rpc.Status
  ASSERT_TRUE(fields.ParseFromString(status.error_details()));
  ASSERT_EQ(fields.field_count(), 3);
  EXPECT_EQ(fields.field(0).varint(), 8u);
  EXPECT_EQ(fields.field(1).length_delimited(), "full");
  google::protobuf::Any detail;
  ASSERT_TRUE(detail.ParseFromString(fields.field(2).length_delimited()));
  EXPECT_EQ(detail.type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  google::protobuf::UnknownFieldSet retry_info;
  ASSERT_TRUE(retry_info.ParseFromString(detail.value()));
  google::protobuf::Duration delay;
  ASSERT_TRUE(delay.ParseFromString(retry_info.field(0).length_delimited()));
  EXPECT_GT(delay.seconds(), 0);

  EXPECT_FALSE(ToGrpcStatus(absl::UnavailableError("")).error_details().empty());
  EXPECT_TRUE(ToGrpcStatus(absl::NotFoundError("")).error_details().empty());
}

TEST(GrpcStatusTest, CutsALongMessageBetweenCharacters) {
  std::string message;
  while (message.size() < 5000) message += "ä";
  const std::string cut = ToGrpcStatus(absl::InternalError(message)).error_message();
  EXPECT_LT(cut.size(), 1100u);
  EXPECT_THAT(cut, testing::StartsWith("äää"));
}

}  // namespace
}  // namespace prefixd
