// From tokens to text that can be shown: whole UTF-8 characters, nothing past a stop string.
//
// Pure logic on bytes. A piece is held back while it may still become part of a character or of a
// stop string; bytes that can never become a character turn into U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prefixd {

// Not thread-safe.
class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stop_strings);

  // Adds one token's bytes and returns the text that may be shown now, always whole characters.
  // After a stop string was completed, what follows is dropped.
  std::string Push(std::string_view bytes);

  // The same while stop strings do not count yet: what is shown now is no part of a later match.
  std::string PushBeforeStops(std::string_view bytes);

  // The end: returns what was held back (an unfinished character becomes U+FFFD).
  std::string Flush();

  // True once a stop string was seen; it and all after it are not in the text.
  bool stopped() const { return stopped_; }

 private:
  void CutAtStop();

  const std::vector<std::string> stop_strings_;
  std::string bytes_;  // not yet known to be whole characters
  std::string held_;   // whole characters that may begin a stop string
  bool stopped_ = false;
};

}  // namespace prefixd
