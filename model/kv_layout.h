// How keys and values lie in memory for the packed precisions.
//
// The unit is a page: kPageSize positions of all layers. A KV cache is an array of pages; a prefix
// segment is a run of read-only pages of its own, the last perhaps partly filled. So attention sees
// one kind of thing only.
//
//   page  = [layers][kv_heads] tile
//   tile  = keys [head_dim][kPageSize] f16, then values [kPageSize][value_stride] f16
//
// Keys lie transposed: one vector holds the same element of all keys of a page, so each score has
// an accumulator of its own and sums over head_dim in order, with no sum across lanes.
#pragma once

#include <cstddef>

#include "model/half.h"
#include "model/model.h"
#include "model/prefix_tensor.h"

namespace prefixd {

struct KvLayout {
  explicit KvLayout(const PrefixShape& prefix_shape)
      : shape(prefix_shape),
        value_stride((prefix_shape.head_dim + kPageSize - 1) / kPageSize * kPageSize) {}

  const PrefixShape shape;
  const int value_stride;  // head_dim rounded up to whole vectors

  size_t tile_halves() const { return size_t{kPageSize} * (shape.head_dim + value_stride); }
  size_t page_halves() const { return tile_halves() * shape.layers * shape.kv_heads; }

  // Where a tile begins in its page.
  size_t TileOffset(int layer, int kv_head) const {
    return tile_halves() * (size_t(layer) * shape.kv_heads + kv_head);
  }
  // Inside a tile: the first element of a position's key (the next is kPageSize further) …
  size_t KeyOffset(int slot) const { return slot; }
  // … and of its value (the next is adjacent).
  size_t ValueOffset(int slot) const {
    return size_t{kPageSize} * shape.head_dim + size_t(slot) * value_stride;
  }
};

}  // namespace prefixd
