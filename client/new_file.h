// A file that appears whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace prefixd {

// Written beside its final place under another name; Commit renames it, replacing what was there.
// Destroyed without Commit, it leaves nothing. Not thread-safe.
class NewFile {
 public:
  // Fails when the directory of `path` is missing or may not be written.
  static absl::StatusOr<NewFile> Create(const std::string& path);

  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&& other) noexcept;

  absl::Status Append(std::string_view bytes);

  // Once it returns OK, the file is complete on the disk under its name.
  absl::Status Commit();

 private:
  NewFile(std::string path, std::string temporary_path, int descriptor);

  void Discard();

  std::string path_;
  std::string temporary_path_;
  int descriptor_ = -1;  // -1: committed or moved away
};

}  // namespace prefixd
