// Byte-level BPE, the tokenizer of GPT-2, Llama 3, SmolLM2 and Qwen2.
//
// Text is cut at its special tokens, normalised (NFC where the model asks for it), cut into words
// by the model's patterns, and each word's bytes are merged pair by pair in the order of the
// merges' ranks. The ids are those of Hugging Face's tokenizers library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace prefixd {

// GPT-2's pattern for words.
extern const char kGpt2Pattern[];

// How a text is cut into words before merging. A pattern's matches become pieces of their own, and
// so does what lies between two matches. Patterns are written as in tokenizer.json; word_pattern.h
// says which part of that syntax is understood.
struct PreTokenizer {
  // Applied in turn, before `pattern`. "\\p{N}" cuts off every digit.
  std::vector<std::string> splits;
  // Then each piece that begins with no space gets one.
  bool add_prefix_space = false;
  // Then this cuts the pieces into words. Empty: the pieces are the words.
  std::string pattern = kGpt2Pattern;
};

struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool special = false;      // a control token: left out of detokenised text
  bool lstrip = false;       // swallows white space at its left
  bool rstrip = false;       // … at its right
  bool single_word = false;  // matches only where no letter, mark, digit or '_' is next to it
  bool normalized = false;   // looked for after normalising, in its normalised form
};

// All that a tokenizer is made of; GGUF's metadata and tokenizer.json are read into this.
struct TokenizerSpec {
  std::vector<std::string> vocabulary;  // by id, in GPT-2's byte alphabet; empty: no such token
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  std::vector<AddedToken> added_tokens;                     // found in the text before all else
  PreTokenizer pre_tokenizer;
  bool normalize_nfc = false;
  bool ignore_merges = false;  // a word that is in the vocabulary is not merged (Llama 3)
  // What a byte that is not in the vocabulary becomes; without one it is dropped.
  std::optional<int32_t> unknown_id;
  bool fuse_unknown = false;        // neighbours become one unknown token
  std::vector<int32_t> prefix_ids;  // put before every text (Llama 3's BOS), by add_special_tokens
};

enum class SpecialTokens {
  kParse,   // "<|im_end|>" in a text becomes the token
  kAsText,  // … becomes the ids of its characters
};

// Thread-safe once made.
class Tokenizer {
 public:
  // INVALID_ARGUMENT when a merge names no token, an id is out of range or a pattern is no pattern;
  // UNIMPLEMENTED when a pattern uses what word_pattern.h does not know.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Create(TokenizerSpec spec);

  virtual ~Tokenizer() = default;

  // The ids of `text`, without the tokens that the model wants before every text.
  // INVALID_ARGUMENT when `text` is not UTF-8 or has more than 256 MiB. RESOURCE_EXHAUSTED when
  // the model's patterns take too many steps on it.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                      SpecialTokens special) const = 0;

  // The tokens that the model was trained to see before every text (often none).
  virtual std::span<const int32_t> prefix_ids() const = 0;

  // The bytes of one token. They need not be whole characters. A special token's bytes are empty
  // unless `keep_special`. Empty for an id that no token has.
  virtual std::string_view TokenBytes(int32_t id, bool keep_special) const = 0;

  virtual int size() const = 0;
};

}  // namespace prefixd
