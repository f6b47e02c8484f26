// A read-only memory-mapped file.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace prefixd {

// Thread-safe: the bytes never change as long as nobody writes the file.
class MappedFile {
 public:
  // Maps the whole file. NOT_FOUND when there is none; INVALID_ARGUMENT when it is empty or not a
  // regular file; the message names the path.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Valid as long as this object lives.
  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}

  const std::string_view bytes_;
};

}  // namespace prefixd
