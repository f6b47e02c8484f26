// Attention of one token over prefix segments and pages, where they lie.
//
// The order of sums is fixed and knows nothing of segments, pages, chunks or blocks: first the
// exact maximum of all scores, then weights and their sum in the order of the keys, one accumulator
// for each element of the output. So a row's result is the same alone and in a crowd, for a prompt
// run whole or in chunks, and for two stacked prefixes or one that holds both.
#pragma once

#include <span>

#include "model/kv_layout.h"

namespace prefixd {

// A page of a row's context and how many of its positions count.
struct ContextPage {
  const Half* data;  // KvLayout's page
  int positions;
};

struct AttentionInput {
  // The query heads that share one key-value head, rotated. [group, head_dim]
  const float* queries;
  int group;
  // The context, in the order of the keys; what lies beyond `keys` does not count.
  std::span<const ContextPage> pages;
  int keys;
  // The tile of this layer and key-value head in each page (KvLayout::TileOffset).
  size_t tile_offset;
};

// Floats of scratch that Attend needs for so many keys.
inline size_t AttentionScratch(int group, int keys) {
  return static_cast<size_t>(group) * (keys + kPageSize);
}

// output: [group, head_dim]. scratch: AttentionScratch(group, keys) floats.
void Attend(const KvLayout& layout, const AttentionInput& input, float* scratch, float* output);

}  // namespace prefixd
