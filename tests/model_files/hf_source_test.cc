#include "model/files/hf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "model/files/safetensors.h"
#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

// Tensors of these shapes, each with the values 0, 1, 2, …
void WriteTensors(const std::string& path, const Shapes& shapes, Dtype dtype = Dtype::kF32) {
  std::vector<std::string> bytes;
  TensorViews views;
  bytes.reserve(shapes.size());
  for (const auto& [name, shape] : shapes) {
    int64_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 0.0F);
    bytes.push_back(*ConvertFromFloat(FloatType(dtype).value_or(TensorType::kF32), values));
    views[name] = {.dtype = dtype, .shape = shape, .bytes = bytes.back()};
  }
  WriteFile(path, *SerializeSafetensors(views));
}

HfConfig Config(Architecture architecture, bool tied) {
  HfConfig config;
  config.model.architecture = architecture;
  config.tied_embeddings = tied;
  return config;
}

absl::Status OpenOne(const Shapes& shapes, const HfConfig& config, Dtype dtype = Dtype::kF32) {
  const TestFolder folder;
  WriteTensors(folder.File("model.safetensors"), shapes, dtype);
  return OpenHfSource(folder.path(), config).status();
}

TEST(HfSourceTest, Gpt2IsTransposedWithAndWithoutPrefix) {
  for (const std::string prefix : {"", "transformer."}) {
    SCOPED_TRACE(prefix);
    const TestFolder folder;
    WriteTensors(folder.File("model.safetensors"), {{prefix + "wte.weight", {5, 2}},
                                                    {prefix + "wpe.weight", {3, 2}},
                                                    {prefix + "ln_f.bias", {2}},
                                                    {prefix + "h.1.ln_1.weight", {2}},
                                                    {prefix + "h.1.ln_2.weight", {2}},
                                                    {prefix + "h.1.attn.bias", {1, 1, 3, 3}},
                                                    {prefix + "h.1.attn.masked_bias", {}},
                                                    {prefix + "h.1.attn.c_attn.weight", {2, 3}},
                                                    {prefix + "h.1.attn.c_attn.bias", {6}},
                                                    {prefix + "h.1.attn.c_proj.weight", {2, 2}},
                                                    {prefix + "h.1.mlp.c_fc.weight", {2, 8}},
                                                    {prefix + "h.1.mlp.c_proj.weight", {8, 2}},
                                                    {"lm_head.weight", {5, 2}}});
    const auto source = OpenHfSource(folder.path(), Config(Architecture::kGpt2, true));
    ASSERT_TRUE(source.ok()) << source.status();
    for (const char* const name :
         {"token_embd.weight", "position_embd.weight", "output_norm.bias", "blk.1.attn_norm.weight",
          "blk.1.ffn_norm.weight", "blk.1.attn_qkv.weight", "blk.1.attn_qkv.bias",
          "blk.1.attn_output.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}) {
      EXPECT_TRUE((*source)->Has(name)) << name;
    }
    EXPECT_FALSE((*source)->Has("output.weight"));
    const auto transposed = (*source)->Read("blk.1.attn_qkv.weight");
    ASSERT_TRUE(transposed.ok());
    EXPECT_EQ(transposed->shape, (std::vector<int64_t>{3, 2}));
    EXPECT_THAT(transposed->values, ElementsAre(0, 3, 1, 4, 2, 5));
    const auto embedding = (*source)->Read("token_embd.weight");
    ASSERT_TRUE(embedding.ok());
    EXPECT_EQ(embedding->shape, (std::vector<int64_t>{5, 2}));
    EXPECT_EQ(embedding->values[3], 3.0F);
  }
}

TEST(HfSourceTest, EveryFloatType) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    const TestFolder folder;
    WriteTensors(folder.File("model.safetensors"), {{"model.embed_tokens.weight", {2, 2}}}, dtype);
    const auto source = OpenHfSource(folder.path(), Config(Architecture::kLlama, true));
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_THAT((*source)->Read("token_embd.weight")->values, ElementsAre(0, 1, 2, 3));
  }
}

TEST(HfSourceTest, Shards) {
  const TestFolder folder;
  const HfConfig config = Config(Architecture::kLlama, false);
  WriteTensors(folder.File("one.safetensors"), {{"model.embed_tokens.weight", {2, 2}}});
  WriteTensors(folder.File("two.safetensors"), {{"lm_head.weight", {2, 2}}});
  const auto open = [&](const std::string& index) {
    WriteFile(folder.File("model.safetensors.index.json"), index);
    return OpenHfSource(folder.path(), config);
  };
  const auto source = open(R"({"metadata": {"total_size": 32}, "weight_map": {
      "model.embed_tokens.weight": "one.safetensors", "lm_head.weight": "two.safetensors"}})");
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE((*source)->Has("token_embd.weight"));
  EXPECT_TRUE((*source)->Has("output.weight"));

  // One file or two: the same tensors, the same fingerprint.
  const TestFolder single;
  WriteTensors(single.File("model.safetensors"),
               {{"model.embed_tokens.weight", {2, 2}}, {"lm_head.weight", {2, 2}}});
  EXPECT_EQ((*OpenHfSource(single.path(), config))->Fingerprint(), (*source)->Fingerprint());

  const auto message = [&](const std::string& map) {
    const auto opened = open(R"({"weight_map": {)" + map + "}}");
    EXPECT_FALSE(opened.ok()) << map;
    return std::string(opened.status().message());
  };
  EXPECT_THAT(message(R"("lm_head.weight": "../two.safetensors")"), HasSubstr("no file name"));
  EXPECT_THAT(message(R"("lm_head.weight": 2)"), HasSubstr("no file name"));
  EXPECT_THAT(message(R"("lm_head.weight": "three.safetensors")"), HasSubstr("three.safetensors"));
  EXPECT_THAT(message(R"("lm_head.weight": "one.safetensors")"), HasSubstr("in none of its files"));
  WriteTensors(folder.File("two.safetensors"), {{"embed_tokens.weight", {2, 2}}});
  EXPECT_THAT(message(R"("model.embed_tokens.weight": "one.safetensors",
                         "embed_tokens.weight": "two.safetensors")"),
              HasSubstr("there twice"));
  EXPECT_FALSE(open("{}").ok());
}

TEST(HfSourceTest, RefusesPartsThatItWouldNotUse) {
  const HfConfig llama = Config(Architecture::kLlama, true);
  const Shapes embedding = {{"model.embed_tokens.weight", {2, 2}}};
  for (const char* const name :
       {"model.layers.0.self_attn.q_norm.weight", "model.layers.0.mlp.gate_proj.qweight",
        "model.layers.x.input_layernorm.weight", "model.layers.0", "model.layers..norm.weight",
        "score.weight", "weight", "model.layers.0.embed_tokens.weight"}) {
    SCOPED_TRACE(name);
    Shapes shapes = embedding;
    shapes.push_back({name, {2}});
    const absl::Status status = OpenOne(shapes, llama);
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  EXPECT_TRUE(absl::IsUnimplemented(OpenOne(embedding, llama, Dtype::kI32)));
  EXPECT_TRUE(absl::IsInvalidArgument(OpenOne(
      {{"wte.weight", {2, 2}}, {"h.0.mlp.c_fc.weight", {4}}}, Config(Architecture::kGpt2, true))));
}

TEST(HfSourceTest, RefusesMissingTensors) {
  const Shapes embedding = {{"model.embed_tokens.weight", {2, 2}}};
  HfConfig config = Config(Architecture::kLlama, true);
  EXPECT_TRUE(OpenOne(embedding, config).ok());
  EXPECT_THAT(std::string(OpenOne({}, config).message()), HasSubstr("token_embd.weight"));
  config.attention_bias = true;
  EXPECT_THAT(std::string(OpenOne(embedding, config).message()), HasSubstr("attn_q.bias"));
  config = Config(Architecture::kLlama, false);
  EXPECT_THAT(std::string(OpenOne(embedding, config).message()), HasSubstr("output.weight"));

  const TestFolder empty;
  const absl::Status status = OpenHfSource(empty.path(), config).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("save_pretrained"));
}

}  // namespace
}  // namespace prefixd
