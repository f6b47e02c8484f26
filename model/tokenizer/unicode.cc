#include "model/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace prefixd {
namespace {

// A character's canonical decomposition has at most four characters.
constexpr int kMaxDecomposition = 4;

constexpr auto kDecompose = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);

int CombiningClass(int32_t character) { return utf8proc_get_property(character)->combining_class; }

// Everything below U+0300 is in Form C and combines with nothing before it; U+0300 begins with
// 0xCC.
bool IsSurelyNfc(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char byte) { return static_cast<unsigned char>(byte) >= 0xCC; });
}

std::vector<int32_t> Decompose(std::string_view text) {
  std::vector<int32_t> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto character = static_cast<int32_t>(NextCharacter(text, at));
    int32_t parts[kMaxDecomposition];
    const auto count =
        utf8proc_decompose_char(character, parts, kMaxDecomposition, kDecompose, nullptr);
    if (count > 0 && count <= kMaxDecomposition) {
      characters.insert(characters.end(), parts, parts + count);
    } else {
      characters.push_back(character);
    }
  }
  return characters;
}

// Hugging Face's NFC has the data of Unicode 9, so marks that are younger neither move nor let
// others pass; nor is U+11938 made of its parts. Also, utf8proc 2.8 loses U+11A7 behind a Hangul
// syllable.
bool IsLeftAlone(char32_t character) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
      {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x11A7, 0x11A7},
      {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
      {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
      {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
      {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
      {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
      {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
      {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
      {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};
  const auto* range =
      std::lower_bound(std::begin(kRanges), std::end(kRanges), character,
                       [](const auto& range, char32_t value) { return range.second < value; });
  return range != std::end(kRanges) && range->first <= character;
}

// Puts every run of combining marks into the order of their classes. utf8proc_decompose would do it
// one exchange at a time, which a text of nothing but marks makes quadratic.
void SortMarks(std::vector<int32_t>& characters) {
  const auto is_starter = [](int32_t character) { return CombiningClass(character) == 0; };
  auto at = characters.begin();
  while (at != characters.end()) {
    const auto begin = std::find_if_not(at, characters.end(), is_starter);
    const auto end = std::find_if(begin, characters.end(), is_starter);
    std::stable_sort(begin, end, [](int32_t left, int32_t right) {
      return CombiningClass(left) < CombiningClass(right);
    });
    at = end;
  }
}

void AppendNfc(std::string_view text, std::string& normal) {
  std::vector<int32_t> characters = Decompose(text);
  SortMarks(characters);
  const auto count = utf8proc_normalize_utf32(
      characters.data(), static_cast<utf8proc_ssize_t>(characters.size()), kCompose);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8(static_cast<char32_t>(characters[static_cast<size_t>(i)]), normal);
  }
}

}  // namespace

char32_t NextCharacter(std::string_view text, size_t& at) {
  int32_t character = -1;
  const auto length = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
      static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size() - at, 4)), &character);
  if (length <= 0 || character < 0) {
    ++at;
    return kNoCharacter;
  }
  at += static_cast<size_t>(length);
  return static_cast<char32_t>(character);
}

void AppendUtf8(char32_t character, std::string& text) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<int32_t>(character), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsWordCharacter(char32_t c) {
  switch (utf8proc_category(static_cast<int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      // The joiners, and the circled and squared letters, which are symbols but alphabetic.
      return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
             (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
             (c >= 0x1F170 && c <= 0x1F189);
  }
}

size_t PreviousCharacter(std::string_view text, size_t end) {
  --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

std::string NormalizeNfc(std::string_view text) {
  if (IsSurelyNfc(text)) return std::string(text);
  std::string normal;
  normal.reserve(text.size());
  size_t done = 0;  // all before it is in `normal`
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (!IsLeftAlone(NextCharacter(text, at))) continue;
    AppendNfc(text.substr(done, begin - done), normal);
    normal.append(text.substr(begin, at - begin));
    done = at;
  }
  AppendNfc(text.substr(done), normal);
  return normal;
}

}  // namespace prefixd
