#include "model/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ModelFilesTest, TheSameModelInBothFormats) {
  const auto gguf = OpenModelFiles(GoldenPath("gguf/llama.gguf"));
  ASSERT_TRUE(gguf.ok()) << gguf.status();
  const auto hf = OpenModelFiles(GoldenPath("gguf/llama"));
  ASSERT_TRUE(hf.ok()) << hf.status();
  EXPECT_EQ(gguf->config.name, "Tiny");
  EXPECT_EQ(hf->config.name, "llama");
  for (const ModelFiles* files : {&*gguf, &*hf}) {
    EXPECT_EQ(files->config.layers, 2);
    EXPECT_EQ(files->config.head_dim, 8);
    EXPECT_EQ(files->config.norm_epsilon, 1e-6F);
    EXPECT_EQ(files->config.rope.base, 50000.0F);
    EXPECT_EQ(files->config.rope.linear_factor, 2.0F);
    EXPECT_THAT(files->config.eos_ids, ElementsAre(258, 260));
    EXPECT_TRUE(files->tensors->Has("token_embd.weight"));
    EXPECT_EQ(files->tokenizer->size(), 261);
    const auto ids = files->tokenizer->Encode("hello<|im_end|>", SpecialTokens::kParse);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_THAT(*ids, ElementsAre(256, 257, 78, 260));
  }
}

TEST(ModelFilesTest, NamesWhatIsMissing) {
  const auto missing = OpenModelFiles(GoldenPath("gguf/none.gguf"));
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("none.gguf"));
  const auto no_config = OpenModelFiles(GoldenPath("gguf"));
  EXPECT_TRUE(absl::IsNotFound(no_config.status()));
  EXPECT_THAT(std::string(no_config.status().message()), HasSubstr("config.json"));
  EXPECT_FALSE(OpenModelFiles(GoldenPath("gguf/types.gguf")).ok());
}

// A vocabulary that the embeddings do not cover would give ids with no row.
TEST(ModelFilesTest, RefusesATokenizerThatIsTooLarge) {
  const TestFolder folder;
  for (const char* const name : {"tokenizer.json", "model.safetensors"}) {
    WriteFile(folder.File(name), ReadFile(GoldenPath(std::string("gguf/llama/") + name)));
  }
  std::string config = ReadFile(GoldenPath("gguf/llama/config.json"));
  config.insert(config.rfind('}'), R"(, "vocab_size": 200)");
  WriteFile(folder.File("config.json"), config);
  const auto opened = OpenModelFiles(folder.path());
  EXPECT_TRUE(absl::IsInvalidArgument(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("261 tokens"));
}

TEST(ModelFilesTest, OpensARealModel) {
  const char* const path = std::getenv("PREFIXD_TEST_MODEL");
  if (path == nullptr || *path == '\0') GTEST_SKIP() << "PREFIXD_TEST_MODEL names no model";
  const auto files = OpenModelFiles(path);
  ASSERT_TRUE(files.ok()) << files.status();
  const ModelConfig& config = files->config;
  EXPECT_EQ(config.architecture, Architecture::kLlama);
  EXPECT_EQ(config.layers, 30);
  EXPECT_EQ(config.hidden, 576);
  EXPECT_EQ(config.heads, 9);
  EXPECT_EQ(config.kv_heads, 3);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.feed_forward, 1536);
  EXPECT_EQ(config.vocabulary, 49152);
  EXPECT_EQ(config.max_positions, 8192);
  EXPECT_EQ(config.norm_epsilon, 1e-5F);
  EXPECT_EQ(config.rope.base, 100000.0F);
  EXPECT_EQ(config.bos_id, 1);
  EXPECT_THAT(config.eos_ids, ElementsAre(0, 2));
  EXPECT_EQ(files->tokenizer->size(), 49152);
  EXPECT_FALSE(files->tensors->Has("output.weight"));
  const struct {
    const char* name;
    std::vector<int64_t> shape;
  } tensors[] = {
      {"token_embd.weight", {49152, 576}},       {"output_norm.weight", {576}},
      {"blk.0.attn_q.weight", {576, 576}},       {"blk.29.attn_k.weight", {192, 576}},
      {"blk.29.attn_output.weight", {576, 576}}, {"blk.7.attn_norm.weight", {576}},
      {"blk.7.ffn_gate.weight", {1536, 576}},    {"blk.7.ffn_down.weight", {576, 1536}},
  };
  for (const auto& [name, shape] : tensors) {
    const auto tensor = files->tensors->Read(name);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->shape, shape) << name;
  }
  EXPECT_EQ(files->tensors->Fingerprint().size(), 64U);
}

}  // namespace
}  // namespace prefixd
