#include "model/flat_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Prefix final : public PrefixSegment {
 public:
  explicit Prefix(int offset) : offset_(offset) {}
  int positions() const override { return 5; }
  int position_offset() const override { return offset_; }
  int64_t bytes() const override { return 0; }

 private:
  const int offset_;
};

class FlatBatchTest : public testing::Test {
 protected:
  FlatBatchTest() {
    config_.vocabulary = 100;
    config_.max_positions = 40;
  }

  // What Flatten says of one row.
  std::string Refusal(const RowInput& row) {
    return std::string(Flatten({&row, 1}, config_, options_, &batch_).message());
  }

  ModelConfig config_;
  RunnerOptions options_{.pages = 4, .max_step_tokens = 20, .max_step_logits = 3};
  FlatBatch batch_;
  const std::vector<int32_t> tokens_ = {7, 8, 9};
  const std::vector<int> pages_ = {2, 0};
};

TEST_F(FlatBatchTest, LaysRowsOutOneAfterAnother) {
  const Prefix first(5);
  const Prefix second(0);
  const std::vector<const PrefixSegment*> prefixes = {&first, &second};
  const std::vector<RowInput> rows = {
      {.tokens = tokens_, .cached = 0, .prefixes = prefixes, .pages = pages_, .logits = 2},
      {.tokens = {tokens_.data(), 1}, .cached = 17, .prefixes = {}, .pages = pages_, .logits = 1},
  };
  ASSERT_TRUE(Flatten(rows, config_, options_, &batch_).ok());
  EXPECT_THAT(batch_.tokens, ElementsAre(7, 8, 9, 7));
  EXPECT_THAT(batch_.positions, ElementsAre(5, 6, 7, 17));
  EXPECT_THAT(batch_.row, ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(batch_.row_index, ElementsAre(0, 1, 2, 17));
  EXPECT_THAT(batch_.logit_tokens, ElementsAre(1, 2, 3));
}

TEST_F(FlatBatchTest, RefusesWhatBreaksTheContract) {
  const RowInput good{.tokens = tokens_, .cached = 0, .prefixes = {}, .pages = pages_, .logits = 1};
  EXPECT_EQ(Refusal(good), "");

  RowInput row = good;
  row.tokens = {};
  EXPECT_THAT(Refusal(row), HasSubstr("no tokens"));
  row = good;
  row.logits = 4;
  EXPECT_THAT(Refusal(row), HasSubstr("logits"));
  row = good;
  row.cached = 30;
  EXPECT_THAT(Refusal(row), HasSubstr("pages do not hold 33"));
  row = good;
  const std::vector<int> unknown_page = {4};
  row.pages = unknown_page;
  EXPECT_THAT(Refusal(row), HasSubstr("page 4 does not exist"));
  row = good;
  const std::vector<int32_t> unknown_token = {100};
  row.tokens = unknown_token;
  EXPECT_THAT(Refusal(row), HasSubstr("token 100"));
}

TEST_F(FlatBatchTest, CountsPrefixesAmongThePositions) {
  const Prefix prefix(38);
  const PrefixSegment* const prefixes[] = {&prefix};
  EXPECT_THAT(
      Refusal({.tokens = tokens_, .cached = 0, .prefixes = prefixes, .pages = pages_, .logits = 1}),
      HasSubstr("40 positions"));
}

TEST_F(FlatBatchTest, HoldsToTheRunnersLimits) {
  const std::vector<RowInput> rows(
      7, {.tokens = tokens_, .cached = 0, .prefixes = {}, .pages = pages_, .logits = 0});
  EXPECT_THAT(Flatten(rows, config_, options_, &batch_).message(), HasSubstr("21 tokens"));
  const std::vector<RowInput> with_logits(
      4, {.tokens = tokens_, .cached = 0, .prefixes = {}, .pages = pages_, .logits = 1});
  EXPECT_THAT(Flatten(with_logits, config_, options_, &batch_).message(), HasSubstr("4 rows"));
}

}  // namespace
}  // namespace prefixd
