#include "base/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace prefixd {
namespace {

const std::string kR(kReplacementCharacter);

TEST(Utf8Test, TellsValidFromInvalid) {
  for (const std::string_view valid :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsValidUtf8(valid)) << testing::PrintToString(valid);
  }
  for (const std::string_view invalid :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82z"}) {
    EXPECT_FALSE(IsValidUtf8(invalid)) << testing::PrintToString(invalid);
  }
  EXPECT_TRUE(IsValidUtf8(std::string(1, '\0')));
}

// The first is the example of The Unicode Standard, table 3-8 and its neighbours; all agree with
// Python's bytes.decode(errors="replace").
TEST(Utf8Test, ReplacesEachMaximalSubpartOnce) {
  EXPECT_EQ(ReplaceInvalidUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + kR + kR + kR + "b" + kR + "c" + kR + kR + "d");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            kR + kR + kR + kR + kR + kR + kR + kR + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF"), kR + kR + kR + kR + kR + kR);
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), kR + kR + kR + kR + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98"), kR);
}

TEST(Utf8Test, TakesAllButAnUnfinishedCharacter) {
  std::string bytes = "na\xC3\xAFve \xF0\x9F\x98";
  EXPECT_EQ(TakeWholeUtf8(bytes), "na\xC3\xAFve ");
  EXPECT_EQ(bytes, "\xF0\x9F\x98");
  bytes += "\x80!";
  EXPECT_EQ(TakeWholeUtf8(bytes), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(bytes, "");
  bytes = "\xE2\x82";
  EXPECT_EQ(TakeWholeUtf8(bytes), "");
  bytes += "x";
  EXPECT_EQ(TakeWholeUtf8(bytes), kR + "x");
}

// In whatever pieces the bytes come, the text is the same; and it is valid.
TEST(Utf8Test, PiecesGiveTheTextOfTheWhole) {
  constexpr std::string_view kBytes =
      "ab\x80\xBF\x9F\xA0\xC2\xC3\xE0\xE2\xED\xEF\xF0\xF1\xF4\xF5\xFF\x90\x8F";
  std::mt19937 random(1);
  const auto below = [&random](size_t n) { return random() % n; };
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (size_t n = below(12); n > 0; --n) bytes += kBytes[below(kBytes.size())];
    const std::string whole = ReplaceInvalidUtf8(bytes);
    ASSERT_TRUE(IsValidUtf8(whole));
    ASSERT_EQ(IsValidUtf8(bytes), whole == bytes);

    std::string text;
    std::string rest;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + below(bytes.size() - at);
      rest += bytes.substr(at, size);
      text += TakeWholeUtf8(rest);
      ASSERT_LT(rest.size(), 4U);
      at += size;
    }
    ASSERT_EQ(text + ReplaceInvalidUtf8(rest), whole);
  }
}

}  // namespace
}  // namespace prefixd
