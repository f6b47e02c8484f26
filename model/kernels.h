// Element-wise kernels of the packed forward pass, for one row each, with Highway: the best
// instructions of the processor are chosen when they run.
//
// A row's bits depend on the row alone: loops run over the row in a fixed order, and the tail takes
// the same operations as the rest under a mask. All pointers are f32 rows unless said otherwise; in
// and out may not overlap.
#pragma once

#include "model/half.h"

namespace prefixd {

// out = x / rms(x) * weight (Zhang and Sennrich 2019, arXiv 1910.07467). [n]
void RmsNormRow(const float* x, const float* weight, float epsilon, int n, float* out);

// out = (x - mean(x)) / std(x) * weight + bias (Ba et al. 2016, arXiv 1607.06450). [n]
void LayerNormRow(const float* x, const float* weight, const float* bias, float epsilon, int n,
                  float* out);

// out[i] = silu(gate_up[i]) * gate_up[n + i]. gate_up: [2 n], out: [n]
void SiluGateRow(const float* gate_up, int n, float* out);

// GELU in the tanh form of GPT-2 (Hendrycks and Gimpel 2016, arXiv 1606.08415). [n]
void GeluRow(const float* x, int n, float* out);

// Rotates `heads` heads of a row in place: element i of a head against element i + head_dim / 2.
// x: [heads, head_dim]; cosines, sines: [head_dim / 2]
void RotateRow(float* x, int heads, int head_dim, const float* cosines, const float* sines);

// [n]; to half rounds to nearest and holds what overflows at ±kHalfMax.
void HalfToFloatRow(const Half* x, int n, float* out);
void FloatToHalfRow(const float* x, int n, Half* out);

}  // namespace prefixd
