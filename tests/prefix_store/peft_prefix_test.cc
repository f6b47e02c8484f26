#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <limits>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/str_cat.h"
#include "prefix_store/prefix_file.h"
#include "tests/prefix_store/prefix_samples.h"

namespace prefixd {
namespace {

using ::testing::HasSubstr;

constexpr int kPositions = 3;

constexpr char kConfig[] = R"({
  "peft_type": "PREFIX_TUNING", "task_type": "CAUSAL_LM", "num_transformer_submodules": 1,
  "num_virtual_tokens": 3, "num_layers": 3, "num_attention_heads": 2, "token_dim": 8,
  "prefix_projection": true, "encoder_hidden_size": 512, "base_model_name_or_path": "a/b"})";

std::string WeightsFile(const std::vector<int64_t>& shape, const std::vector<float>& values,
                        const std::string& name = "prompt_embeddings") {
  return OneTensorFile(name, TensorType::kF32, shape, values, {{"format", "pt"}});
}

std::string SampleWeights() {
  return WeightsFile({kPositions, 48}, SamplePrefix(kPositions, 1).tensor.values);
}

std::string Refusal(const std::string& weights, const std::string& config) {
  std::vector<std::string> warnings;
  const absl::Status status = ParsePeftPrefix(weights, config, SampleTarget(), &warnings).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_TRUE(warnings.empty());
  return std::string(ToStd(status.message()));
}

// kConfig with one text replaced.
std::string ConfigWith(const std::string& from, const std::string& to) {
  std::string config = kConfig;
  const size_t place = config.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return config.replace(place, from.size(), to);
}

TEST(PeftPrefixTest, ReadsWhatPeftSaves) {
  std::vector<std::string> warnings;
  const auto read = ParsePeftPrefix(SampleWeights(), kConfig, SampleTarget(), &warnings);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tensor.values, SamplePrefix(kPositions, 1).tensor.values);
  EXPECT_EQ(read->tensor.shape, SampleTarget().shape);
  EXPECT_EQ(read->tensor.positions, kPositions);
  EXPECT_EQ(read->tensor.position_offset, kPositions);
  EXPECT_EQ(read->model_fingerprint, "");
  EXPECT_EQ(read->origin, PrefixOrigin::kUploaded);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("only its shape could be checked"));
}

TEST(PeftPrefixTest, ReadsPeftsOwnFiles) {
  const std::string directory =
      StrCat(getenv("PREFIXD_SOURCE_DIR"), "/tests/golden/models/llama_tiny/peft/");
  const auto weights = MappedFile::Open(directory + "adapter_model.safetensors");
  const auto config = MappedFile::Open(directory + "adapter_config.json");
  ASSERT_TRUE(weights.ok() && config.ok()) << weights.status() << config.status();
  const PrefixTarget target = {.shape = {.layers = 2, .kv_heads = 2, .head_dim = 8},
                               .fingerprint = "",
                               .max_positions = 128};
  std::vector<std::string> warnings;
  const auto read = ParsePeftPrefix((*weights)->bytes(), (*config)->bytes(), target, &warnings);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tensor.positions, 5);
}

TEST(PeftPrefixTest, TheConfigurationNeedsOnlyItsType) {
  std::vector<std::string> warnings;
  for (const char* config :
       {R"({"peft_type": "PREFIX_TUNING"})",
        R"({"peft_type": "PREFIX_TUNING", "task_type": null, "num_layers": null})"}) {
    EXPECT_TRUE(ParsePeftPrefix(SampleWeights(), config, SampleTarget(), &warnings).ok());
  }
}

TEST(PeftPrefixTest, NamesOtherMethods) {
  for (const char* method : {"LORA", "PROMPT_TUNING", "P_TUNING"}) {
    const std::string message = Refusal(SampleWeights(), ConfigWith("PREFIX_TUNING", method));
    EXPECT_THAT(message, HasSubstr(method));
    EXPECT_THAT(message, HasSubstr("only prefix tuning"));
  }
  EXPECT_THAT(Refusal(SampleWeights(), "{}"), HasSubstr("peft_type"));
  EXPECT_THAT(Refusal(SampleWeights(), R"({"peft_type": 3})"), HasSubstr("peft_type"));
}

TEST(PeftPrefixTest, RefusesEncoderDecoderModels) {
  for (const std::string& config :
       {ConfigWith("CAUSAL_LM", "SEQ_2_SEQ_LM"),
        ConfigWith("\"num_transformer_submodules\": 1", "\"num_transformer_submodules\": 2")}) {
    EXPECT_THAT(Refusal(SampleWeights(), config), HasSubstr("encoder-decoder"));
  }
}

TEST(PeftPrefixTest, ChecksTheConfigurationsShape) {
  const struct {
    const char* from;
    const char* to;
    const char* message;
  } cases[] = {
      {"\"num_layers\": 3", "\"num_layers\": 12", "num_layers 12; the model has 3"},
      {"\"num_attention_heads\": 2", "\"num_attention_heads\": 4", "num_attention_heads 4"},
      {"\"token_dim\": 8", "\"token_dim\": 64", "token_dim 64; the model has 8"},
      {"\"num_virtual_tokens\": 3", "\"num_virtual_tokens\": 4", "num_virtual_tokens 4"},
      {"\"num_layers\": 3", "\"num_layers\": \"3\"", "num_layers that is no integer"},
      {"\"num_layers\": 3", "\"num_layers\": 3.5", "num_layers that is no integer"},
      {"\"num_layers\": 3", "\"num_layers\": [[[[3]]]]", "num_layers that is no integer"},
  };
  for (const auto& [from, to, message] : cases) {
    EXPECT_THAT(Refusal(SampleWeights(), ConfigWith(from, to)), HasSubstr(message));
  }
}

TEST(PeftPrefixTest, ChecksTheWeights) {
  const std::vector<float> values = SamplePrefix(kPositions, 1).tensor.values;
  EXPECT_THAT(Refusal(WeightsFile({kPositions, 6, 8}, values), kConfig),
              HasSubstr("expected shape [positions, 48], found [3, 6, 8]"));
  EXPECT_THAT(Refusal(WeightsFile({6, 24}, values), kConfig), HasSubstr("found [6, 24]"));
  EXPECT_THAT(Refusal(WeightsFile({0, 48}, {}), kConfig), HasSubstr("0 positions"));
  EXPECT_THAT(Refusal(WeightsFile({kPositions, 48}, values, "lora_A"), kConfig),
              HasSubstr("prompt_embeddings"));
  std::vector<float> infinite = values;
  infinite[48 + 8] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Refusal(WeightsFile({kPositions, 48}, infinite), kConfig),
              HasSubstr("in a value of layer 0, position 1"));
}

// PEFT puts the first token behind the prefix, where the model must have a position.
TEST(PeftPrefixTest, LeavesARequestAPosition) {
  std::vector<std::string> warnings;
  const std::string config = R"({"peft_type": "PREFIX_TUNING"})";
  const auto weights = [](int positions) {
    return WeightsFile({positions, 48}, std::vector<float>(size_t{48} * positions));
  };
  EXPECT_TRUE(ParsePeftPrefix(weights(31), config, SampleTarget(), &warnings).ok());
  EXPECT_FALSE(ParsePeftPrefix(weights(32), config, SampleTarget(), &warnings).ok());
}

TEST(PeftPrefixTest, RefusesTruncatedFilesOfAnyLength) {
  const std::string weights = SampleWeights();
  for (size_t size = 0; size < weights.size(); ++size) Refusal(weights.substr(0, size), kConfig);
  const std::string config = kConfig;
  for (size_t size = 0; size < config.size(); ++size) {
    Refusal(weights, config.substr(0, size));
  }
}

}  // namespace
}  // namespace prefixd
