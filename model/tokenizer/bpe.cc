#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "model/tokenizer/byte_alphabet.h"

namespace prefixd {
namespace {

using Ids = absl::flat_hash_map<std::string_view, int32_t>;

uint64_t Pair(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

// The ids of the vocabulary's strings. Where two are equal, the last counts.
Ids MakeIds(const std::vector<std::string>& vocabulary) {
  Ids ids;
  ids.reserve(vocabulary.size());
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary[id].empty()) ids[vocabulary[id]] = static_cast<int32_t>(id);
  }
  return ids;
}

absl::StatusOr<int32_t> FindToken(const Ids& ids, std::string_view token, size_t rank) {
  const auto found = ids.find(token);
  if (found != ids.end()) return found->second;
  return absl::InvalidArgumentError(absl::StrFormat(
      "the tokenizer's merge number %d needs the token \"%s\", which is not in its vocabulary",
      rank + 1, token));
}

// A control token is never reached by spelling it, not even when it is a whole word.
absl::flat_hash_map<std::string, int32_t> MakeWords(const TokenizerSpec& spec, const Ids& ids) {
  absl::flat_hash_set<int32_t> special;
  for (const AddedToken& token : spec.added_tokens) {
    if (token.special) special.insert(token.id);
  }
  absl::flat_hash_map<std::string, int32_t> words;
  words.reserve(ids.size());
  for (const auto& [token, id] : ids) {
    std::optional<std::string> bytes = AlphabetToBytes(token);
    if (bytes.has_value() && !special.contains(id)) words.emplace(*std::move(bytes), id);
  }
  return words;
}

}  // namespace

absl::StatusOr<BytePairEncoder> BytePairEncoder::Create(const TokenizerSpec& spec) {
  const Ids ids = MakeIds(spec.vocabulary);
  BytePairEncoder encoder;
  encoder.unknown_id_ = spec.unknown_id;
  encoder.fuse_unknown_ = spec.fuse_unknown;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = ids.find(ByteToAlphabet(static_cast<unsigned char>(byte)));
    encoder.byte_ids_[static_cast<size_t>(byte)] = found == ids.end() ? -1 : found->second;
  }
  encoder.merges_.reserve(spec.merges.size());
  encoder.ranks_.reserve(spec.merges.size());
  std::string both;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    both.assign(left).append(right);
    Merge merge;
    PREFIXD_ASSIGN_OR_RETURN(merge.left, FindToken(ids, left, rank));
    PREFIXD_ASSIGN_OR_RETURN(merge.right, FindToken(ids, right, rank));
    PREFIXD_ASSIGN_OR_RETURN(merge.merged, FindToken(ids, both, rank));
    encoder.merges_.push_back(merge);
    encoder.ranks_[Pair(merge.left, merge.right)] = static_cast<uint32_t>(rank);
  }
  if (spec.ignore_merges) encoder.words_ = MakeWords(spec, ids);
  return encoder;
}

void BytePairEncoder::Encode(std::string_view word, Scratch& scratch,
                             std::vector<int32_t>& ids) const {
  if (const auto found = words_.find(absl::string_view(word.data(), word.size()));
      found != words_.end()) {
    ids.push_back(found->second);
    return;
  }
  SetBytes(word, scratch);
  if (scratch.symbols.empty()) return;
  MergeAll(scratch);
  for (int32_t at = 0; at >= 0; at = scratch.symbols[static_cast<size_t>(at)].next) {
    ids.push_back(scratch.symbols[static_cast<size_t>(at)].id);
  }
}

void BytePairEncoder::SetBytes(std::string_view word, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  bool last_unknown = false;
  for (const char byte : word) {
    int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    const bool unknown = id < 0;
    if (unknown) {
      if (!unknown_id_.has_value() || (last_unknown && fuse_unknown_)) continue;
      id = *unknown_id_;
    }
    last_unknown = unknown;
    const auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({.id = id, .previous = at - 1, .next = at + 1});
  }
  if (!symbols.empty()) symbols.back().next = -1;
}

// The heap holds rank << 32 | position, so that the best rank comes first and of several pairs the
// leftmost. The position is that of the pair's left symbol. An entry is stale when the symbols at
// its position are no longer its pair.
void BytePairEncoder::MergeAll(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  heap.clear();
  for (size_t at = 0; at + 1 < symbols.size(); ++at) Offer(static_cast<int32_t>(at), scratch);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint64_t entry = heap.back();
    heap.pop_back();
    const Merge& merge = merges_[entry >> 32];
    const auto at = static_cast<int32_t>(static_cast<uint32_t>(entry));
    Scratch::Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.id != merge.left || left.next < 0) continue;
    Scratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != merge.right) continue;

    left.id = merge.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = at;
    if (left.previous >= 0) Offer(left.previous, scratch);
    if (left.next >= 0) Offer(at, scratch);
  }
}

// Puts the pair whose left symbol is at `at`, and which has a right one, on the heap.
void BytePairEncoder::Offer(int32_t at, Scratch& scratch) const {
  const Scratch::Symbol& left = scratch.symbols[static_cast<size_t>(at)];
  const Scratch::Symbol& right = scratch.symbols[static_cast<size_t>(left.next)];
  const auto found = ranks_.find(Pair(left.id, right.id));
  if (found == ranks_.end()) return;
  scratch.heap.push_back(static_cast<uint64_t>(found->second) << 32 | static_cast<uint32_t>(at));
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), std::greater<>());
}

}  // namespace prefixd
