// The product in f32 by LibTorch: the oracle.

#include <ATen/ATen.h>

#include "model/linear.h"

namespace prefixd {
namespace {

class DenseLinear final : public Linear {
 public:
  explicit DenseLinear(const LinearSpec& spec)
      : weight_(ToTensor(StackValues(spec.weights)).view({-1, spec.weights.front().shape.back()})),
        bias_(ToTensor(StackValues(spec.biases))) {}

  // LibTorch has threads of its own: the first part does it all.
  void Multiply(const float* x, int rows, float* y, Into into, Part part) const override {
    if (part.index != 0) return;
    const at::Tensor input = at::from_blob(const_cast<float*>(x), {rows, weight_.size(1)});
    at::Tensor output = at::from_blob(y, {rows, weight_.size(0)});
    at::Tensor product = at::matmul(input, weight_.t());
    if (bias_.numel() > 0) product.add_(bias_);
    if (into == Into::kAdd) {
      output.add_(product);
    } else {
      output.copy_(product);
    }
  }

  int in_features() const override { return static_cast<int>(weight_.size(1)); }
  int out_features() const override { return static_cast<int>(weight_.size(0)); }
  int64_t bytes() const override { return int64_t{4} * (weight_.numel() + bias_.numel()); }

 private:
  static at::Tensor ToTensor(std::vector<float> values) {
    return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}).clone();
  }

  const at::Tensor weight_;  // [out, in]
  const at::Tensor bias_;    // [out] or empty
};

}  // namespace

std::unique_ptr<const Linear> MakeDenseLinear(LinearSpec spec) {
  return std::make_unique<DenseLinear>(spec);
}

}  // namespace prefixd
