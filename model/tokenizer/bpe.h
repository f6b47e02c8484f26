// Merges the bytes of a word, pair by pair: byte-pair encoding (Sennrich et al. 2016, arXiv
// 1508.07909) over bytes, as in GPT-2.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/tokenizer.h"

namespace prefixd {

// Thread-safe once made.
class BytePairEncoder {
 public:
  // Memory that calls reuse; one for each thread.
  struct Scratch {
    struct Symbol {
      int32_t id = 0;
      int32_t previous = -1;
      int32_t next = -1;
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;
  };

  // Reads the vocabulary, the merges and what belongs to them. INVALID_ARGUMENT when a merge or its
  // result is not in the vocabulary.
  static absl::StatusOr<BytePairEncoder> Create(const TokenizerSpec& spec);

  // Appends the ids of `word`. While two neighbours can be merged, the pair of the best rank is,
  // and of several the leftmost. O(n log n).
  void Encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    int32_t left = 0;
    int32_t right = 0;
    int32_t merged = 0;
  };

  BytePairEncoder() = default;

  void SetBytes(std::string_view word, Scratch& scratch) const;
  void MergeAll(Scratch& scratch) const;
  void Offer(int32_t at, Scratch& scratch) const;

  std::array<int32_t, 256> byte_ids_{};              // -1: not in the vocabulary
  std::vector<Merge> merges_;                        // by rank
  absl::flat_hash_map<uint64_t, uint32_t> ranks_;    // by left << 32 | right
  absl::flat_hash_map<std::string, int32_t> words_;  // by bytes; only where merges are ignored
  std::optional<int32_t> unknown_id_;
  bool fuse_unknown_ = false;
};

}  // namespace prefixd
