// What the tools need to know of terminals, and text that is safe to show on one.
#pragma once

#include <string>
#include <string_view>

namespace prefixd {

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};

bool IsTerminal(int descriptor);

// 80 x 24 where the terminal does not say.
TerminalSize SizeOfTerminal(int descriptor);

// Whether `descriptor` is a terminal on which escape sequences are wanted: TERM is not "dumb" and
// NO_COLOR (no-color.org) is not set.
bool WantsEscapes(int descriptor);

bool IsUtf8(std::string_view text);

// Columns that `text` takes: 2 for wide characters, 0 for combining ones.
int DisplayWidth(std::string_view text);

// `text` on one line: control characters and runs of white space become one space; nothing in it
// can be an escape sequence.
std::string OneLine(std::string_view text);

// `text` with all control characters but '\n' and '\t' shown as U+FFFD.
std::string WithoutControls(std::string_view text);

// The longest beginning (end) of `text` that fits into `columns`; what is cut shows as "…".
std::string FitHead(std::string_view text, int columns);
std::string FitTail(std::string_view text, int columns);

// FitHead, then padded with spaces to exactly `columns`.
std::string PadTo(std::string_view text, int columns);

}  // namespace prefixd
