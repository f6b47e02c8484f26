// Reader of GGUF, version 3 (github.com/ggml-org/ggml, docs/gguf.md), over a mapped file.
//
//   file     := "GGUF" version:u32 tensors:u64 entries:u64 entry* tensor* padding data
//   entry    := key:string type:u32 value
//   string   := length:u64 bytes
//   array    := type:u32 length:u64 value*
//   tensor   := name:string dimensions:u32 dimension:u64* type:u32 offset:u64
//   padding  := zeros to a multiple of general.alignment (32 unless the file says otherwise)
// Offsets count from the start of data; a tensor's dimensions stand innermost first.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mapped_file.h"
#include "model/files/dequantize.h"

namespace prefixd {

struct GgufTensor {
  std::string_view name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;  // outermost first: a matrix is [out, in]
  std::string_view bytes;      // within the mapped file
};

// Integers of every width are int64_t (uint64_t only above its range), both float types double;
// an array of bools is one of integers.
using GgufValue =
    std::variant<bool, int64_t, uint64_t, double, std::string_view, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::string_view>>;

// Thread-safe: immutable once opened. All views and pointers that it gives live as long as it does.
class GgufFile {
 public:
  using Metadata = std::map<std::string_view, GgufValue, std::less<>>;
  using Tensors = std::map<std::string_view, GgufTensor, std::less<>>;

  // Reads and checks the whole header: when this succeeds, every tensor lies within the file, none
  // overlaps another and each has as many bytes as its shape asks for. The error names the file:
  // NOT_FOUND, INVALID_ARGUMENT for a truncated or malformed file, UNIMPLEMENTED for another
  // version or a tensor type that is not in dequantize.h (it names the tensor and the types known).
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(const std::string& path);

  const std::string& path() const { return path_; }

  bool Has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }

  // One metadata entry. NOT_FOUND when the key is missing, INVALID_ARGUMENT when its value has
  // another type; both name the file and the key.
  absl::StatusOr<std::string_view> GetString(std::string_view key) const;
  absl::StatusOr<int64_t> GetInteger(std::string_view key) const;
  absl::StatusOr<double> GetFloat(std::string_view key) const;  // integers count as floats
  absl::StatusOr<bool> GetBool(std::string_view key) const;
  absl::StatusOr<std::vector<std::string_view>> GetStringArray(std::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> GetIntegerArray(std::string_view key) const;

  // By name, in the order of the names.
  const Tensors& tensors() const { return tensors_; }

 private:
  GgufFile(std::string path, std::unique_ptr<MappedFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  absl::Status Parse();
  template <typename T>
  absl::StatusOr<T> Get(std::string_view key, std::string_view type) const;

  const std::string path_;
  const std::unique_ptr<MappedFile> file_;
  Metadata metadata_;
  Tensors tensors_;
};

}  // namespace prefixd
