#include "model/tokenizer/word_pattern.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"

namespace prefixd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Cut(std::string_view pattern, std::string_view text) {
  const auto compiled = WordPattern::Create(pattern);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  std::vector<std::string_view> pieces;
  if (compiled.ok()) {
    EXPECT_TRUE(compiled->Cut(text, pieces).ok());
  }
  return {pieces.begin(), pieces.end()};
}

TEST(WordPatternTest, MatchesAndWhatIsBetweenArePieces) {
  EXPECT_THAT(Cut("b+", "abbacb"), ElementsAre("a", "bb", "ac", "b"));
  EXPECT_THAT(Cut("x", "abc"), ElementsAre("abc"));
  EXPECT_THAT(Cut("x", ""), ElementsAre());
}

// As Oniguruma's find_iter has it.
TEST(WordPatternTest, EmptyMatchesCut) {
  EXPECT_THAT(Cut("x*", "axxb"), ElementsAre("a", "xx", "b"));
  EXPECT_THAT(Cut("(?=é)", "aéé"), ElementsAre("a", "é", "é"));
}

TEST(WordPatternTest, Gpt2Words) {
  EXPECT_THAT(Cut(kGpt2Pattern, "I'll  go\n\n to 12 places!!"),
              ElementsAre("I", "'ll", " ", " go", "\n\n", " to", " 12", " places", "!!"));
}

// \s is White_Space: with U+0085, without U+180E.
TEST(WordPatternTest, WhiteSpaceIsUnicodes) {
  EXPECT_THAT(Cut(R"(\s+)", "a\u0085\u3000b\u180ec"), ElementsAre("a", "\u0085\u3000", "b\u180ec"));
  EXPECT_THAT(Cut(R"([^\S\n]+)", " \n\u180e"), ElementsAre(" ", "\n\u180e"));
}

TEST(WordPatternTest, ScriptsAreNotScriptExtensions) {
  // U+30FC is Common, and Katakana by extension.
  EXPECT_THAT(Cut(R"(\p{Katakana}+)", "カー"), ElementsAre("カ", "ー"));
}

TEST(TranslatePatternTest, KeepsWhatMeansTheSame) {
  for (const char* pattern :
       {R"((?i:'s|'t)| ?\p{L}+|\p{N}{1,3}|[^\r\n\p{Lu}]?+|a{2,}?|(?<=a)b(?!c)|(?>d)|(e)|\.\-)",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)", "[一-龥぀-ゟ]+"}) {
    const auto translated = TranslatePattern(pattern);
    ASSERT_TRUE(translated.ok()) << translated.status();
    EXPECT_EQ(*translated, pattern);
  }
  EXPECT_EQ(*TranslatePattern(R"(\s[\S\d]\D\v\u00e9\x41)"),
            R"(\p{White_Space}[\P{White_Space}\p{Nd}]\P{Nd}\x0B\x{00e9}\x{41})");
  EXPECT_EQ(*TranslatePattern(R"(\P{Han})"), R"(\P{sc:Han})");
}

TEST(TranslatePatternTest, NamesWhatItDoesNotKnow) {
  for (const auto& [pattern, construct] :
       std::vector<std::pair<std::string, std::string>>{{"a^b", "^"},
                                                        {"a$", "$"},
                                                        {R"(\w+)", R"(\w)"},
                                                        {R"(a\b)", R"(\b)"},
                                                        {R"(\h)", R"(\h)"},
                                                        {R"([[:alpha:]])", "["},
                                                        {R"([a&&b])", "&&"},
                                                        {R"([])", "]"},
                                                        {R"(\p{N}{1,3}+)", "{1,3}+"},
                                                        {R"(a{3}?)", "{3}?"},
                                                        {R"(a{,3})", "{,3}"},
                                                        {R"((?i)a)", "(?i)"},
                                                        {R"((?<n>a))", "(?<n"},
                                                        {R"((*UTF)a)", "(*"},
                                                        {R"(\p{^L})", R"(\p{^L})"},
                                                        {R"(\xe9)", R"(\xe9)"},
                                                        {R"(\)", R"(\)"},
                                                        {R"(\1)", R"(\1)"},
                                                        {R"(a{)", "{"}}) {
    const auto translated = TranslatePattern(pattern);
    EXPECT_EQ(translated.status().code(), absl::StatusCode::kUnimplemented) << pattern;
    EXPECT_THAT(std::string(translated.status().message()), HasSubstr("has \"" + construct + "\""))
        << pattern;
  }
}

TEST(WordPatternTest, RefusesWhatIsNoPattern) {
  for (const char* pattern : {"(", "[a", "*a", R"(\p{NoScript})", "[b-a]"}) {
    EXPECT_EQ(WordPattern::Create(pattern).status().code(), absl::StatusCode::kInvalidArgument)
        << pattern;
  }
}

TEST(WordPatternTest, AnEndlessMatchIsAnError) {
  const auto pattern = WordPattern::Create("(a|aa)+b(?=c)|(?:(?:a*)*)*d");
  ASSERT_TRUE(pattern.ok()) << pattern.status();
  std::vector<std::string_view> pieces;
  const std::string text(100, 'a');
  EXPECT_EQ(pattern->Cut(text, pieces).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace prefixd
