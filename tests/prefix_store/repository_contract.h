// What every PrefixRepository must do: a test suite over a factory.
//
// A repository's own test file says
//   INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoryContractTest, testing::Values(factory));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prefix_store/repository.h"

namespace prefixd {

// A place for one repository, empty at first.
class RepositoryPlace {
 public:
  virtual ~RepositoryPlace() = default;

  // Opens the repository again and again; the one before is closed.
  virtual absl::StatusOr<std::unique_ptr<PrefixRepository>> Open() = 0;
};

using RepositoryFactory = std::function<std::unique_ptr<RepositoryPlace>()>;

class RepositoryContractTest : public testing::TestWithParam<RepositoryFactory> {
 protected:
  RepositoryContractTest() : place_(GetParam()()) { Reopen(); }

  void Reopen() {
    repository_.reset();
    auto opened = place_->Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    repository_ = *std::move(opened);
  }

  // Creates a version that must succeed.
  PrefixRecord Create(const TaskName& task, const std::string& bytes, bool activate = true);

  std::unique_ptr<RepositoryPlace> place_;
  std::unique_ptr<PrefixRepository> repository_;
};

// A version to be, with every field set.
NewPrefix SampleNewPrefix(const TaskName& task, bool activate = true);

PrefixRepository::ListOptions Listing(const std::string& user, const std::string& task = "");

}  // namespace prefixd
