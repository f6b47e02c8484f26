#include "engine/text_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace prefixd {
namespace {

TEST(TextStreamTest, PassesPlainTextOn) {
  TextStream stream({});
  EXPECT_EQ(stream.Push("Hello"), "Hello");
  EXPECT_EQ(stream.Push(""), "");
  EXPECT_EQ(stream.Push(", world"), ", world");
  EXPECT_EQ(stream.Flush(), "");
  EXPECT_FALSE(stream.stopped());
}

TEST(TextStreamTest, WaitsForWholeCharacters) {
  TextStream stream({});
  EXPECT_EQ(stream.Push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.Push("\x98"), "");
  EXPECT_EQ(stream.Push("\x80z"), "\xF0\x9F\x98\x80z");
  EXPECT_EQ(stream.Push("\x80"), kReplacementCharacter);
  EXPECT_EQ(stream.Push("\xE2\x82"), "");
  EXPECT_EQ(stream.Flush(), kReplacementCharacter);
}

TEST(TextStreamTest, HoldsBackOnlyWhatMayBeginAStopString) {
  TextStream stream({"END"});
  EXPECT_EQ(stream.Push("the E"), "the ");
  EXPECT_EQ(stream.Push("N"), "");
  EXPECT_EQ(stream.Push("EN"), "EN");
  EXPECT_EQ(stream.Push("Dless"), "");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.Push("more"), "");
  EXPECT_EQ(stream.Flush(), "");
}

TEST(TextStreamTest, FlushShowsWhatWasHeldBack) {
  TextStream stream({"\n\n"});
  EXPECT_EQ(stream.Push("line\n"), "line");
  EXPECT_EQ(stream.Flush(), "\n");
  EXPECT_FALSE(stream.stopped());
}

TEST(TextStreamTest, TheFirstCompletedStopStringWins) {
  TextStream inside({"abcd", "bc"});
  EXPECT_EQ(inside.Push("xabcd"), "xa");
  EXPECT_TRUE(inside.stopped());
  TextStream same_end({"c", "bc"});
  EXPECT_EQ(same_end.Push("abc"), "a");
}

TEST(TextStreamTest, AReplacedByteCanCompleteAStopString) {
  TextStream stream({std::string(kReplacementCharacter)});
  EXPECT_EQ(stream.Push("ok\xE2"), "ok");
  EXPECT_FALSE(stream.stopped());
  EXPECT_EQ(stream.Flush(), "");
  EXPECT_TRUE(stream.stopped());
}

TEST(TextStreamTest, IgnoresStopStringsThatNoTextHolds) {
  TextStream stream({"", "\x98"});
  EXPECT_EQ(stream.Push("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_FALSE(stream.stopped());
}

// The oracle: looks at every beginning of the whole text.
struct Expected {
  std::string text;
  bool stopped = false;
};

Expected CutWhole(const std::string& bytes, const std::vector<std::string>& stop_strings) {
  const std::string text = ReplaceInvalidUtf8(bytes);
  for (size_t end = 0; end <= text.size(); ++end) {
    const std::string_view beginning(text.data(), end);
    size_t longest = 0;
    for (const std::string& stop : stop_strings) {
      if (beginning.ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

bool IsProperPrefixOfOne(std::string_view text, const std::vector<std::string>& stop_strings) {
  return std::ranges::any_of(stop_strings, [text](const std::string& stop) {
    return text.size() < stop.size() && stop.starts_with(text);
  });
}

std::string RandomBytes(std::mt19937& random, size_t size) {
  constexpr std::string_view kPieces[] = {
      "a", "b", "a", "b", "c", "\xC3\xA4", "\xC3", "\xE2\x82", "\xE2\x82\xAC", "\x80", "\xFF"};
  std::string bytes;
  while (size-- > 0) bytes += kPieces[random() % std::size(kPieces)];
  return bytes;
}

TEST(TextStreamTest, AnySplitGivesTheTextOfTheWhole) {
  std::mt19937 random(7);
  int stops = 0;
  for (int round = 0; round < 30000; ++round) {
    std::vector<std::string> stop_strings;
    for (int n = random() % 4; n > 0; --n) {
      stop_strings.push_back(ReplaceInvalidUtf8(RandomBytes(random, 1 + random() % 4)));
    }
    const std::string bytes = RandomBytes(random, random() % 16);
    const Expected expected = CutWhole(bytes, stop_strings);

    TextStream stream(stop_strings);
    std::string text;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min(bytes.size() - at, size_t{random() % 5});
      const std::string piece = stream.Push(std::string_view(bytes).substr(at, size));
      ASSERT_TRUE(IsValidUtf8(piece));
      text += piece;
      at += size;
      // Nothing is held back without need.
      if (!stream.stopped()) {
        std::string seen = bytes.substr(0, at);
        const std::string whole = TakeWholeUtf8(seen);
        ASSERT_EQ(text, whole.substr(0, text.size()));
        const std::string held = whole.substr(text.size());
        ASSERT_TRUE(held.empty() || IsProperPrefixOfOne(held, stop_strings));
      }
    }
    text += stream.Flush();
    ASSERT_EQ(text, expected.text) << testing::PrintToString(bytes);
    ASSERT_EQ(stream.stopped(), expected.stopped);
    stops += expected.stopped ? 1 : 0;
  }
  EXPECT_GT(stops, 3000);
  EXPECT_LT(stops, 27000);
}

}  // namespace
}  // namespace prefixd
