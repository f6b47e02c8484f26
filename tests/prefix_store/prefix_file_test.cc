#include "prefix_store/prefix_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "tests/prefix_store/prefix_samples.h"

namespace prefixd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<int64_t> kShape = {2, 6, 2, 4};  // two positions of the sample target

TensorsMetadata SampleMetadata() {
  return {{"format", "prefixd.prefix.v1"},
          {"position_offset", "2"},
          {"model_fingerprint", SampleTarget().fingerprint}};
}

std::string SampleFile(const TensorsMetadata& metadata) {
  return OneTensorFile("prefix", TensorType::kF32, kShape, SamplePrefix(2, 1).tensor.values,
                       metadata);
}

// The message of the INVALID_ARGUMENT that the file gets.
std::string Refusal(const std::string& bytes) {
  const absl::Status status = ParsePrefixFile(bytes, SampleTarget()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(ToStd(status.message()));
}

TEST(PrefixFileTest, ReadsWhatItWrites) {
  PrefixFile file = SamplePrefix(5, 1);
  file.tensor.position_offset = 0;
  file.description = "Größe \"XL\"\n";
  file.origin = PrefixOrigin::kCaptured;
  const auto bytes = SerializePrefixFile(file);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto read = ParsePrefixFile(*bytes, SampleTarget());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tensor.shape, file.tensor.shape);
  EXPECT_EQ(read->tensor.positions, 5);
  EXPECT_EQ(read->tensor.position_offset, 0);
  EXPECT_EQ(read->tensor.values, file.tensor.values);
  EXPECT_EQ(read->model_fingerprint, file.model_fingerprint);
  EXPECT_EQ(read->description, file.description);
  EXPECT_EQ(read->origin, PrefixOrigin::kCaptured);
}

TEST(PrefixFileTest, WritesF16WhereThatLosesNothing) {
  PrefixFile file = SamplePrefix(4, 1);
  const std::string wide = SerializePrefixFile(file).value();
  const auto f16 = ConvertFromFloat(TensorType::kF16, file.tensor.values).value();
  ASSERT_TRUE(Dequantize(TensorType::kF16, f16, file.tensor.values).ok());
  file.tensor.values[0] = -0.0F;
  file.tensor.values[1] = 0x1p-24F;  // the smallest
  file.tensor.values[2] = 65504.0F;  // the largest
  const std::string narrow = SerializePrefixFile(file).value();
  EXPECT_EQ(wide.size() - narrow.size(), 2 * file.tensor.values.size());
  const std::vector<float> read = ParsePrefixFile(narrow, SampleTarget()).value().tensor.values;
  EXPECT_EQ(read, file.tensor.values);
  EXPECT_TRUE(std::signbit(read[0]));
}

TEST(PrefixFileTest, ReadsEveryFloatType) {
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
    std::vector<float> values = SamplePrefix(2, 7).tensor.values;
    const std::string file = OneTensorFile("prefix", type, kShape, values, SampleMetadata());
    const std::string rounded = ConvertFromFloat(type, values).value();
    ASSERT_TRUE(Dequantize(type, rounded, values).ok());
    const auto read = ParsePrefixFile(file, SampleTarget());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->tensor.values, values) << TensorTypeName(type);
    EXPECT_EQ(read->origin, PrefixOrigin::kUploaded);
  }
}

TEST(PrefixFileTest, WritesNothingThatItCouldNotRead) {
  PrefixFile short_of_values = SamplePrefix(2, 1);
  short_of_values.tensor.values.pop_back();
  EXPECT_EQ(SerializePrefixFile(short_of_values).status().code(),
            absl::StatusCode::kInvalidArgument);
  PrefixFile no_text = SamplePrefix(2, 1);
  no_text.description = "\xFF";
  EXPECT_EQ(SerializePrefixFile(no_text).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PrefixFileTest, ChecksTheMetadata) {
  const struct {
    const char* key;
    std::string value;
    const char* message;
  } cases[] = {
      {"format", "", "prefixd.prefix.v1"},
      {"format", "prefixd.prefix.v2", "prefixd.prefix.v1"},
      {"position_offset", "", "position_offset"},
      {"position_offset", "-1", "position_offset"},
      {"position_offset", "+1", "position_offset"},
      {"position_offset", "2 ", "position_offset"},
      {"position_offset", "0x2", "position_offset"},
      {"position_offset", "2147483648", "position_offset"},
      {"position_offset", "32", "offset 32; the model's positions end at 31"},
      {"model_fingerprint", "abc", "64 hexadecimal digits"},
      {"model_fingerprint", std::string(64, 'g'), "64 hexadecimal digits"},
      {"origin", "", "origin"},
      {"origin", "stolen", "origin"},
      {"description", std::string(1025, 'x'), "1024 bytes"},
  };
  for (const auto& [key, value, message] : cases) {
    TensorsMetadata metadata = SampleMetadata();
    metadata[key] = value;
    EXPECT_THAT(Refusal(SampleFile(metadata)), HasSubstr(message)) << key << " = " << value;
  }
  for (const char* required : {"format", "position_offset"}) {
    TensorsMetadata metadata = SampleMetadata();
    metadata.erase(required);
    EXPECT_THAT(Refusal(SampleFile(metadata)), HasSubstr(required));
  }
}

TEST(PrefixFileTest, ChecksTheFingerprint) {
  TensorsMetadata metadata = SampleMetadata();
  metadata["model_fingerprint"] = std::string(64, 'a');
  const absl::Status other = ParsePrefixFile(SampleFile(metadata), SampleTarget()).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition) << other;
  EXPECT_THAT(std::string(ToStd(other.message())),
              AllOf(HasSubstr(std::string(64, 'a')), HasSubstr(SampleTarget().fingerprint)));

  metadata["model_fingerprint"].back() = 'A';  // the case of the digits does not matter
  PrefixTarget target = SampleTarget();
  target.fingerprint = std::string(64, 'a');
  EXPECT_TRUE(ParsePrefixFile(SampleFile(metadata), target).ok());

  metadata.erase("model_fingerprint");
  const auto unnamed = ParsePrefixFile(SampleFile(metadata), SampleTarget());
  ASSERT_TRUE(unnamed.ok()) << unnamed.status();
  EXPECT_EQ(unnamed->model_fingerprint, "");
}

TEST(PrefixFileTest, ChecksTheShape) {
  const std::vector<std::vector<int64_t>> shapes = {
      {2, 4, 2, 4}, {2, 6, 3, 4}, {2, 6, 2, 5}, {2, 48}, {96}, {}, {2, 6, 8}, {2, 6, 2, 4, 1}};
  for (const std::vector<int64_t>& shape : shapes) {
    int64_t size = 1;
    for (const int64_t dimension : shape) size *= dimension;
    const std::string file = OneTensorFile("prefix", TensorType::kF32, shape,
                                           std::vector<float>(size), SampleMetadata());
    EXPECT_THAT(Refusal(file), HasSubstr("expected shape [positions, 6, 2, 4], found ["));
  }
}

TEST(PrefixFileTest, ChecksTheNumberOfPositions) {
  for (const int positions : {0, 1, 31, 32}) {
    const std::string file =
        OneTensorFile("prefix", TensorType::kF16, {positions, 6, 2, 4},
                      std::vector<float>(size_t{48} * positions), SampleMetadata());
    if (positions == 1 || positions == 31) {
      EXPECT_TRUE(ParsePrefixFile(file, SampleTarget()).ok()) << positions;
    } else {
      EXPECT_THAT(Refusal(file), HasSubstr("from 1 to 31"));
    }
  }
}

TEST(PrefixFileTest, WantsOneTensorOfItsName) {
  const std::string bytes(16, '\0');
  const TensorView view = {.dtype = Dtype::kF32, .shape = {4}, .bytes = bytes};
  for (const TensorViews& tensors : {TensorViews{}, TensorViews{{"prompt_embeddings", view}},
                                     TensorViews{{"prefix", view}, {"suffix", view}}}) {
    EXPECT_THAT(Refusal(SerializeSafetensors(tensors, SampleMetadata()).value()),
                HasSubstr("one tensor, \"prefix\""));
  }
  const TensorView integers = {.dtype = Dtype::kI32, .shape = {4}, .bytes = bytes};
  EXPECT_THAT(Refusal(SerializeSafetensors({{"prefix", integers}}, SampleMetadata()).value()),
              HasSubstr("I32"));
}

TEST(PrefixFileTest, NamesTheValueThatTheCacheCannotHold) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), infinity, -infinity, 65504.01F, -70000.0F}) {
    // Position 1, layer 2's value, its second head.
    std::vector<float> values = SamplePrefix(2, 1).tensor.values;
    values[((1 * 6 + 5) * 2 + 1) * 4] = bad;
    EXPECT_THAT(
        Refusal(OneTensorFile("prefix", TensorType::kF32, kShape, values, SampleMetadata())),
        HasSubstr("in a value of layer 2, position 1"));
  }
  std::vector<float> values = SamplePrefix(2, 1).tensor.values;
  values[(0 * 6 + 2) * 2 * 4] = std::nanf("");
  EXPECT_THAT(Refusal(OneTensorFile("prefix", TensorType::kBF16, kShape, values, SampleMetadata())),
              HasSubstr("in a key of layer 1, position 0"));
}

TEST(PrefixFileTest, RefusesATruncatedFileOfAnyLength) {
  const std::string file = SampleFile(SampleMetadata());
  ASSERT_TRUE(ParsePrefixFile(file, SampleTarget()).ok());
  for (size_t size = 0; size < file.size(); ++size) Refusal(file.substr(0, size));
  Refusal(file + '\0');
}

// Anything may come of it but a crash (which the sanitizers would see).
TEST(PrefixFileTest, SurvivesDamagedFiles) {
  const std::string file = SampleFile(SampleMetadata());
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = file;
    for (int flips = 1 + random() % 4; flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto read = ParsePrefixFile(damaged, SampleTarget());
    if (read.ok()) {
      EXPECT_EQ(read->tensor.values.size(), 96U);
    }
  }
}

}  // namespace
}  // namespace prefixd
