// The one seam for products over frozen weights: y = x Wᵀ + b.
//
// Both implementations of the layers' operations and the trainer go through it, so that a weight is
// kept once and a product is written once for each precision.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "model/tensor_source.h"

namespace prefixd {

// Immutable and thread-safe.
class Linear {
 public:
  virtual ~Linear() = default;

  enum class Into { kOverwrite, kAdd };

  // One of several workers that compute a product together, each some columns of y.
  struct Part {
    int index = 0;
    int count = 1;
  };

  // x: [rows, in], y: [rows, out], f32, row-major. Computes this part's columns of y, or adds to
  // them. In packed precisions each row's bits depend on that row alone.
  virtual void Multiply(const float* x, int rows, float* y, Into into, Part part) const = 0;

  virtual int in_features() const = 0;
  virtual int out_features() const = 0;
  virtual int64_t bytes() const = 0;  // of memory
};

// What a Linear is made of: matrices [out, in] that are stacked (Q, K and V; gate and up), and a
// bias for each or for none.
struct LinearSpec {
  std::vector<HostTensor> weights;
  std::vector<HostTensor> biases;
};

std::unique_ptr<const Linear> MakeLinear(LinearSpec spec, Precision precision);

// One for each precision, in a file of its own.
std::unique_ptr<const Linear> MakeDenseLinear(LinearSpec spec);
std::unique_ptr<const Linear> MakeFp16Linear(LinearSpec spec);

// The rows of `tensors` one after another.
std::vector<float> StackValues(std::span<const HostTensor> tensors);

}  // namespace prefixd
