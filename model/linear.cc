#include "model/linear.h"

namespace prefixd {

std::unique_ptr<const Linear> MakeLinear(LinearSpec spec, Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return MakeDenseLinear(std::move(spec));
    case Precision::kFp16:
      return MakeFp16Linear(std::move(spec));
  }
  return nullptr;
}

std::vector<float> StackValues(std::span<const HostTensor> tensors) {
  std::vector<float> values;
  for (const HostTensor& tensor : tensors) {
    values.insert(values.end(), tensor.values.begin(), tensor.values.end());
  }
  return values;
}

}  // namespace prefixd
