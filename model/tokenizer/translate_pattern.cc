#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/tokenizer/word_pattern.h"

namespace prefixd {
namespace {

constexpr std::string_view kCategories[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl",
    "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk",
    "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cs", "Cn"};

// PCRE2's own \s has U+180E in addition, and its \v is every vertical space.
constexpr std::pair<char, std::string_view> kEscapes[] = {{'s', "\\p{White_Space}"},
                                                          {'S', "\\P{White_Space}"},
                                                          {'d', "\\p{Nd}"},
                                                          {'D', "\\P{Nd}"},
                                                          {'v', "\\x0B"},
                                                          {'r', "\\r"},
                                                          {'n', "\\n"},
                                                          {'t', "\\t"},
                                                          {'f', "\\f"}};

constexpr std::string_view kGroups[] = {"(?:", "(?i:", "(?>", "(?=", "(?!", "(?<=", "(?<!"};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (!rest().empty()) {
      switch (rest().front()) {
        case '\\':
          PREFIXD_RETURN_IF_ERROR(Escape());
          break;
        case '[':
          PREFIXD_RETURN_IF_ERROR(Class());
          break;
        case '(':
          PREFIXD_RETURN_IF_ERROR(Group());
          break;
        case '{':
          PREFIXD_RETURN_IF_ERROR(Interval());
          break;
        case '^':
        case '$':
        case ']':
        case '}':
          return Unknown(1);
        default:
          Copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view rest() const { return pattern_.substr(at_); }

  void Copy(size_t count) {
    out_.append(rest().substr(0, count));
    at_ += count;
  }

  void Replace(size_t count, std::string_view text) {
    out_.append(text);
    at_ += count;
  }

  absl::Status Unknown(size_t count) const {
    return absl::UnimplementedError(absl::StrFormat(
        "the tokenizer's pattern \"%s\" has \"%s\" at offset %d, which is not in what "
        "model/tokenizer/word_pattern.h lists",
        pattern_, rest().substr(0, count), at_));
  }

  absl::Status Escape() {
    const char kind = rest().size() > 1 ? rest()[1] : '\0';
    if (kind == 'p' || kind == 'P') return Property();
    if (kind == 'x' || kind == 'u') return CodePoint();
    for (const auto& [letter, text] : kEscapes) {
      if (kind == letter) {
        Replace(2, text);
        return absl::OkStatus();
      }
    }
    if (!absl::ascii_ispunct(static_cast<unsigned char>(kind)) && kind != ' ') return Unknown(2);
    Copy(2);
    return absl::OkStatus();
  }

  absl::Status Property() {
    const size_t end = rest().find('}');
    if (!rest().substr(2).starts_with("{") || end == std::string_view::npos) {
      return Unknown(2);
    }
    const std::string_view name = rest().substr(3, end - 3);
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return absl::ascii_isalpha(c) || c == '_';
    });
    if (!plain || name.empty()) return Unknown(end + 1);
    if (std::find(std::begin(kCategories), std::end(kCategories), name) != std::end(kCategories)) {
      Copy(end + 1);
      return absl::OkStatus();
    }
    // Without "sc:" PCRE2 would read a script's name as Script_Extensions.
    out_.append(rest().substr(0, 3)).append("sc:").append(name).append("}");
    at_ += end + 1;
    return absl::OkStatus();
  }

  absl::Status CodePoint() {
    const bool braces = rest().starts_with("\\x{");
    const size_t begin = braces ? 3 : 2;
    size_t end = begin;
    const size_t most = braces ? 8 : rest()[1] == 'u' ? 4 : 2;
    while (end < rest().size() && end - begin < most &&
           absl::ascii_isxdigit(static_cast<unsigned char>(rest()[end]))) {
      ++end;
    }
    const std::string_view digits = rest().substr(begin, end - begin);
    const bool whole =
        braces ? !digits.empty() && rest().substr(end).starts_with("}") : digits.size() == most;
    // \xHH is a byte to Oniguruma, so only ASCII.
    if (!whole || (digits.size() == 2 && most == 2 && digits[0] > '7')) return Unknown(end);
    out_.append("\\x{").append(digits).append("}");
    at_ += end + (braces ? 1 : 0);
    return absl::OkStatus();
  }

  absl::Status Class() {
    Copy(rest().starts_with("[^") ? 2 : 1);
    if (rest().starts_with("]")) return Unknown(1);
    while (!rest().empty() && rest().front() != ']') {
      if (rest().front() == '\\') {
        PREFIXD_RETURN_IF_ERROR(Escape());
      } else if (rest().front() == '[') {
        return Unknown(1);
      } else if (rest().starts_with("&&")) {
        return Unknown(2);
      } else {
        Copy(1);
      }
    }
    if (rest().empty()) return absl::InvalidArgumentError("the tokenizer's pattern lacks a \"]\"");
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Group() {
    if (rest().starts_with("(*")) return Unknown(2);
    if (!rest().starts_with("(?")) {
      Copy(1);
      return absl::OkStatus();
    }
    for (std::string_view group : kGroups) {
      if (rest().starts_with(group)) {
        Copy(group.size());
        return absl::OkStatus();
      }
    }
    return Unknown(4);
  }

  // {n} {n,} {n,m} with an optional "?" behind the last two.
  absl::Status Interval() {
    const size_t close = rest().find('}');
    if (close == std::string_view::npos) return Unknown(1);
    const std::string_view body = rest().substr(1, close - 1);
    const size_t comma = body.find(',');
    const bool range = comma != std::string_view::npos;
    const std::string_view least = body.substr(0, comma);
    const std::string_view most = range ? body.substr(comma + 1) : "";
    const auto digits = [](std::string_view text) {
      return std::all_of(text.begin(), text.end(),
                         [](unsigned char c) { return absl::ascii_isdigit(c); });
    };
    if (least.empty() || !digits(least) || !digits(most)) return Unknown(close + 1);
    const std::string_view next = rest().substr(close + 1, 1);
    if (next == "+" || next == "*" || next == "{" || (next == "?" && !range)) {
      return Unknown(close + 2);
    }
    Copy(close + 1);
    return absl::OkStatus();
  }

  const std::string_view pattern_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslatePattern(std::string_view pattern) {
  return Translator(pattern).Run();
}

}  // namespace prefixd
