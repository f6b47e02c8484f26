#include "model/files/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/model_files/gguf_builder.h"
#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

std::string File(const std::string& header, const std::string& data) {
  return Raw<uint64_t>(header.size()) + header + data;
}

std::string Message(const std::string& header, const std::string& data) {
  const auto parsed = ParseSafetensors(File(header, data), "the file");
  EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << header;
  return std::string(parsed.status().message());
}

TEST(SafetensorsTest, WhatWasWrittenIsRead) {
  const std::vector<float> floats = {1.5F, -2.0F, 3.25F};
  const std::string halves = *ConvertFromFloat(TensorType::kF16, floats);
  const std::string full = *ConvertFromFloat(TensorType::kF32, floats);
  const TensorViews tensors = {
      {"a \"half\"", {.dtype = Dtype::kF16, .shape = {3}, .bytes = halves}},
      {"full", {.dtype = Dtype::kF32, .shape = {1, 3}, .bytes = full}},
      {"nothing", {.dtype = Dtype::kI64, .shape = {0, 7}, .bytes = ""}},
      {"scalar", {.dtype = Dtype::kU8, .shape = {}, .bytes = "x"}}};
  const TensorsMetadata metadata = {{"format", "1"}, {"text", "grüße\n"}};
  const auto file = SerializeSafetensors(tensors, metadata);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file, *SerializeSafetensors(tensors, metadata));

  const auto parsed = ParseSafetensors(*file, "the file");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->metadata, metadata);
  ASSERT_EQ(parsed->tensors.size(), tensors.size());
  for (const auto& [name, view] : parsed->tensors) {
    SCOPED_TRACE(name);
    const TensorView& written = tensors.find(name)->second;
    EXPECT_EQ(view.dtype, written.dtype);
    EXPECT_EQ(view.shape, written.shape);
    EXPECT_EQ(view.bytes, written.bytes);
    EXPECT_TRUE(name != "full" || (view.bytes.data() - file->data()) % 8 == 0);
  }
  EXPECT_EQ(*ReadFloats(parsed->tensors.find("full")->second), floats);
  EXPECT_EQ(*ReadFloats(parsed->tensors.find("a \"half\"")->second), floats);
  EXPECT_TRUE(absl::IsUnimplemented(ReadFloats(parsed->tensors.find("scalar")->second).status()));
}

TEST(SafetensorsTest, NoTensors) {
  const auto file = SerializeSafetensors({});
  ASSERT_TRUE(file.ok());
  const auto parsed = ParseSafetensors(*file, "the file");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->tensors.empty());
}

TEST(SafetensorsTest, WriterRefuses) {
  const TensorView view = {.dtype = Dtype::kF32, .shape = {2}, .bytes = "12345678"};
  EXPECT_TRUE(SerializeSafetensors({{"a", view}}).ok());
  EXPECT_FALSE(SerializeSafetensors({{"__metadata__", view}}).ok());
  EXPECT_FALSE(SerializeSafetensors({{"\xff", view}}).ok());
  EXPECT_FALSE(SerializeSafetensors({{"a", view}}, {{"a", "\xff"}}).ok());
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{3}, {-2}, {}, {int64_t{1} << 62, 2}, {-2, -1}}) {
    TensorView wrong = view;
    wrong.shape = shape;
    EXPECT_FALSE(SerializeSafetensors({{"a", wrong}}).ok());
  }
}

TEST(SafetensorsTest, ReadsTheReferencesFile) {
  const auto file = OpenSafetensors(GoldenPath("gguf/types.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->contents.metadata.at("made by"), "gguf");
  EXPECT_EQ(file->contents.tensors.at("Q4_1").shape, (std::vector<int64_t>{3, 96}));
  EXPECT_TRUE(absl::IsNotFound(OpenSafetensors(GoldenPath("gguf/none")).status()));
}

TEST(SafetensorsTest, RefusesMalformedHeaders) {
  const std::string four = "1234";
  EXPECT_THAT(Message("[1]", ""), HasSubstr("JSON object"));
  EXPECT_THAT(Message("{", ""), HasSubstr("JSON object"));
  EXPECT_THAT(Message(R"({"a":1})", ""), HasSubstr("\"a\" is not described"));
  EXPECT_THAT(Message(R"({"__metadata__":{"a":1}})", ""), HasSubstr("text to text"));
  const struct {
    const char* entry;
    const char* problem;
  } cases[] = {
      {R"("shape":[1],"data_offsets":[0,4])", "has no dtype"},
      {R"("dtype":"F31","shape":[1],"data_offsets":[0,4])", "unknown dtype \"F31\""},
      {R"("dtype":"F32","data_offsets":[0,4])", "no shape"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0])", "no data_offsets"},
      {R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", "no list of sizes"},
      {R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])", "no list of sizes"},
      {R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])", "no list of sizes"},
      {R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4])", "do not fit"},
      {R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", "do not fit"},
      {R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", "truncated"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", "outside the file"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])", "no offsets"},
      {R"("dtype":"F32","shape":[0],"data_offsets":[0,0])", "belong to no tensor"},
      {R"("dtype":"U8","shape":[3],"data_offsets":[1,4])", "follows a hole"},
  };
  for (const auto& [entry, problem] : cases) {
    EXPECT_THAT(Message(std::string(R"({"a":{)") + entry + "}}", four), HasSubstr(problem));
  }
  EXPECT_THAT(Message(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                      R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                      four),
              HasSubstr("\"b\" overlaps"));
}

TEST(SafetensorsTest, RefusesEveryTruncation) {
  const std::string bytes = ReadFile(GoldenPath("gguf/types.safetensors"));
  for (size_t length = 0; length < bytes.size(); ++length) {
    // A copy of its own, so that the address sanitizer sees a read past the end.
    const std::string cut(bytes, 0, length);
    ASSERT_FALSE(ParseSafetensors(cut, "cut").ok()) << length;
  }
}

TEST(SafetensorsTest, SurvivesChangedBytes) {
  const std::string bytes = ReadFile(GoldenPath("gguf/types.safetensors"));
  std::minstd_rand random(1);
  for (size_t place = 0; place < 700; ++place) {
    for (int change = 0; change < 8; ++change) {
      std::string changed = bytes;
      changed[place] = static_cast<char>(random());
      const auto parsed = ParseSafetensors(changed, "changed");
      if (!parsed.ok()) continue;
      for (const auto& [name, view] : parsed->tensors) (void)ReadFloats(view);
    }
  }
}

}  // namespace
}  // namespace prefixd
