#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/attention.cc"
// Highway's own order.
// clang-format off
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace prefixd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most a page wide, so that whole vectors fit into a page's row of keys.
using F32 = hn::CappedTag<float, kPageSize>;
using F16 = hn::Rebind<hwy::float16_t, F32>;
using Vector = hn::Vec<F32>;

constexpr int kHeads = 4;  // query heads in one pass over the keys: what the registers hold

HWY_INLINE Vector LoadHalf(const Half* from) {
  return hn::PromoteTo(F32(), hn::LoadU(F16(), reinterpret_cast<const hwy::float16_t*>(from)));
}

// Calls body(tile, first key, keys) for each page that holds keys which count.
template <class Body>
HWY_INLINE void ForEachTile(const AttentionInput& input, const Body& body) {
  int first = 0;
  for (const ContextPage& page : input.pages) {
    const int keys = std::min(page.positions, input.keys - first);
    if (keys <= 0) return;
    body(page.data + input.tile_offset, first, keys);
    first += keys;
  }
}

// scores[h * stride + key] = q_h · k_key, for Heads heads. Whole pages are computed: what is
// written past a page's last key is overwritten by the next page or never read.
template <int Heads>
HWY_INLINE void Scores(int head_dim, const AttentionInput& input, const float* queries, int stride,
                       float* scores) {
  const F32 d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  ForEachTile(input, [&](const Half* tile, int first, int) {
    for (int block = 0; block < kPageSize; block += lanes) {
      Vector sums[Heads];
      for (int h = 0; h < Heads; ++h) sums[h] = hn::Zero(d);
      for (int i = 0; i < head_dim; ++i) {
        const Vector keys = LoadHalf(tile + i * kPageSize + block);
        for (int h = 0; h < Heads; ++h) {
          sums[h] = hn::MulAdd(hn::Set(d, queries[h * head_dim + i]), keys, sums[h]);
        }
      }
      for (int h = 0; h < Heads; ++h) hn::StoreU(sums[h], d, scores + h * stride + first + block);
    }
  });
}

// Turns scaled scores into exp(score - maximum).
HWY_INLINE void Exponentiate(float scale, int keys, float* scores) {
  const F32 d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  float maximum = -std::numeric_limits<float>::infinity();
  for (int key = 0; key < keys; ++key) maximum = std::max(maximum, scores[key]);
  const Vector shift = hn::Set(d, maximum);
  const Vector factor = hn::Set(d, scale);
  // The last vector may reach past the keys, into scratch that is never read.
  for (int key = 0; key < keys; key += lanes) {
    const Vector score = hn::Sub(hn::LoadU(d, scores + key), shift);
    hn::StoreU(hn::Exp(d, hn::Mul(score, factor)), d, scores + key);
  }
}

// output[h] = sum of weight · value over the keys, divided by the sum of weights.
template <int Heads>
HWY_INLINE void WeightedValues(const KvLayout& layout, const AttentionInput& input,
                               const float* weights, int stride, float* output) {
  const F32 d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const int head_dim = layout.shape.head_dim;
  for (int block = 0; block < head_dim; block += lanes) {
    Vector sums[Heads];
    Vector totals[Heads];
    for (int h = 0; h < Heads; ++h) sums[h] = totals[h] = hn::Zero(d);
    ForEachTile(input, [&](const Half* tile, int first, int keys) {
      const Half* const values = tile + layout.ValueOffset(0) + block;
      for (int key = 0; key < keys; ++key) {
        const Vector value = LoadHalf(values + key * layout.value_stride);
        for (int h = 0; h < Heads; ++h) {
          const Vector weight = hn::Set(d, weights[h * stride + first + key]);
          sums[h] = hn::MulAdd(weight, value, sums[h]);
          totals[h] = hn::Add(totals[h], weight);
        }
      }
    });
    const int count = std::min(lanes, head_dim - block);
    for (int h = 0; h < Heads; ++h) {
      hn::BlendedStore(hn::Div(sums[h], totals[h]), hn::FirstN(d, count), d,
                       output + h * head_dim + block);
    }
  }
}

template <int Heads>
HWY_INLINE void AttendHeads(const KvLayout& layout, const AttentionInput& input, int first_head,
                            float* scratch, float* output) {
  const int head_dim = layout.shape.head_dim;
  const int stride = input.keys + kPageSize;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  Scores<Heads>(head_dim, input, input.queries + first_head * head_dim, stride, scratch);
  for (int h = 0; h < Heads; ++h) Exponentiate(scale, input.keys, scratch + h * stride);
  WeightedValues<Heads>(layout, input, scratch, stride, output + first_head * head_dim);
}

void AttendGroup(const KvLayout& layout, const AttentionInput& input, float* scratch,
                 float* output) {
  int head = 0;
  for (; head + kHeads <= input.group; head += kHeads) {
    AttendHeads<kHeads>(layout, input, head, scratch, output);
  }
  switch (input.group - head) {
    case 3:
      return AttendHeads<3>(layout, input, head, scratch, output);
    case 2:
      return AttendHeads<2>(layout, input, head, scratch, output);
    case 1:
      return AttendHeads<1>(layout, input, head, scratch, output);
    default:
      return;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prefixd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace prefixd {

HWY_EXPORT(AttendGroup);

void Attend(const KvLayout& layout, const AttentionInput& input, float* scratch, float* output) {
  HWY_DYNAMIC_DISPATCH(AttendGroup)(layout, input, scratch, output);
}

}  // namespace prefixd
#endif  // HWY_ONCE
