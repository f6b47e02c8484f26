#include "model/kernels.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels.cc"
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

using F32 = hn::ScalableTag<float>;
using F16 = hn::Rebind<hwy::float16_t, F32>;
using Vector = hn::Vec<F32>;
using Lanes = hn::Mask<F32>;

// Calls body(first index, mask) for each vector of [0, n); the mask is full but for the tail.
template <class Body>
HWY_INLINE void ForEachVector(int n, const Body& body) {
  const F32 d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  int i = 0;
  const Lanes full = hn::FirstN(d, lanes);
  for (; i + lanes <= n; i += lanes) body(i, full);
  if (i < n) body(i, hn::FirstN(d, n - i));
}

HWY_INLINE Vector Load(Lanes mask, const float* from) { return hn::MaskedLoad(mask, F32(), from); }

HWY_INLINE void Store(Vector value, Lanes mask, float* to) {
  hn::BlendedStore(value, mask, F32(), to);
}

HWY_INLINE float Sum(Vector value) { return hn::GetLane(hn::SumOfLanes(F32(), value)); }

void RmsNorm(const float* x, const float* weight, float epsilon, int n, float* out) {
  const F32 d;
  Vector squares = hn::Zero(d);
  ForEachVector(n, [&](int i, Lanes mask) {
    const Vector v = Load(mask, x + i);
    squares = hn::MulAdd(v, v, squares);
  });
  const Vector scale = hn::Set(d, 1.0F / std::sqrt(Sum(squares) / static_cast<float>(n) + epsilon));
  ForEachVector(n, [&](int i, Lanes mask) {
    Store(hn::Mul(hn::Mul(Load(mask, x + i), scale), Load(mask, weight + i)), mask, out + i);
  });
}

void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon, int n,
               float* out) {
  const F32 d;
  Vector sum = hn::Zero(d);
  ForEachVector(n, [&](int i, Lanes mask) { sum = hn::Add(sum, Load(mask, x + i)); });
  const Vector mean = hn::Set(d, Sum(sum) / static_cast<float>(n));
  Vector squares = hn::Zero(d);
  ForEachVector(n, [&](int i, Lanes mask) {
    const Vector v = hn::IfThenElseZero(mask, hn::Sub(Load(mask, x + i), mean));
    squares = hn::MulAdd(v, v, squares);
  });
  const Vector scale = hn::Set(d, 1.0F / std::sqrt(Sum(squares) / static_cast<float>(n) + epsilon));
  ForEachVector(n, [&](int i, Lanes mask) {
    const Vector v = hn::Mul(hn::Sub(Load(mask, x + i), mean), scale);
    Store(hn::MulAdd(v, Load(mask, weight + i), Load(mask, bias + i)), mask, out + i);
  });
}

void SiluGate(const float* gate_up, int n, float* out) {
  const F32 d;
  const Vector one = hn::Set(d, 1.0F);
  ForEachVector(n, [&](int i, Lanes mask) {
    const Vector gate = Load(mask, gate_up + i);
    const Vector silu = hn::Div(gate, hn::Add(one, hn::Exp(d, hn::Neg(gate))));
    Store(hn::Mul(silu, Load(mask, gate_up + n + i)), mask, out + i);
  });
}

void Gelu(const float* x, int n, float* out) {
  const F32 d;
  const Vector half = hn::Set(d, 0.5F);
  const Vector one = hn::Set(d, 1.0F);
  const Vector cubic = hn::Set(d, 0.044715F);
  const Vector root = hn::Set(d, 0.7978845608028654F);  // sqrt(2 / pi)
  ForEachVector(n, [&](int i, Lanes mask) {
    const Vector v = Load(mask, x + i);
    const Vector inner = hn::Mul(root, hn::MulAdd(hn::Mul(cubic, v), hn::Mul(v, v), v));
    Store(hn::Mul(hn::Mul(half, v), hn::Add(one, hn::Tanh(d, inner))), mask, out + i);
  });
}

void Rotate(float* x, int heads, int head_dim, const float* cosines, const float* sines) {
  const int half = head_dim / 2;
  for (int h = 0; h < heads; ++h) {
    float* const first = x + static_cast<size_t>(h) * head_dim;
    float* const second = first + half;
    ForEachVector(half, [&](int i, Lanes mask) {
      const Vector a = Load(mask, first + i);
      const Vector b = Load(mask, second + i);
      const Vector c = Load(mask, cosines + i);
      const Vector s = Load(mask, sines + i);
      Store(hn::NegMulAdd(b, s, hn::Mul(a, c)), mask, first + i);
      Store(hn::MulAdd(a, s, hn::Mul(b, c)), mask, second + i);
    });
  }
}

void HalfToFloat(const Half* x, int n, float* out) {
  const F32 d;
  const F16 d16;
  const int lanes = static_cast<int>(hn::Lanes(d));
  int i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(x + i))), d,
               out + i);
  }
  for (; i < n; ++i) out[i] = prefixd::HalfToFloat(x[i]);
}

void FloatToHalf(const float* x, int n, Half* out) {
  const F32 d;
  const F16 d16;
  const Vector largest = hn::Set(d, kHalfMax);
  const int lanes = static_cast<int>(hn::Lanes(d));
  int i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vector v = hn::Clamp(hn::LoadU(d, x + i), hn::Neg(largest), largest);
    hn::StoreU(hn::DemoteTo(d16, v), d16, reinterpret_cast<hwy::float16_t*>(out + i));
  }
  for (; i < n; ++i) {
    out[i] = prefixd::FloatToHalf(std::fmin(std::fmax(x[i], -kHalfMax), kHalfMax));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prefixd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace prefixd {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(LayerNorm);
HWY_EXPORT(SiluGate);
HWY_EXPORT(Gelu);
HWY_EXPORT(Rotate);
HWY_EXPORT(HalfToFloat);
HWY_EXPORT(FloatToHalf);

void RmsNormRow(const float* x, const float* weight, float epsilon, int n, float* out) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, weight, epsilon, n, out);
}

void LayerNormRow(const float* x, const float* weight, const float* bias, float epsilon, int n,
                  float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, weight, bias, epsilon, n, out);
}

void SiluGateRow(const float* gate_up, int n, float* out) {
  HWY_DYNAMIC_DISPATCH(SiluGate)(gate_up, n, out);
}

void GeluRow(const float* x, int n, float* out) { HWY_DYNAMIC_DISPATCH(Gelu)(x, n, out); }

void RotateRow(float* x, int heads, int head_dim, const float* cosines, const float* sines) {
  HWY_DYNAMIC_DISPATCH(Rotate)(x, heads, head_dim, cosines, sines);
}

void HalfToFloatRow(const Half* x, int n, float* out) {
  HWY_DYNAMIC_DISPATCH(HalfToFloat)(x, n, out);
}

void FloatToHalfRow(const float* x, int n, Half* out) {
  HWY_DYNAMIC_DISPATCH(FloatToHalf)(x, n, out);
}

}  // namespace prefixd
#endif  // HWY_ONCE
