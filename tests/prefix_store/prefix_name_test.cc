#include "prefix_store/prefix_name.h"

#include <gtest/gtest.h>

#include <string>

namespace prefixd {
namespace {

const std::string kLongest(63, 'a');

TEST(PrefixNameTest, KnowsResourceIds) {
  for (const std::string& id : {std::string("a"), std::string("7"), std::string("Ada_1-x.y"),
                                std::string("a.."), kLongest}) {
    EXPECT_TRUE(IsResourceId(id)) << id;
  }
  for (const std::string& id :
       {std::string(), std::string("-a"), std::string(".."), std::string("_"), std::string("a/b"),
        std::string("a b"), std::string("a\0b", 3), std::string("\xC3\xA4"), kLongest + "a"}) {
    EXPECT_FALSE(IsResourceId(id)) << id;
  }
}

TEST(PrefixNameTest, ReadsWhatItWrites) {
  const VersionName version = {.task = {.user = "ada", .task = "support"}, .version = 3};
  EXPECT_EQ(version.ToString(), "users/ada/tasks/support/versions/3");
  EXPECT_EQ(ParseVersionName(version.ToString()).value(), version);

  const VersionName active = {.task = version.task};
  EXPECT_EQ(active.ToString(), "users/ada/tasks/support");
  EXPECT_EQ(ParseVersionName(active.ToString()).value(), active);
  EXPECT_EQ(ParseTaskName("users/ada/tasks/support").value(), version.task);

  const VersionName largest = {.task = version.task, .version = INT64_MAX};
  EXPECT_EQ(ParseVersionName(largest.ToString()).value(), largest);
}

TEST(PrefixNameTest, ReadsReferencesAndParents) {
  const VersionName version = {.task = {.user = "ada", .task = "support"}, .version = 12};
  EXPECT_EQ(ParseTaskReference("ada", "support/versions/12").value(), version);
  EXPECT_EQ(ParseTaskReference("ada", "support").value(), VersionName{.task = version.task});
  EXPECT_EQ(ParseParent("users/ada").value(), (TaskName{.user = "ada", .task = ""}));
  EXPECT_EQ(ParseParent("users/ada/tasks/support").value(), version.task);
}

TEST(PrefixNameTest, RefusesOtherForms) {
  for (const char* name : {"",
                           "/",
                           "users",
                           "users/",
                           "users/ada",
                           "users/ada/tasks",
                           "users/ada/tasks/",
                           "user/ada/tasks/support",
                           "users/ada/task/support",
                           "/users/ada/tasks/support",
                           "users/ada/tasks/support/",
                           "users/ada/tasks/support/versions",
                           "users/ada/tasks/support/versions/",
                           "users/ada/tasks/support/versions/0",
                           "users/ada/tasks/support/versions/-1",
                           "users/ada/tasks/support/versions/+1",
                           "users/ada/tasks/support/versions/01",
                           "users/ada/tasks/support/versions/ 1",
                           "users/ada/tasks/support/versions/1x",
                           "users/ada/tasks/support/versions/1/",
                           "users/ada/tasks/support/versions/9223372036854775808",
                           "users/../tasks/support",
                           "users/ada/tasks/support/version/1"}) {
    const absl::Status status = ParseVersionName(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(ParseTaskName("users/ada").ok());
  EXPECT_FALSE(ParseTaskName("users/ada/tasks/support/versions/1").ok());
  EXPECT_FALSE(ParseParent("users/ada/tasks/support/versions/1").ok());
  EXPECT_FALSE(ParseParent("users").ok());
}

TEST(PrefixNameTest, AReferenceCannotLeaveItsUser) {
  EXPECT_FALSE(ParseTaskReference("ada", "../../bob/tasks/support").ok());
  EXPECT_FALSE(ParseTaskReference("ada", "support/versions/1/versions/2").ok());
  EXPECT_FALSE(ParseTaskReference("bob/tasks/support", "versions").ok());
  EXPECT_FALSE(ParseTaskReference("ada/tasks/x", "1").ok());
  EXPECT_FALSE(ParseTaskReference("", "support").ok());
  EXPECT_FALSE(ParseTaskReference("ada", "").ok());
}

}  // namespace
}  // namespace prefixd
