// IEEE 754 half precision as stored bits.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace prefixd {

using Half = uint16_t;

inline constexpr float kHalfMax = 65504.0F;

inline float HalfToFloat(Half value) { return _cvtsh_ss(value); }

// Rounds to nearest, ties to even; beyond kHalfMax: infinity.
inline Half FloatToHalf(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }

}  // namespace prefixd
