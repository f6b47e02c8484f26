// Reader and writer of safetensors (github.com/huggingface/safetensors).
//
//   file   := length:u64 header data
//   header := a JSON object of `length` bytes, padded with spaces:
//             {"__metadata__": {name: text, …}, name: {"dtype": "F32", "shape": [2, 3],
//              "data_offsets": [begin, end]}, …}
// Offsets count from the start of data, which the tensors cover with no hole and no overlap.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mapped_file.h"
#include "model/files/dequantize.h"

namespace prefixd {

enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64,
};

std::string_view DtypeName(Dtype dtype);           // "F32"
std::optional<TensorType> FloatType(Dtype dtype);  // of F32, F16 and BF16 alone

// A tensor in somebody else's memory, row-major, little-endian.
struct TensorView {
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  std::string_view bytes;
};

using TensorViews = std::map<std::string, TensorView, std::less<>>;
using TensorsMetadata = std::map<std::string, std::string, std::less<>>;

// What a safetensors file holds. The views point into the bytes that it was parsed from.
struct Safetensors {
  TensorViews tensors;
  TensorsMetadata metadata;
};

// INVALID_ARGUMENT, naming `what` and the tensor, unless the header is well formed and every
// tensor's bytes lie in `bytes` and are as many as its shape and dtype ask for.
absl::StatusOr<Safetensors> ParseSafetensors(std::string_view bytes, std::string_view what);

// A parsed file and the mapping that its views point into.
struct SafetensorsFile {
  std::unique_ptr<MappedFile> file;
  Safetensors contents;
};
absl::StatusOr<SafetensorsFile> OpenSafetensors(const std::string& path);

// The tensor's values as f32. UNIMPLEMENTED unless it is F32, F16 or BF16.
absl::StatusOr<std::vector<float>> ReadFloats(const TensorView& tensor);

// The bytes of a file with these tensors, the same for the same arguments: wider dtypes first, so
// that each tensor is aligned, then by name. INVALID_ARGUMENT, naming the tensor, when its bytes do
// not fit its shape and dtype, when its name is "__metadata__" or a text is not UTF-8.
absl::StatusOr<std::string> SerializeSafetensors(const TensorViews& tensors,
                                                 const TensorsMetadata& metadata = {});

}  // namespace prefixd
