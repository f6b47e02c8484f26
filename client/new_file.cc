#include "client/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace prefixd {
namespace {

absl::Status ErrnoError(const std::string& action, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", path));
}

// Makes the rename itself durable.
absl::Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::absolute(path).parent_path();
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoError("open", directory);
  absl::Status status =
      fsync(descriptor) == 0 ? absl::OkStatus() : ErrnoError("write to the disk", directory);
  close(descriptor);
  return status;
}

}  // namespace

absl::StatusOr<NewFile> NewFile::Create(const std::string& path) {
  static std::atomic<int> count = 0;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a directory; name a file"));
  }
  std::string temporary = absl::StrCat(path, ".partial-", getpid(), "-", count++);
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return ErrnoError("create", temporary);
  return NewFile(path, std::move(temporary), descriptor);
}

NewFile::NewFile(std::string path, std::string temporary_path, int descriptor)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), descriptor_(descriptor) {}

NewFile::~NewFile() { Discard(); }

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_path_(std::move(other.temporary_path_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  if (this == &other) return *this;
  Discard();
  path_ = std::move(other.path_);
  temporary_path_ = std::move(other.temporary_path_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void NewFile::Discard() {
  if (descriptor_ < 0) return;
  close(std::exchange(descriptor_, -1));
  unlink(temporary_path_.c_str());
}

absl::Status NewFile::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError("write", temporary_path_);
    bytes.remove_prefix(count);
  }
  return absl::OkStatus();
}

absl::Status NewFile::Commit() {
  if (fsync(descriptor_) != 0) return ErrnoError("write to the disk", temporary_path_);
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    return ErrnoError("rename to", path_);
  }
  close(std::exchange(descriptor_, -1));
  return SyncDirectoryOf(path_);
}

}  // namespace prefixd
