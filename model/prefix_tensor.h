// A prefix as plain data: the keys and values of some positions at every layer.
#pragma once

#include <cstdint>
#include <vector>

namespace prefixd {

// What a model needs of a prefix.
struct PrefixShape {
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;

  bool operator==(const PrefixShape&) const = default;

  // Values for one position: keys and values of all layers.
  int64_t values_per_position() const { return int64_t{2} * layers * kv_heads * head_dim; }
};

struct PrefixTensor {
  PrefixShape shape;
  int positions = 0;

  // The request's first token sits at this position (of the rotation, or of GPT-2's table). PEFT
  // and the paper's code for GPT-2: `positions`; the paper's code for BART: 0.
  int position_offset = 0;

  // [positions, 2 * layers, kv_heads, head_dim]: layer l's keys at 2 l, its values at 2 l + 1. Keys
  // enter attention as they are (a captured prefix's were rotated when they were captured).
  std::vector<float> values;
};

}  // namespace prefixd
