// GPT-2's byte alphabet: each byte is written as one printable character, so that any bytes can
// stand in a vocabulary of strings. Printable Latin-1 characters stand for themselves, the other 68
// bytes for U+0100 and up, in their order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace prefixd {

// The character, in UTF-8, that stands for `byte`.
std::string ByteToAlphabet(unsigned char byte);

// The bytes that `text` stands for; none when a character of it is not in the alphabet.
std::optional<std::string> AlphabetToBytes(std::string_view text);

}  // namespace prefixd
