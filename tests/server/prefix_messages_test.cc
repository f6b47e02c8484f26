#include "server/prefix_messages.h"

#include <gtest/gtest.h>

namespace prefixd {
namespace {

TEST(PrefixMessagesTest, APageTokenComesBackForItsParent) {
  const VersionName last{{"ada", "support"}, 7};
  const std::string token = ToPageToken(last);
  EXPECT_EQ(ParsePageToken(token, {"ada", ""}).value(), last);
  EXPECT_EQ(ParsePageToken(token, {"ada", "support"}).value(), last);
  EXPECT_FALSE(ParsePageToken(token, {"ada", "other"}).ok());
  EXPECT_FALSE(ParsePageToken(token, {"bob", ""}).ok());
}

TEST(PrefixMessagesTest, RefusesOtherPageTokens) {
  for (const char* token : {"", "x", "users/ada/tasks/support/versions/1", "!!!!"}) {
    EXPECT_EQ(ParsePageToken(token, {"ada", ""}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
  }
  EXPECT_FALSE(ParsePageToken(ToPageToken({{"ada", "support"}, 0}), {"ada", ""}).ok());
}

TEST(PrefixMessagesTest, ARecordBecomesAMessage) {
  PrefixRecord record;
  record.name = {{"ada", "support"}, 3};
  record.active = true;
  record.positions = 5;
  record.origin = PrefixOrigin::kCaptured;
  record.create_time = absl::FromUnixMillis(1500);
  const v1::Prefix message = ToMessage(record);
  EXPECT_EQ(message.name(), "users/ada/tasks/support/versions/3");
  EXPECT_TRUE(message.active());
  EXPECT_EQ(message.positions(), 5);
  EXPECT_EQ(message.origin(), v1::PREFIX_ORIGIN_CAPTURED);
  EXPECT_EQ(message.create_time().seconds(), 1);
  EXPECT_EQ(message.create_time().nanos(), 500'000'000);
}

}  // namespace
}  // namespace prefixd
