#include "base/utf8.h"

namespace prefixd {
namespace {

// How long the character that begins with a byte is, and which second bytes it may have. Third and
// fourth bytes are always 80..BF.
struct LeadByte {
  size_t size;  // 0: no character begins with it
  unsigned char second_low;
  unsigned char second_high;
};

constexpr LeadByte ClassifyLeadByte(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Appends the valid text of all but an unfinished end and returns that end.
std::string_view AppendWhole(std::string_view bytes, std::string& text) {
  while (!bytes.empty()) {
    const Utf8Unit unit = FirstUtf8Unit(bytes);
    if (unit.kind == Utf8Unit::Kind::kUnfinished) break;
    text.append(unit.kind == Utf8Unit::Kind::kCharacter ? bytes.substr(0, unit.size)
                                                        : kReplacementCharacter);
    bytes.remove_prefix(unit.size);
  }
  return bytes;
}

}  // namespace

Utf8Unit FirstUtf8Unit(std::string_view bytes) {
  const LeadByte lead = ClassifyLeadByte(static_cast<unsigned char>(bytes[0]));
  if (lead.size == 0) return {Utf8Unit::Kind::kInvalid, 1};
  for (size_t i = 1; i < lead.size; ++i) {
    if (i == bytes.size()) return {Utf8Unit::Kind::kUnfinished, i};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const unsigned char low = i == 1 ? lead.second_low : 0x80;
    const unsigned char high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {Utf8Unit::Kind::kInvalid, i};
  }
  return {Utf8Unit::Kind::kCharacter, lead.size};
}

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Unit unit = FirstUtf8Unit(bytes);
    if (unit.kind != Utf8Unit::Kind::kCharacter) return false;
    bytes.remove_prefix(unit.size);
  }
  return true;
}

std::string TakeWholeUtf8(std::string& bytes) {
  std::string text;
  const std::string_view unfinished = AppendWhole(bytes, text);
  bytes.erase(0, bytes.size() - unfinished.size());
  return text;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string text;
  if (!AppendWhole(bytes, text).empty()) text.append(kReplacementCharacter);
  return text;
}

}  // namespace prefixd
