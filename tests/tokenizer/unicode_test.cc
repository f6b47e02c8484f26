#include "model/tokenizer/unicode.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <random>
#include <string>

#include "base/utf8.h"
#include "gtest/gtest.h"

namespace prefixd {
namespace {

TEST(UnicodeTest, ReadsAndWritesEveryCharacter) {
  for (char32_t character = 0; character < 0x110000; ++character) {
    if (character >= 0xD800 && character < 0xE000) continue;
    std::string text = "x";
    AppendUtf8(character, text);
    ASSERT_TRUE(IsValidUtf8(text));
    size_t at = 1;
    ASSERT_EQ(NextCharacter(text, at), character);
    ASSERT_EQ(at, text.size());
    ASSERT_EQ(PreviousCharacter(text, text.size()), 1);
  }
  size_t at = 0;
  EXPECT_EQ(NextCharacter("\xED\xA0\x80", at), kNoCharacter);
  EXPECT_EQ(at, 1);
}

TEST(UnicodeTest, WhiteSpaceAndWordCharacters) {
  for (char32_t c : std::initializer_list<char32_t>{0x09, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x200A,
                                                    0x2029, 0x3000}) {
    EXPECT_TRUE(IsWhiteSpace(c)) << std::hex << static_cast<uint32_t>(c);
  }
  for (char32_t c : std::initializer_list<char32_t>{0x08, 0x1F, 0x180E, 0x200B, 0xFEFF, 'a'})
    EXPECT_FALSE(IsWhiteSpace(c));
  for (char32_t c : std::initializer_list<char32_t>{'a', '_', '7', 0xE9, 0x301, 0x200D, 0x24B6,
                                                    0x4E00, 0x2160}) {
    EXPECT_TRUE(IsWordCharacter(c)) << std::hex << static_cast<uint32_t>(c);
  }
  for (char32_t c : std::initializer_list<char32_t>{'-', ' ', 0xB2, 0x200B, 0x1F600})
    EXPECT_FALSE(IsWordCharacter(c));
}

TEST(NormalizeNfcTest, Composes) {
  EXPECT_EQ(NormalizeNfc("e\u0301"), "é");
  EXPECT_EQ(NormalizeNfc("e\u0301\u0323"), "ẹ\u0301");
  EXPECT_EQ(NormalizeNfc("\u1100\u1161\u11A8"), "각");
  EXPECT_EQ(NormalizeNfc("\u2126\u212B"), "ΩÅ");
  EXPECT_EQ(NormalizeNfc("\u0958"), "\u0915\u093C");  // excluded from composition
  EXPECT_EQ(NormalizeNfc("plain \u00e9\u02ff"), "plain \u00e9\u02ff");
  EXPECT_EQ(NormalizeNfc(std::string("e\u0301\0e\u0301", 7)), std::string("é\0é", 5));
}

// By the data of Unicode 9, as Hugging Face's tokenizers does it.
TEST(NormalizeNfcTest, LeavesYoungerMarksAlone) {
  EXPECT_EQ(NormalizeNfc("a\u1AC1\u0323\u0301"), "a\u1AC1\u0323\u0301");
  EXPECT_EQ(NormalizeNfc("a\u0301\u1ABF"), "á\u1ABF");
  EXPECT_EQ(NormalizeNfc("\U00011935\U00011930"), "\U00011935\U00011930");
  EXPECT_EQ(NormalizeNfc("\U00011938"), "\U00011938");
  EXPECT_EQ(NormalizeNfc("\uAC00\u11A7\u11A8"), "\uAC00\u11A7\u11A8");
}

// Against utf8proc_map, which does all of it at once, slowly.
TEST(NormalizeNfcTest, IsTheWholeLibrarysNfc) {
  std::mt19937 random(1);
  const char32_t starts[] = {0x41,   0xC0,   0x300,  0x301,  0x327,  0x340,   0x370,
                             0x5B0,  0x650,  0x93C,  0xAC00, 0x1100, 0x1161,  0x11A8,
                             0x1E00, 0x1F00, 0x2126, 0xF900, 0xFB1D, 0x1D15E, 0x2F800};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t length = random() % 10; length > 0; --length) {
      AppendUtf8(starts[random() % std::size(starts)] + random() % 16, text);
    }
    utf8proc_uint8_t* mapped = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                     static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    ASSERT_GE(size, 0);
    const std::string expected(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
    std::free(mapped);
    ASSERT_EQ(NormalizeNfc(text), expected);
  }
}

}  // namespace
}  // namespace prefixd
