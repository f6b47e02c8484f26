// The little of Unicode that the tokenizer needs besides base/utf8.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace prefixd {

// U+10FFFF is the last code point; this is what NextCharacter answers for bytes that are no UTF-8.
inline constexpr char32_t kNoCharacter = 0xFFFFFFFF;

// The character at `at`, which must lie within `text`; moves `at` behind it. For bytes that are no
// UTF-8: kNoCharacter, and `at` moves one byte.
char32_t NextCharacter(std::string_view text, size_t& at);

void AppendUtf8(char32_t character, std::string& text);

// Unicode's property White_Space.
bool IsWhiteSpace(char32_t character);

// What "\w" is in Unicode's TR18: letters, marks, decimal digits, connectors, joiners.
bool IsWordCharacter(char32_t character);

// The offset of the character that ends at `end` > 0. `text` must be UTF-8.
size_t PreviousCharacter(std::string_view text, size_t end);

// Normalization Form C of `text`, which must be UTF-8, as Hugging Face's tokenizers makes it: by
// the data of Unicode 9. O(n log n) also where thousands of combining marks follow each other.
std::string NormalizeNfc(std::string_view text);

}  // namespace prefixd
