#include "model/files/gguf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "model/files/hf_source.h"
#include "tests/model_files/gguf_builder.h"
#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A llama of two tensors, changed by `change` before it is written.
absl::StatusOr<ModelConfig> ConfigOf(const std::string& architecture,
                                     const std::function<void(GgufBuilder*)>& change) {
  GgufBuilder builder;
  builder.String("general.architecture", architecture);
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, uint32_t>>{{".block_count", 2},
                                                     {".embedding_length", 8},
                                                     {".feed_forward_length", 16},
                                                     {".context_length", 32},
                                                     {".attention.head_count", 2}}) {
    builder.Uint32(architecture + key, value);
  }
  change(&builder);
  builder.Tensor("token_embd.weight", {8, 4}, kGgmlF32, 0);
  const TestFolder folder;
  WriteFile(folder.File("model.gguf"), builder.Build(std::string(128, '\0')));
  const auto file = GgufFile::Open(folder.File("model.gguf"));
  if (!file.ok()) return file.status();
  return ReadGgufConfig(**file);
}

TEST(GgufConfigTest, ReadsTheTinyLlama) {
  const auto file = GgufFile::Open(GoldenPath("gguf/llama.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto config = ReadGgufConfig(**file);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "Tiny");
  EXPECT_EQ(config->architecture, Architecture::kLlama);
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->hidden, 16);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 8);
  EXPECT_EQ(config->feed_forward, 24);
  EXPECT_EQ(config->vocabulary, 261);
  EXPECT_EQ(config->max_positions, 64);
  EXPECT_EQ(config->norm_epsilon, 1e-6F);
  EXPECT_EQ(config->rope.base, 50000.0F);
  EXPECT_EQ(config->rope.linear_factor, 2.0F);
  EXPECT_FALSE(config->rope.llama3.has_value());
  EXPECT_FALSE(config->bos_id.has_value());
  EXPECT_THAT(config->eos_ids, ElementsAre(258, 260));  // <|endoftext|>, <|im_end|>
}

TEST(GgufConfigTest, DefaultsAndLimits) {
  const auto config = ConfigOf("qwen2", [](GgufBuilder* builder) {
    builder
        ->Uint32("tokenizer.ggml.bos_token_id", 4)  // no token: the vocabulary has 4
        .Uint32("tokenizer.ggml.eos_token_id", 2)
        .Uint32("tokenizer.ggml.eot_token_id", 1);
  });
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->vocabulary, 4);
  EXPECT_EQ(config->rope.base, 10000.0F);
  EXPECT_FALSE(config->bos_id.has_value());
  EXPECT_THAT(config->eos_ids, ElementsAre(1, 2));

  const auto gpt2 = ConfigOf("gpt2", [](GgufBuilder* builder) {
    builder->Float32("gpt2.attention.layer_norm_epsilon", 0.5F);
  });
  ASSERT_TRUE(gpt2.ok()) << gpt2.status();
  EXPECT_EQ(gpt2->architecture, Architecture::kGpt2);
  EXPECT_EQ(gpt2->norm_epsilon, 0.5F);
}

TEST(GgufConfigTest, RefusesWhatItDoesNotCompute) {
  const struct {
    const char* architecture;
    std::function<void(GgufBuilder*)> change;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {"mamba", [](GgufBuilder*) {}, absl::StatusCode::kUnimplemented, "llama, qwen2 and gpt2"},
      {"llama", [](GgufBuilder* b) { b->Uint32("llama.expert_count", 8); },
       absl::StatusCode::kUnimplemented, "mixture of experts"},
      {"llama", [](GgufBuilder* b) { b->Uint32("llama.rope.dimension_count", 2); },
       absl::StatusCode::kUnimplemented, "only 2 of 4"},
      {"llama", [](GgufBuilder* b) { b->String("llama.rope.scaling.type", "yarn"); },
       absl::StatusCode::kUnimplemented, "\"yarn\""},
      {"llama", [](GgufBuilder* b) { b->Uint32("llama.attention.value_length", 8); },
       absl::StatusCode::kUnimplemented, "values 8"},
      {"llama", [](GgufBuilder* b) { b->Uint32("llama.attention.head_count_kv", 0); },
       absl::StatusCode::kInvalidArgument, "head_count_kv is 0"},
      {"llama", [](GgufBuilder* b) { b->Uint32("llama.attention.key_length", 3); },
       absl::StatusCode::kInvalidArgument, "head_dim is 3"},
      {"llama", [](GgufBuilder* b) { b->Float32("llama.rope.freq_base", -1); },
       absl::StatusCode::kInvalidArgument, "rope base"},
      {"llama", [](GgufBuilder* b) { b->String("llama.rope.freq_base", "x"); },
       absl::StatusCode::kInvalidArgument, "not a number"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.message);
    const auto config = ConfigOf(one.architecture, one.change);
    EXPECT_EQ(config.status().code(), one.code);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(one.message));
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("model.gguf"));
  }
}

// The same model from both formats: equal values, Q's and K's rows in Hugging Face's order.
TEST(GgufSourceTest, EqualsTheHuggingFaceDirectory) {
  auto file = GgufFile::Open(GoldenPath("gguf/llama.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : (*file)->tensors()) names.emplace_back(name);
  const auto config = ReadGgufConfig(**file);
  ASSERT_TRUE(config.ok());
  const auto gguf = MakeGgufSource(*std::move(file), *config);
  ASSERT_TRUE(gguf.ok()) << gguf.status();

  const auto hf_config = ReadHfConfig(GoldenPath("gguf/llama"));
  ASSERT_TRUE(hf_config.ok()) << hf_config.status();
  const auto hf = OpenHfSource(GoldenPath("gguf/llama"), *hf_config);
  ASSERT_TRUE(hf.ok()) << hf.status();

  ASSERT_EQ(names.size(), 2U + 2 * 12);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    ASSERT_TRUE((*hf)->Has(name));
    const auto ours = (*gguf)->Read(name);
    const auto theirs = (*hf)->Read(name);
    ASSERT_TRUE(ours.ok() && theirs.ok());
    EXPECT_EQ(ours->shape, theirs->shape);
    EXPECT_EQ(ours->values, theirs->values);
  }
  for (const TensorSource* source : {gguf->get(), hf->get()}) {
    EXPECT_FALSE(source->Has("output.weight"));
    EXPECT_TRUE(absl::IsNotFound(source->Read("output.weight").status()));
    EXPECT_EQ(source->Fingerprint().size(), 64U);
  }
}

TEST(GgufSourceTest, TheFingerprintDependsOnTheTensorsAlone) {
  const auto fingerprint = [](const std::string& name, const std::string& data, uint32_t extra) {
    const TestFolder folder;
    WriteFile(folder.File("model.gguf"), GgufBuilder()
                                             .String("general.architecture", "gpt2")
                                             .Uint32("extra", extra)
                                             .Tensor(name, {2}, kGgmlF32, 0)
                                             .Build(data));
    auto file = GgufFile::Open(folder.File("model.gguf"));
    EXPECT_TRUE(file.ok()) << file.status();
    return (*MakeGgufSource(*std::move(file), ModelConfig()))->Fingerprint();
  };
  const std::string reference = fingerprint("a", "12345678", 1);
  EXPECT_EQ(fingerprint("a", "12345678", 2), reference);
  EXPECT_NE(fingerprint("b", "12345678", 1), reference);
  EXPECT_NE(fingerprint("a", "12345679", 1), reference);
}

TEST(GgufSourceTest, RefusesOtherHeads) {
  auto file = GgufFile::Open(GoldenPath("gguf/llama.gguf"));
  ASSERT_TRUE(file.ok());
  auto config = ReadGgufConfig(**file);
  ASSERT_TRUE(config.ok());
  config->kv_heads = 4;
  const auto source = MakeGgufSource(*std::move(file), *config);
  EXPECT_TRUE(absl::IsInvalidArgument(source.status()));
  EXPECT_THAT(std::string(source.status().message()), HasSubstr("blk.0.attn_k"));
}

}  // namespace
}  // namespace prefixd
