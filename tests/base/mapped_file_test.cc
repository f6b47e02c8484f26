#include "base/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/str_cat.h"
#include "tests/base/temp_directory.h"

namespace prefixd {
namespace {

using ::testing::HasSubstr;

std::string WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(MappedFileTest, GivesTheBytesOfTheFile) {
  const TempDirectory directory;
  const std::string bytes = std::string(10'000, 'x') + std::string("\0\n\r\xFF", 4);
  const auto file = MappedFile::Open(WriteFile(directory.File("bytes"), bytes));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->bytes(), bytes);
}

TEST(MappedFileTest, OutlivesTheFilesName) {
  const TempDirectory directory;
  const auto file = MappedFile::Open(WriteFile(directory.File("bytes"), "abc"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::remove(directory.File("bytes"));
  EXPECT_EQ((*file)->bytes(), "abc");
}

TEST(MappedFileTest, NamesAFileThatCannotBeMapped) {
  const TempDirectory directory;
  const struct {
    std::string path;
    absl::StatusCode code;
  } cases[] = {
      {directory.File("missing"), absl::StatusCode::kNotFound},
      {WriteFile(directory.File("empty"), ""), absl::StatusCode::kInvalidArgument},
      {directory.path(), absl::StatusCode::kInvalidArgument},
  };
  for (const auto& [path, code] : cases) {
    const absl::Status status = MappedFile::Open(path).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(ToStd(status.message())), HasSubstr(path));
  }
}

}  // namespace
}  // namespace prefixd
