// Attention against a plain loop, and the invariance that the mixed batch rests on.

#include "model/attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace prefixd {
namespace {

// Keys and values of one tile, cut into pages of given lengths.
class Context {
 public:
  Context(int head_dim, int keys, std::mt19937* random)
      : layout_({.layers = 1, .kv_heads = 1, .head_dim = head_dim}) {
    std::normal_distribution<float> normal(0.0F, 1.0F);
    for (std::vector<float>* rows : {&keys_, &values_}) {
      rows->resize(static_cast<size_t>(keys) * head_dim);
      for (float& value : *rows) value = HalfToFloat(FloatToHalf(normal(*random)));
    }
  }

  const KvLayout& layout() const { return layout_; }
  int keys() const { return static_cast<int>(keys_.size()) / layout_.shape.head_dim; }

  // Lays all keys out in pages of `lengths` positions; what is not filled is NaN.
  void Cut(const std::vector<int>& lengths) {
    memory_.assign(lengths.size() * layout_.page_halves(), Half{0x7e00});
    pages_.clear();
    int key = 0;
    for (size_t p = 0; p < lengths.size(); ++p) {
      Half* const page = memory_.data() + p * layout_.page_halves();
      for (int slot = 0; slot < lengths[p]; ++slot, ++key) {
        for (int i = 0; i < layout_.shape.head_dim; ++i) {
          page[layout_.KeyOffset(slot) + static_cast<size_t>(i) * kPageSize] =
              FloatToHalf(key_at(key)[i]);
          page[layout_.ValueOffset(slot) + i] = FloatToHalf(value_at(key)[i]);
        }
      }
      pages_.push_back({page, lengths[p]});
    }
  }

  std::vector<float> Attend(const std::vector<float>& queries, int keys) const {
    const int group = static_cast<int>(queries.size()) / layout_.shape.head_dim;
    std::vector<float> scratch(AttentionScratch(group, keys));
    std::vector<float> output(queries.size());
    prefixd::Attend(layout_, {queries.data(), group, pages_, keys, 0}, scratch.data(),
                    output.data());
    return output;
  }

  std::vector<float> Oracle(const std::vector<float>& queries, int keys) const {
    const int dim = layout_.shape.head_dim;
    std::vector<float> output(queries.size());
    for (size_t head = 0; head * dim < queries.size(); ++head) {
      std::vector<double> weights(keys);
      double total = 0.0;
      for (int key = 0; key < keys; ++key) {
        double score = 0.0;
        for (int i = 0; i < dim; ++i) score += double{queries[head * dim + i]} * key_at(key)[i];
        weights[key] = std::exp(score / std::sqrt(double(dim)));
        total += weights[key];
      }
      for (int i = 0; i < dim; ++i) {
        double sum = 0.0;
        for (int key = 0; key < keys; ++key) sum += weights[key] * value_at(key)[i];
        output[head * dim + i] = static_cast<float>(sum / total);
      }
    }
    return output;
  }

 private:
  const float* key_at(int key) const { return keys_.data() + key * layout_.shape.head_dim; }
  const float* value_at(int key) const { return values_.data() + key * layout_.shape.head_dim; }

  const KvLayout layout_;
  std::vector<float> keys_;    // [keys, head_dim]
  std::vector<float> values_;  // [keys, head_dim]
  std::vector<Half> memory_;
  std::vector<ContextPage> pages_;
};

std::vector<int> WholePages(int keys) {
  std::vector<int> lengths(keys / kPageSize, kPageSize);
  if (keys % kPageSize != 0) lengths.push_back(keys % kPageSize);
  return lengths;
}

TEST(AttentionTest, EqualsTheOracleAtRandomShapes) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const int head_dim = std::uniform_int_distribution(1, 80)(random);
    const int group = std::uniform_int_distribution(1, 9)(random);
    const int keys = std::uniform_int_distribution(1, 200)(random);
    Context context(head_dim, keys, &random);
    context.Cut(WholePages(keys));
    std::vector<float> queries(static_cast<size_t>(group) * head_dim);
    for (float& value : queries) value = std::normal_distribution<float>()(random);
    const int seen = std::uniform_int_distribution(1, keys)(random);
    EXPECT_THAT(context.Attend(queries, seen),
                testing::Pointwise(testing::FloatNear(1e-5F), context.Oracle(queries, seen)))
        << "head_dim " << head_dim << ", group " << group << ", " << seen << " of " << keys;
  }
}

TEST(AttentionTest, BitsDoNotDependOnWhereSegmentsEnd) {
  std::mt19937 random(8);
  for (int round = 0; round < 100; ++round) {
    const int keys = std::uniform_int_distribution(1, 150)(random);
    Context context(64, keys, &random);
    std::vector<float> queries(3 * 64);
    for (float& value : queries) value = std::normal_distribution<float>()(random);

    context.Cut(WholePages(keys));
    const std::vector<float> whole = context.Attend(queries, keys);
    std::vector<int> lengths;
    for (int left = keys; left > 0; left -= lengths.back()) {
      lengths.push_back(std::uniform_int_distribution(1, std::min(left, kPageSize))(random));
    }
    context.Cut(lengths);
    EXPECT_EQ(context.Attend(queries, keys), whole);
  }
}

TEST(AttentionTest, BitsOfAHeadDoNotDependOnItsGroup) {
  std::mt19937 random(9);
  Context context(24, 77, &random);
  context.Cut(WholePages(77));
  std::vector<float> queries(7 * 24);
  for (float& value : queries) value = std::normal_distribution<float>()(random);
  const std::vector<float> together = context.Attend(queries, 77);
  for (int head = 0; head < 7; ++head) {
    const std::vector<float> query(queries.begin() + head * 24, queries.begin() + (head + 1) * 24);
    const std::vector<float> expected(together.begin() + head * 24,
                                      together.begin() + (head + 1) * 24);
    EXPECT_EQ(context.Attend(query, 77), expected) << "head " << head;
  }
}

}  // namespace
}  // namespace prefixd
