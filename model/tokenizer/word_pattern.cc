#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/tokenizer/word_pattern.h"

#include <pcre2.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace prefixd {
namespace {

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// One for each thread, since a match writes to it. Has room for the whole match alone.
pcre2_match_data* ThreadMatchData() {
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create(1, nullptr));
  return data.get();
}

std::string ErrorText(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

size_t CharacterLength(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

}  // namespace

void WordPattern::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

absl::StatusOr<WordPattern> WordPattern::Create(std::string_view pattern) {
  PREFIXD_ASSIGN_OR_RETURN(const std::string translated, TranslatePattern(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<pcre2_code, FreeCode> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (code == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer's pattern \"", translated,
                                                   "\" is wrong at offset ", offset, ": ",
                                                   ErrorText(error)));
  }
  // Where the system allows no code made at run time, PCRE2 interprets the pattern instead.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return WordPattern(std::move(code));
}

// Empty matches are treated as Oniguruma's find_iter does: one right behind the last match is not
// accepted, and the search goes on one character further.
absl::Status WordPattern::Cut(std::string_view text, std::vector<std::string_view>& pieces) const {
  pcre2_match_data* data = ThreadMatchData();
  if (data == nullptr) return absl::ResourceExhaustedError("no memory to cut a text into words");
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto add = [&](size_t begin, size_t end) {
    if (begin < end) pieces.push_back(text.substr(begin, end - begin));
  };

  size_t done = 0;  // all before it is in `pieces`
  bool matched = false;
  for (size_t from = 0; from < text.size();) {
    const int result =
        pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the text cannot be cut into words: ", ErrorText(result)));
    }
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer(data);
    const size_t begin = match[0], end = match[1];
    if (begin == end && matched && begin == done) {
      from += CharacterLength(static_cast<unsigned char>(text[from]));
      continue;
    }
    add(done, begin);
    add(begin, end);
    matched = true;
    done = from = end;
  }
  add(done, text.size());
  return absl::OkStatus();
}

}  // namespace prefixd
