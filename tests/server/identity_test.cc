#include "server/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prefixd {
namespace {

using testing::HasSubstr;

TEST(IdentityTest, ReadsTheUser) {
  EXPECT_EQ(CallerFromMetadata({{"x-prefixd-user", "ada"}}).value(), "ada");
}

TEST(IdentityTest, SaysWhatIsWrong) {
  const absl::Status missing = CallerFromMetadata({}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("x-prefixd-user"));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("missing"));

  EXPECT_FALSE(CallerFromMetadata({{"x-prefixd-user", ""}}).ok());
  EXPECT_FALSE(CallerFromMetadata({{"x-prefixd-user", "a/b"}}).ok());
  EXPECT_FALSE(CallerFromMetadata({{"x-prefixd-user", "ada"}, {"x-prefixd-user", "bob"}}).ok());
}

}  // namespace
}  // namespace prefixd
