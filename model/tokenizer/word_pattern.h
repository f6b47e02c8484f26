// The patterns by which tokenizers cut text into words, matched by PCRE2.
//
// Hugging Face matches them with Oniguruma, in whose syntax some constructs mean something else
// than in PCRE2 (\h, ^, $, \w, \v, {1,3}+, a class in a class). So a pattern is translated, and
// what follows is all that is understood, enough for the patterns of the well-known models:
//
//   pattern  := branch ("|" branch)*          branch := (atom quantifier?)*
//   atom     := character | "." | escape | class | group
//   escape   := \s \S \d \D \r \n \t \f \v \p{Name} \P{Name} \xHH (ASCII) \x{H…} \uHHHH, or a
//               backslash before an ASCII character that is no letter and no digit. Name: a general
//               category (Lu) or a script (Han)
//   class    := "[" "^"? (character | escape | range)+ "]", with no "[" and no "&&" within
//   group    := ("(" | "(?:" | "(?i:" | "(?>" | "(?=" | "(?!" | "(?<=" | "(?<!") pattern ")"
//   quantifier := ("?" | "*" | "+") ("?" | "+")?, {n} {n,} {n,m} {n,}? {n,m}?
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct pcre2_real_code_8;

namespace prefixd {

// The same pattern in PCRE2's syntax. UNIMPLEMENTED names the first construct that is not in the
// list above.
absl::StatusOr<std::string> TranslatePattern(std::string_view pattern);

// Thread-safe once made.
class WordPattern {
 public:
  // INVALID_ARGUMENT when PCRE2 finds an error in it; otherwise like TranslatePattern.
  static absl::StatusOr<WordPattern> Create(std::string_view pattern);

  // Appends the pieces of `text` to `pieces`: each match, and what lies between two matches; no
  // piece is empty, together they are `text`. `text` must be UTF-8; the pieces point into it.
  // RESOURCE_EXHAUSTED when matching takes too many steps.
  absl::Status Cut(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };

  explicit WordPattern(std::unique_ptr<pcre2_real_code_8, FreeCode> code)
      : code_(std::move(code)) {}

  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
};

}  // namespace prefixd
