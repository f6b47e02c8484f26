#include "client/terminal.h"

#include <gmock/gmock.h>

#include <random>

#include "client/progress_bar.h"

namespace prefixd {
namespace {

TEST(TerminalTest, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth(""), 0);
  EXPECT_EQ(DisplayWidth("naïve"), 5);
  EXPECT_EQ(DisplayWidth("日本"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);  // a combining accent
  EXPECT_EQ(DisplayWidth("🐙"), 2);
  EXPECT_EQ(DisplayWidth("a\xff"), 2);
}

TEST(TerminalTest, CutsAtCharacters) {
  EXPECT_EQ(FitHead("hello", 5), "hello");
  EXPECT_EQ(FitHead("hello!", 5), "hell…");
  EXPECT_EQ(FitTail("hello!", 5), "…llo!");
  EXPECT_EQ(FitHead("日本語", 4), "日…");
  EXPECT_EQ(FitTail("日本語", 4), "…語");
  EXPECT_EQ(FitHead("hello", 0), "");
  EXPECT_EQ(FitTail("hello", 1), "…");
  EXPECT_EQ(PadTo("ab", 4), "ab  ");
  EXPECT_EQ(PadTo("日本語", 4), "日… ");
}

TEST(TerminalTest, FitsAnyTextIntoAnyWidth) {
  std::mt19937 random(2);
  const std::vector<std::string> pieces = {"a", "é", "日", "🐙", "\u0301", "\x1b", "\xff", " "};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = random() % 20; i > 0; --i) text += pieces[random() % pieces.size()];
    const int columns = random() % 20;
    EXPECT_LE(DisplayWidth(FitHead(text, columns)), columns);
    EXPECT_LE(DisplayWidth(FitTail(text, columns)), columns);
    EXPECT_EQ(DisplayWidth(PadTo(OneLine(text), columns)), columns);
    EXPECT_EQ(OneLine(text).find('\x1b'), std::string::npos);
    EXPECT_TRUE(IsUtf8(OneLine(text)));
  }
}

TEST(TerminalTest, NoControlCharacterReachesTheTerminal) {
  EXPECT_EQ(OneLine("a\n\n b\x1b[2J\tc\u009b"), "a b [2J c ");
  EXPECT_EQ(WithoutControls("a\n\tb\x1b[2J\r"), "a\n\tb\uFFFD[2J\uFFFD");
}

TEST(TerminalTest, KnowsUtf8) {
  EXPECT_TRUE(IsUtf8("日本 ok"));
  EXPECT_FALSE(IsUtf8("\xff"));
  EXPECT_FALSE(IsUtf8("\xe6\x97"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));  // a surrogate
}

TEST(ProgressBarTest, ShowsShareAndBytes) {
  EXPECT_EQ(RenderProgress(1 << 20, 2 << 20, 80),
            "[███████████████░░░░░░░░░░░░░░░]  50 %  1.0 MiB of 2.0 MiB");
  EXPECT_EQ(RenderProgress(0, 0, 24), "100 %  0 B of 0 B");
  EXPECT_EQ(RenderProgress(5, 10, 12), " 50 %  5 B …");
}

TEST(ProgressBarTest, FormatsBytes) {
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(int64_t{5} << 40), "5120.0 GiB");
}

TEST(ProgressBarTest, NeverWiderThanTheTerminal) {
  for (int columns = 0; columns < 100; ++columns) {
    for (int64_t done : {0, 7, 1000, 123456}) {
      EXPECT_LE(DisplayWidth(RenderProgress(done, 123456, columns)), columns);
    }
  }
}

}  // namespace
}  // namespace prefixd
