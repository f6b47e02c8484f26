#include "model/tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/unicode.h"
#include "model/tokenizer/word_pattern.h"

namespace prefixd {

const char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// Ids above it are refused, so that a damaged file cannot ask for any amount of memory.
constexpr int32_t kMaxTokens = 1 << 24;

// Normalised, a text has at most three times the bytes, and their count must fit in an int32_t.
constexpr size_t kMaxTextBytes = size_t{256} << 20;

absl::Status CheckId(int64_t id, const std::string& what) {
  if (id >= 0 && id < kMaxTokens) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the tokenizer's ", what, " has the id ", id,
                                                 "; ids are from 0 to ", kMaxTokens - 1));
}

absl::Status CheckIds(const TokenizerSpec& spec) {
  if (!spec.vocabulary.empty()) {
    PREFIXD_RETURN_IF_ERROR(
        CheckId(static_cast<int64_t>(spec.vocabulary.size()) - 1, "last token"));
  }
  int64_t size = static_cast<int64_t>(spec.vocabulary.size());
  for (const AddedToken& token : spec.added_tokens) {
    PREFIXD_RETURN_IF_ERROR(CheckId(token.id, absl::StrCat("added token \"", token.text, "\"")));
    if (!IsValidUtf8(token.text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tokenizer's added token of id ", token.id, " is not UTF-8"));
    }
    size = std::max<int64_t>(size, token.id + 1);
  }
  const auto check = [size](int32_t id, const char* what) {
    if (id >= 0 && id < size) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer's ", what, " has the id ", id, ", which no token has"));
  };
  if (spec.unknown_id.has_value()) {
    PREFIXD_RETURN_IF_ERROR(check(*spec.unknown_id, "token for unknown bytes"));
  }
  for (int32_t id : spec.prefix_ids) PREFIXD_RETURN_IF_ERROR(check(id, "leading token"));
  return absl::OkStatus();
}

// The tokens whose `normalized` is as asked; the texts of those that are, normalised.
std::vector<AddedToken> Select(const TokenizerSpec& spec, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : spec.added_tokens) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    if (normalized && spec.normalize_nfc) tokens.back().text = NormalizeNfc(token.text);
  }
  return tokens;
}

class BpeTokenizer : public Tokenizer {
 public:
  BpeTokenizer(TokenizerSpec spec, BytePairEncoder encoder, std::vector<WordPattern> splits,
               std::optional<WordPattern> words)
      : normalize_nfc_(spec.normalize_nfc),
        add_prefix_space_(spec.pre_tokenizer.add_prefix_space),
        prefix_ids_(std::move(spec.prefix_ids)),
        encoder_(std::move(encoder)),
        splits_(std::move(splits)),
        words_(std::move(words)),
        finder_(Select(spec, /*normalized=*/false)),
        normalized_finder_(Select(spec, /*normalized=*/true)) {
    SetTokens(std::move(spec));
  }

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              SpecialTokens special) const override {
    if (text.size() > kMaxTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the text has ", text.size(), " bytes; at most ", kMaxTextBytes, " are read"));
    }
    if (!IsValidUtf8(text)) return absl::InvalidArgumentError("the text is not UTF-8");
    std::vector<int32_t> ids;
    BytePairEncoder::Scratch scratch;
    for (const TextPart& raw : finder_.Split(text, special)) {
      if (raw.token >= 0) {
        ids.push_back(raw.token);
        continue;
      }
      const std::string normal = normalize_nfc_ ? NormalizeNfc(raw.text) : std::string();
      const std::string_view piece = normalize_nfc_ ? std::string_view{normal} : raw.text;
      for (const TextPart& part : normalized_finder_.Split(piece, special)) {
        if (part.token >= 0) {
          ids.push_back(part.token);
        } else {
          PREFIXD_RETURN_IF_ERROR(EncodePlain(part.text, scratch, ids));
        }
      }
    }
    return ids;
  }

  std::span<const int32_t> prefix_ids() const override { return prefix_ids_; }

  std::string_view TokenBytes(int32_t id, bool keep_special) const override {
    if (id < 0 || id >= size()) return {};
    const Token& token = tokens_[static_cast<size_t>(id)];
    return token.special && !keep_special ? std::string_view() : token.bytes;
  }

  int size() const override { return static_cast<int>(tokens_.size()); }

 private:
  struct Token {
    std::string bytes;
    bool special = false;
  };

  void SetTokens(TokenizerSpec spec) {
    tokens_.resize(spec.vocabulary.size());
    for (size_t id = 0; id < tokens_.size(); ++id) {
      std::optional<std::string> bytes = AlphabetToBytes(spec.vocabulary[id]);
      tokens_[id].bytes = bytes.has_value() ? *std::move(bytes) : std::move(spec.vocabulary[id]);
    }
    for (AddedToken& token : spec.added_tokens) {
      const auto id = static_cast<size_t>(token.id);
      if (id >= tokens_.size()) tokens_.resize(id + 1);
      tokens_[id] = {.bytes = std::move(token.text), .special = token.special};
    }
  }

  // `text` has no added token in it.
  absl::Status EncodePlain(std::string_view text, BytePairEncoder::Scratch& scratch,
                           std::vector<int32_t>& ids) const {
    std::vector<std::string_view> pieces = {text};
    for (const WordPattern& pattern : splits_) PREFIXD_RETURN_IF_ERROR(Cut(pattern, pieces));
    std::deque<std::string> owned;
    if (add_prefix_space_) {
      for (std::string_view& piece : pieces) {
        if (!piece.starts_with(' ')) piece = owned.emplace_back(" ").append(piece);
      }
    }
    if (words_.has_value()) PREFIXD_RETURN_IF_ERROR(Cut(*words_, pieces));
    for (std::string_view piece : pieces) encoder_.Encode(piece, scratch, ids);
    return absl::OkStatus();
  }

  static absl::Status Cut(const WordPattern& pattern, std::vector<std::string_view>& pieces) {
    std::vector<std::string_view> cut;
    cut.reserve(pieces.size());
    for (std::string_view piece : pieces) PREFIXD_RETURN_IF_ERROR(pattern.Cut(piece, cut));
    pieces = std::move(cut);
    return absl::OkStatus();
  }

  // All constant after construction.
  const bool normalize_nfc_;
  const bool add_prefix_space_;
  const std::vector<int32_t> prefix_ids_;
  const BytePairEncoder encoder_;
  const std::vector<WordPattern> splits_;
  const std::optional<WordPattern> words_;
  const AddedTokenFinder finder_;
  const AddedTokenFinder normalized_finder_;
  std::vector<Token> tokens_;  // by id
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Create(TokenizerSpec spec) {
  PREFIXD_RETURN_IF_ERROR(CheckIds(spec));
  PREFIXD_ASSIGN_OR_RETURN(BytePairEncoder encoder, BytePairEncoder::Create(spec));
  std::vector<WordPattern> splits;
  std::optional<WordPattern> words;
  for (const std::string& pattern : spec.pre_tokenizer.splits) {
    PREFIXD_ASSIGN_OR_RETURN(WordPattern split, WordPattern::Create(pattern));
    splits.push_back(std::move(split));
  }
  if (!spec.pre_tokenizer.pattern.empty()) {
    PREFIXD_ASSIGN_OR_RETURN(words, WordPattern::Create(spec.pre_tokenizer.pattern));
  }
  return std::make_unique<BpeTokenizer>(std::move(spec), std::move(encoder), std::move(splits),
                                        std::move(words));
}

}  // namespace prefixd
