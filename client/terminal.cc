#include "client/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace prefixd {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";
constexpr std::string_view kEllipsis = "…";

struct Character {
  std::string_view bytes;
  int32_t codepoint = -1;  // -1: not UTF-8, one byte

  int width() const { return codepoint < 0 ? 1 : utf8proc_charwidth(codepoint); }
  bool is_control() const {
    return codepoint < 0 || utf8proc_category(codepoint) == UTF8PROC_CATEGORY_CC;
  }
};

// The first character of `text`, which is not empty.
Character FirstOf(std::string_view text) {
  Character character;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto length = utf8proc_iterate(bytes, text.size(), &character.codepoint);
  character.bytes = text.substr(0, length > 0 ? length : 1);
  return character;
}

std::vector<Character> CharactersOf(std::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    characters.push_back(FirstOf(text));
    text.remove_prefix(characters.back().bytes.size());
  }
  return characters;
}

}  // namespace

bool IsTerminal(int descriptor) { return isatty(descriptor) == 1; }

TerminalSize SizeOfTerminal(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {.columns = size.ws_col, .rows = size.ws_row};
}

bool WantsEscapes(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return IsTerminal(descriptor) && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Character character = FirstOf(text);
    if (character.codepoint < 0) return false;
    text.remove_prefix(character.bytes.size());
  }
  return true;
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (const Character& character : CharactersOf(text)) width += character.width();
  return width;
}

std::string OneLine(std::string_view text) {
  std::string line;
  for (const Character& character : CharactersOf(text)) {
    const bool is_space =
        character.bytes == " " || (character.is_control() && character.codepoint >= 0);
    if (is_space) {
      if (!line.empty() && line.back() != ' ') line += ' ';
    } else {
      line += character.codepoint < 0 ? kReplacement : character.bytes;
    }
  }
  return line;
}

std::string WithoutControls(std::string_view text) {
  std::string safe;
  for (const Character& character : CharactersOf(text)) {
    const bool allowed = character.bytes == "\n" || character.bytes == "\t";
    safe += character.is_control() && !allowed ? kReplacement : character.bytes;
  }
  return safe;
}

std::string FitHead(std::string_view text, int columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  std::string head;
  int left = columns - 1;  // for the ellipsis
  if (left < 0) return head;
  for (const Character& character : CharactersOf(text)) {
    left -= character.width();
    if (left < 0) break;
    head += character.bytes;
  }
  return head.append(kEllipsis);
}

std::string FitTail(std::string_view text, int columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  int left = columns - 1;  // for the ellipsis
  if (left < 0) return "";
  const std::vector<Character> characters = CharactersOf(text);
  size_t kept = 0;
  for (size_t i = characters.size(); i-- > 0;) {
    left -= characters[i].width();
    if (left < 0) break;
    kept += characters[i].bytes.size();
  }
  return std::string(kEllipsis).append(text.substr(text.size() - kept));
}

std::string PadTo(std::string_view text, int columns) {
  std::string padded = FitHead(text, columns);
  padded.append(std::max(0, columns - DisplayWidth(padded)), ' ');
  return padded;
}

}  // namespace prefixd
