// The product with fp16 weights and f32 sums by fbgemm, which packs the weights once and picks AVX2
// or AVX-512 code when it runs. It computes each row of x by itself.

#include <fbgemm/FbgemmFP16.h>

#include <algorithm>

#include "model/linear.h"

namespace prefixd {
namespace {

// Rows of fbgemm's blocks: even, so that the last is not mostly padding, and such that a block of x
// stays in the L1 cache.
int BlockRows(int in) {
  constexpr int kMost = 512;
  const int blocks = (in + kMost - 1) / kMost;
  return (in + blocks - 1) / blocks;
}

class Fp16Linear final : public Linear {
 public:
  explicit Fp16Linear(const LinearSpec& spec)
      : Fp16Linear(StackValues(spec.weights), StackValues(spec.biases),
                   static_cast<int>(spec.weights.front().shape.back())) {}

  void Multiply(const float* x, int rows, float* y, Into into, Part part) const override {
    float beta = into == Into::kAdd ? 1.0F : 0.0F;
    if (!bias_.empty()) {
      AddBias(rows, y, into, part);
      beta = 1.0F;
    }
    fbgemm::cblas_gemm_compute(fbgemm::matrix_op_t::NoTranspose, rows, x, weight_, beta, y,
                               part.index, part.count);
  }

  int in_features() const override { return weight_.numRows(); }
  int out_features() const override { return weight_.numCols(); }
  int64_t bytes() const override {
    return int64_t{2} * weight_.matSize() + int64_t{4} * static_cast<int64_t>(bias_.size());
  }

 private:
  Fp16Linear(const std::vector<float>& weight, std::vector<float> bias, int in)
      : weight_(fbgemm::matrix_op_t::Transpose, in, static_cast<int>(weight.size() / in), 1.0F,
                weight.data(), BlockRows(in)),
        bias_(std::move(bias)) {}

  // Starts the part's own columns from the bias. They are those that fbgemm gives to it: an even
  // share of the whole blocks of columns, and the rest to the last part.
  void AddBias(int rows, float* y, Into into, Part part) const {
    const int out = out_features();
    const int block = weight_.blockColSize();
    int64_t first_block = 0;
    int64_t last_block = 0;
    fbgemm::fbgemmPartition1D(part.index, part.count, out / block, first_block, last_block);
    const auto begin = static_cast<int>(first_block * block);
    const int end = part.index == part.count - 1 ? out : static_cast<int>(last_block * block);
    for (int row = 0; row < rows; ++row) {
      float* const to = y + static_cast<int64_t>(row) * out;
      for (int i = begin; i < end; ++i) to[i] = into == Into::kAdd ? to[i] + bias_[i] : bias_[i];
    }
  }

  const fbgemm::PackedGemmMatrixFP16 weight_;  // [in, out], in fbgemm's blocks
  const std::vector<float> bias_;              // [out] or empty
};

}  // namespace

std::unique_ptr<const Linear> MakeFp16Linear(LinearSpec spec) {
  return std::make_unique<Fp16Linear>(spec);
}

}  // namespace prefixd
