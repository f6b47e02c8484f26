// Finds a tokenizer's added tokens ("<|im_end|>") in a text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/tokenizer.h"

namespace prefixd {

// A part of a text: an added token, or text between two.
struct TextPart {
  std::string_view text;
  int32_t token = -1;  // -1: text
};

// Thread-safe once made. A trie over the bytes of the tokens' texts.
class AddedTokenFinder {
 public:
  // Tokens without a text are left out.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);
  AddedTokenFinder(const AddedTokenFinder&) = delete;
  AddedTokenFinder& operator=(const AddedTokenFinder&) = delete;

  // Cuts `text`, which must be UTF-8, at its tokens: the leftmost first, and of those that begin at
  // one place the longest. With kAsText a special token is text, and what lies within it is not
  // looked at. The white space that a token swallows belongs to no part of text. The parts point
  // into `text`.
  std::vector<TextPart> Split(std::string_view text, SpecialTokens special) const;

 private:
  const AddedToken* LongestAt(std::string_view text) const;

  const std::vector<AddedToken> tokens_;
  std::array<bool, 256> begins_token_{};         // by a text's first byte
  absl::flat_hash_map<uint64_t, int32_t> next_;  // the trie's nodes, by node << 8 | byte
  std::vector<const AddedToken*> token_at_;      // by node: the token that ends there, or null
};

}  // namespace prefixd
