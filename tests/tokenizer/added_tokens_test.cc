#include "model/tokenizer/added_tokens.h"

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace prefixd {
namespace {

// Text between tokens as itself, tokens as their ids, each in brackets.
std::string Split(const AddedTokenFinder& finder, std::string_view text,
                  SpecialTokens special = SpecialTokens::kParse) {
  std::string out;
  for (const TextPart& part : finder.Split(text, special)) {
    out += part.token < 0 ? absl::StrCat("[", std::string(part.text), "]")
                          : std::to_string(part.token);
  }
  return out;
}

TEST(AddedTokenFinderTest, TheLeftmostAndThenTheLongestWins) {
  const AddedTokenFinder finder({{.id = 1, .text = "ab"},
                                 {.id = 2, .text = "abcd"},
                                 {.id = 3, .text = "bcdef"},
                                 {.id = 4, .text = ""}});
  EXPECT_EQ(Split(finder, "abcdef"), "2[ef]");
  EXPECT_EQ(Split(finder, "abcabx"), "1[c]1[x]");
  EXPECT_EQ(Split(finder, "xbcdefab"), "[x]31");
  EXPECT_EQ(Split(finder, ""), "");
}

TEST(AddedTokenFinderTest, ASpecialTokenAsTextHidesWhatIsInIt) {
  const AddedTokenFinder finder(
      {{.id = 1, .text = "<abc>", .special = true}, {.id = 2, .text = "b"}});
  EXPECT_EQ(Split(finder, "b<abc>b", SpecialTokens::kAsText), "2[<abc>]2");
  EXPECT_EQ(Split(finder, "b<abc>b"), "212");
}

TEST(AddedTokenFinderTest, SwallowsWhiteSpace) {
  const AddedTokenFinder finder({{.id = 1, .text = "<l>", .lstrip = true},
                                 {.id = 2, .text = "<r>", .rstrip = true},
                                 {.id = 3, .text = "<n>"}});
  EXPECT_EQ(Split(finder, "a \u3000\n<l> b"), "[a]1[ b]");
  EXPECT_EQ(Split(finder, "a <r>\u00a0\t b"), "[a ]2[b]");
  EXPECT_EQ(Split(finder, "<r>  <l><n> <l>"), "2131");
  EXPECT_EQ(Split(finder, "\u200b<l>"), "[\u200b]1");
}

TEST(AddedTokenFinderTest, SingleWordsStandAlone) {
  const AddedTokenFinder finder({{.id = 1, .text = "of", .single_word = true}});
  EXPECT_EQ(Split(finder, "of, of"), "1[, ]1");
  for (const char* text : {"ofa", "éof", "of_", "1of", "of\u0301", "of\u200d"}) {
    EXPECT_EQ(Split(finder, text), absl::StrCat("[", text, "]"));
  }
}

// Without flags: try every token at every place.
std::string SplitSlowly(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::string out, between;
  const auto flush = [&] {
    if (!between.empty()) absl::StrAppend(&out, "[", between, "]");
    between.clear();
  };
  while (!text.empty()) {
    const AddedToken* longest = nullptr;
    for (const AddedToken& token : tokens) {
      if (text.starts_with(token.text) &&
          (longest == nullptr || token.text.size() > longest->text.size())) {
        longest = &token;
      }
    }
    if (longest == nullptr) {
      between += text.front();
      text.remove_prefix(1);
    } else {
      flush();
      out += std::to_string(longest->id);
      text.remove_prefix(longest->text.size());
    }
  }
  flush();
  return out;
}

TEST(AddedTokenFinderTest, FindsWhatASlowSearchFinds) {
  std::mt19937 random(1);
  const auto word = [&](int least, int most) {
    std::string text(std::uniform_int_distribution<size_t>(least, most)(random), 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<AddedToken> tokens;
    for (int id = 0; id < 4; ++id) {
      const std::string text = word(1, 5);
      bool known = false;
      for (const AddedToken& token : tokens) known |= token.text == text;
      if (!known) tokens.push_back({.id = id, .text = text});
    }
    const std::string text = word(0, 30);
    ASSERT_EQ(Split(AddedTokenFinder(tokens), text), SplitSlowly(tokens, text)) << text;
  }
}

}  // namespace
}  // namespace prefixd
