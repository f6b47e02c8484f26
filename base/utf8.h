// UTF-8 as Unicode defines it (The Unicode Standard, table 3-7): no overlong forms, no surrogates,
// nothing above U+10FFFF.
//
// Bytes that cannot be part of a character are replaced by U+FFFD, one for each maximal subpart, as
// Unicode recommends (section 3.9) and Python's errors="replace" does. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace prefixd {

// U+FFFD, the replacement character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// What the first bytes of a text are.
struct Utf8Unit {
  enum class Kind {
    kCharacter,   // one whole character
    kInvalid,     // a maximal subpart that no following byte can make a character
    kUnfinished,  // all that is left of the text: the beginning of a character
  };
  Kind kind = Kind::kCharacter;
  size_t size = 0;  // bytes, at least 1
};

// The first unit of `bytes`, which must not be empty.
Utf8Unit FirstUtf8Unit(std::string_view bytes);

bool IsValidUtf8(std::string_view bytes);

// Removes from `bytes` all but an unfinished last character and returns it as valid UTF-8.
std::string TakeWholeUtf8(std::string& bytes);

// The text as valid UTF-8; an unfinished last character becomes one U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view bytes);

}  // namespace prefixd
