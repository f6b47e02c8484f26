// The digest of a model's tensors that TensorSource::Fingerprint documents.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/sha256.h"

namespace prefixd {

// Add the tensors in the order of their names. Not thread-safe.
class TensorFingerprint {
 public:
  void Add(std::string_view name, std::string_view type, std::span<const int64_t> shape,
           std::string_view bytes) {
    // The lengths keep two lists of tensors from reading as one and the same text.
    hash_.Update(absl::StrFormat("%d:%s %s [%s] %d:", name.size(), name, type,
                                 absl::StrJoin(shape, ","), bytes.size()));
    hash_.Update(bytes);
  }

  std::string HexDigest() { return hash_.HexDigest(); }

 private:
  Sha256 hash_;
};

}  // namespace prefixd
