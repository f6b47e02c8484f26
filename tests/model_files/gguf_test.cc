#include "model/files/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/model_files/gguf_builder.h"
#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Status Open(const std::string& bytes) {
  const TestFolder folder;
  WriteFile(folder.File("model.gguf"), bytes);
  const absl::Status status = GgufFile::Open(folder.File("model.gguf")).status();
  if (!status.ok()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.gguf"));
  }
  return status;
}

std::string Message(const std::string& bytes) {
  const absl::Status status = Open(bytes);
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

TEST(GgufTest, ReadsMetadata) {
  const auto opened = GgufFile::Open(GoldenPath("gguf/types.gguf"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const GgufFile& file = **opened;
  EXPECT_EQ(file.GetInteger("test.uint8").value(), 200);
  EXPECT_EQ(file.GetInteger("test.int8").value(), -100);
  EXPECT_EQ(file.GetInteger("test.uint16").value(), 60000);
  EXPECT_EQ(file.GetInteger("test.int16").value(), -30000);
  EXPECT_EQ(file.GetInteger("test.uint32").value(), 4000000000);
  EXPECT_EQ(file.GetInteger("test.int32").value(), -2000000000);
  EXPECT_EQ(file.GetInteger("test.int64").value(), -(int64_t{1} << 62));
  EXPECT_TRUE(absl::IsInvalidArgument(file.GetInteger("test.uint64").status()));
  EXPECT_EQ(file.GetFloat("test.float32").value(), 0.25);
  EXPECT_EQ(file.GetFloat("test.float64").value(), -1.5e200);
  EXPECT_EQ(file.GetFloat("test.int8").value(), -100);
  EXPECT_TRUE(file.GetBool("test.bool").value());
  EXPECT_EQ(file.GetString("test.string").value(), "grüße");
  EXPECT_THAT(file.GetStringArray("test.strings").value(), ElementsAre("", "a", "bc"));
  EXPECT_THAT(file.GetIntegerArray("test.integers").value(), ElementsAre(3, -1, 2));
  EXPECT_TRUE(file.Has("test.bool"));
  EXPECT_FALSE(file.Has("test.none"));
  EXPECT_TRUE(absl::IsNotFound(file.GetString("test.none").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(file.GetString("test.bool").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(file.GetFloat("test.string").status()));
}

TEST(GgufTest, RefusesOtherFiles) {
  EXPECT_TRUE(absl::IsNotFound(GgufFile::Open(GoldenPath("gguf/none.gguf")).status()));
  EXPECT_THAT(Message("not a model"), HasSubstr("not a GGUF file"));
  GgufBuilder old;
  old.version = 2;
  EXPECT_TRUE(absl::IsUnimplemented(Open(old.Build(""))));
  EXPECT_THAT(Message(old.Build("")), HasSubstr("version 2"));
}

TEST(GgufTest, RefusesAbsurdCounts) {
  const std::string start = "GGUF" + Raw<uint32_t>(3);
  const auto huge = Raw<uint64_t>(UINT64_MAX);
  const auto one = Raw<uint64_t>(1);
  const auto none = Raw<uint64_t>(0);
  const std::string zeros(200, '\0');
  EXPECT_THAT(Message(start + huge + none + zeros), HasSubstr("truncated or malformed"));
  EXPECT_THAT(Message(start + none + huge + zeros), HasSubstr("truncated or malformed"));
  EXPECT_THAT(Message(start + none + one + huge + zeros), HasSubstr("truncated or malformed"));
  for (const uint32_t element : {kGgufUint32, kGgufString}) {
    GgufBuilder builder;
    builder.Entry("long", kGgufArray, Raw(element) + huge);
    EXPECT_THAT(Message(builder.Build(zeros)), HasSubstr("truncated or malformed"));
  }
}

TEST(GgufTest, RefusesMalformedMetadata) {
  EXPECT_THAT(Message(GgufBuilder().Uint32("a", 1).Uint32("a", 2).Build("")), HasSubstr("twice"));
  EXPECT_THAT(Message(GgufBuilder().Entry("a", 99, "").Build("")), HasSubstr("\"a\""));
  const std::string nested = Raw(kGgufArray) + Raw<uint64_t>(0);
  EXPECT_THAT(Message(GgufBuilder().Entry("a", kGgufArray, nested).Build("")), HasSubstr("\"a\""));
  for (const uint32_t alignment : {0U, 24U, 1U << 31}) {
    EXPECT_THAT(Message(GgufBuilder().Uint32("general.alignment", alignment).Build("")),
                HasSubstr("general.alignment"));
  }
}

TEST(GgufTest, ReadsAtAnotherAlignment) {
  GgufBuilder builder;
  builder.alignment = 128;
  builder.Uint32("general.alignment", 128).Tensor("a", {2}, kGgmlF32, 128);
  const TestFolder folder;
  WriteFile(folder.File("model.gguf"), builder.Build(std::string(128, 'x') + "12345678"));
  const auto file = GgufFile::Open(folder.File("model.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().at("a").bytes, "12345678");
}

TEST(GgufTest, RefusesMalformedTensors) {
  const std::string data(256, '\0');
  const auto message = [&](const std::vector<int64_t>& dimensions, uint32_t type, uint64_t offset) {
    return Message(GgufBuilder().Tensor("t", dimensions, type, offset).Build(data));
  };
  EXPECT_THAT(message({2, 2}, kGgmlF32, 16), HasSubstr("\"t\" is not aligned"));
  EXPECT_THAT(message({65}, kGgmlF32, 0), HasSubstr("\"t\" lies outside the file"));
  EXPECT_THAT(message({1}, kGgmlF32, 256), HasSubstr("outside the file"));
  EXPECT_THAT(message({1}, kGgmlF32, UINT64_MAX - 31), HasSubstr("outside the file"));
  EXPECT_THAT(message({int64_t{1} << 62, 16}, kGgmlF32, 0), HasSubstr("shape"));
  EXPECT_THAT(message({0}, kGgmlF32, 0), HasSubstr("not positive"));
  EXPECT_THAT(message({-1}, kGgmlF32, 0), HasSubstr("not positive"));
  EXPECT_THAT(message({1, 1, 1, 1, 1}, kGgmlF32, 0), HasSubstr("5 dimensions"));
  EXPECT_THAT(message({33}, /*Q8_0*/ 8, 0), HasSubstr("shape"));
  EXPECT_THAT(Message(GgufBuilder().Tensor("a", {9}, 0, 0).Tensor("b", {1}, 0, 32).Build(data)),
              HasSubstr("\"b\" overlaps"));
  EXPECT_THAT(Message(GgufBuilder().Tensor("a", {1}, 0, 0).Tensor("a", {1}, 0, 32).Build(data)),
              HasSubstr("\"a\" is there twice"));
}

TEST(GgufTest, NamesTensorTypesThatItCannotRead) {
  const std::string data(512, '\0');
  const std::string k_quant = GgufBuilder().Tensor("blk.0.attn_q.weight", {256}, 12, 0).Build(data);
  EXPECT_TRUE(absl::IsUnimplemented(Open(k_quant)));
  EXPECT_THAT(Message(k_quant), HasSubstr("\"blk.0.attn_q.weight\" has the type Q4_K"));
  EXPECT_THAT(Message(k_quant), HasSubstr("F32, F16, BF16, Q4_0, Q4_1 and Q8_0"));
  EXPECT_THAT(Message(GgufBuilder().Tensor("t", {1}, 12345, 0).Build(data)),
              HasSubstr("the type number 12345"));
}

// Changes a file in place: opening it anew for each change would take most of the test's time.
void WriteByte(std::fstream* file, size_t place, char byte) {
  file->seekp(static_cast<std::streamoff>(place));
  file->put(byte).flush();
  ASSERT_TRUE(*file);
}

TEST(GgufTest, RefusesEveryTruncation) {
  const TestFolder folder;
  const std::string path = folder.File("model.gguf");
  const std::string bytes = ReadFile(GoldenPath("gguf/types.gguf"));
  const auto whole = GgufFile::Open(GoldenPath("gguf/types.gguf"));
  ASSERT_TRUE(whole.ok());
  size_t end = 0;  // the file may end in padding
  for (const auto& [name, tensor] : (*whole)->tensors()) {
    end = std::max(end, bytes.find(tensor.bytes) + tensor.bytes.size());
  }
  WriteFile(path, bytes);
  for (size_t length = end; length-- > 0;) {
    std::filesystem::resize_file(path, length);
    ASSERT_FALSE(GgufFile::Open(path).ok()) << length;
  }
}

TEST(GgufTest, SurvivesChangedBytes) {
  const TestFolder folder;
  const std::string path = folder.File("model.gguf");
  const std::string bytes = ReadFile(GoldenPath("gguf/types.gguf"));
  WriteFile(path, bytes);
  std::fstream changed(path, std::ios::binary | std::ios::in | std::ios::out);
  std::minstd_rand random(1);
  for (size_t place = 0; place < 1000; ++place) {
    for (int change = 0; change < 4; ++change) {
      WriteByte(&changed, place, static_cast<char>(change == 0 ? 0xFF : random()));
      const auto file = GgufFile::Open(path);
      if (!file.ok()) continue;
      for (const auto& [name, tensor] : (*file)->tensors()) {
        const BlockLayout layout = LayoutOf(tensor.type);
        std::vector<float> values(tensor.bytes.size() / layout.bytes * layout.values);
        EXPECT_TRUE(Dequantize(tensor.type, tensor.bytes, values).ok());
      }
    }
    WriteByte(&changed, place, bytes[place]);
  }
}

}  // namespace
}  // namespace prefixd
