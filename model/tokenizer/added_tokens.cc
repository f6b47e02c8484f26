#include "model/tokenizer/added_tokens.h"

#include <utility>

#include "model/tokenizer/unicode.h"

namespace prefixd {
namespace {

uint64_t Edge(int32_t node, char byte) {
  return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    size_t at = PreviousCharacter(text, begin);
    if (IsWordCharacter(NextCharacter(text, at))) return false;
  }
  return end == text.size() || !IsWordCharacter(NextCharacter(text, end));
}

// Moves `begin` back over white space, at most to `least`.
size_t SkipSpaceBack(std::string_view text, size_t begin, size_t least) {
  while (begin > least) {
    const size_t before = PreviousCharacter(text, begin);
    size_t at = before;
    if (!IsWhiteSpace(NextCharacter(text, at))) break;
    begin = before;
  }
  return begin;
}

size_t SkipSpace(std::string_view text, size_t end) {
  while (end < text.size()) {
    size_t at = end;
    if (!IsWhiteSpace(NextCharacter(text, at))) break;
    end = at;
  }
  return end;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  token_at_.push_back(nullptr);  // the root
  for (const AddedToken& token : tokens_) {
    if (token.text.empty()) continue;
    begins_token_[static_cast<unsigned char>(token.text[0])] = true;
    int32_t node = 0;
    for (const char byte : token.text) {
      const auto [edge, added] =
          next_.try_emplace(Edge(node, byte), static_cast<int32_t>(token_at_.size()));
      if (added) token_at_.push_back(nullptr);
      node = edge->second;
    }
    token_at_[static_cast<size_t>(node)] = &token;
  }
}

// The longest token that `text` begins with, or null.
const AddedToken* AddedTokenFinder::LongestAt(std::string_view text) const {
  const AddedToken* longest = nullptr;
  int32_t node = 0;
  for (const char byte : text) {
    const auto edge = next_.find(Edge(node, byte));
    if (edge == next_.end()) break;
    node = edge->second;
    if (token_at_[static_cast<size_t>(node)] != nullptr) {
      longest = token_at_[static_cast<size_t>(node)];
    }
  }
  return longest;
}

std::vector<TextPart> AddedTokenFinder::Split(std::string_view text, SpecialTokens special) const {
  std::vector<TextPart> parts;
  size_t done = 0;  // all before it is in `parts`
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = nullptr;
    if (begins_token_[static_cast<unsigned char>(text[at])]) token = LongestAt(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->text.size();
    at = end;
    if (token->special && special == SpecialTokens::kAsText) continue;
    if (token->single_word && !StandsAlone(text, begin, end)) continue;
    if (token->lstrip) begin = SkipSpaceBack(text, begin, done);
    if (token->rstrip) end = SkipSpace(text, end);
    if (done < begin) parts.push_back({.text = text.substr(done, begin - done)});
    parts.push_back({.text = text.substr(begin, end - begin), .token = token->id});
    done = end;
  }
  if (done < text.size()) parts.push_back({.text = text.substr(done)});
  return parts;
}

}  // namespace prefixd
