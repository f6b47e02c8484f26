#include "model/files/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/model_files/test_files.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kLlama[] = R"("model_type": "llama", "num_hidden_layers": 2, "hidden_size": 16,
  "num_attention_heads": 4, "intermediate_size": 24, "max_position_embeddings": 64,
  "vocab_size": 100)";
constexpr char kGpt2[] = R"("model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 4,
  "n_positions": 64, "vocab_size": 100)";

// The base's fields, then `fields`: a later field of the same name wins.
absl::StatusOr<HfConfig> Read(const std::string& base, const std::string& fields,
                              const std::string& generation = "") {
  const TestFolder folder;
  const std::string comma = fields.empty() ? "" : ", ";
  WriteFile(folder.File("config.json"), "{" + base + comma + fields + "}");
  if (!generation.empty()) WriteFile(folder.File("generation_config.json"), generation);
  return ReadHfConfig(folder.path());
}

TEST(HfConfigTest, LlamaWithDefaults) {
  const auto config = Read(kLlama, "");
  ASSERT_TRUE(config.ok()) << config.status();
  const ModelConfig& model = config->model;
  EXPECT_THAT(model.name, HasSubstr("prefixd_"));
  EXPECT_EQ(model.architecture, Architecture::kLlama);
  EXPECT_EQ(model.layers, 2);
  EXPECT_EQ(model.hidden, 16);
  EXPECT_EQ(model.heads, 4);
  EXPECT_EQ(model.kv_heads, 4);
  EXPECT_EQ(model.head_dim, 4);
  EXPECT_EQ(model.feed_forward, 24);
  EXPECT_EQ(model.vocabulary, 100);
  EXPECT_EQ(model.max_positions, 64);
  EXPECT_EQ(model.norm_epsilon, 1e-6F);
  EXPECT_EQ(model.rope.base, 10000.0F);
  EXPECT_EQ(model.rope.linear_factor, 1.0F);
  EXPECT_FALSE(model.rope.llama3.has_value());
  EXPECT_FALSE(model.bos_id.has_value());
  EXPECT_THAT(model.eos_ids, IsEmpty());
  EXPECT_FALSE(config->tied_embeddings);
  EXPECT_FALSE(config->attention_bias);
}

TEST(HfConfigTest, LlamaSpelledOut) {
  const auto config = Read(kLlama, R"("num_key_value_heads": 2, "head_dim": 8,
      "rms_norm_eps": 0.001, "attention_bias": true, "tie_word_embeddings": true,
      "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": [2, 3])");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model.kv_heads, 2);
  EXPECT_EQ(config->model.head_dim, 8);
  EXPECT_EQ(config->model.norm_epsilon, 0.001F);
  EXPECT_EQ(config->model.bos_id, 1);
  EXPECT_THAT(config->model.eos_ids, ElementsAre(2, 3));
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_TRUE(config->attention_bias);
}

TEST(HfConfigTest, Rotation) {
  const struct {
    const char* fields;
    float base;
    float linear_factor;
    bool llama3;
  } cases[] = {
      {R"("rope_theta": 500.0, "rope_scaling": null)", 500, 1, false},
      {R"("rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 4.0})", 500, 4, false},
      {R"("rope_scaling": {"rope_type": "default"})", 10000, 1, false},
      {R"("rope_parameters": {"rope_type": "default", "rope_theta": 7.0})", 7, 1, false},
      {R"("rope_parameters": {"rope_type": "linear", "rope_theta": 7.0, "factor": 2})", 7, 2,
       false},
      {R"("rope_theta": 9.0, "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
          "low_freq_factor": 2.0, "high_freq_factor": 5.0,
          "original_max_position_embeddings": 16})",
       9, 1, true},
      {R"("rope_parameters": {"rope_type": "llama3", "rope_theta": 9.0, "factor": 32.0,
          "low_freq_factor": 2.0, "high_freq_factor": 5.0,
          "original_max_position_embeddings": 16})",
       9, 1, true},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.fields);
    const auto config = Read(kLlama, one.fields);
    ASSERT_TRUE(config.ok()) << config.status();
    const RopeConfig& rope = config->model.rope;
    EXPECT_EQ(rope.base, one.base);
    EXPECT_EQ(rope.linear_factor, one.linear_factor);
    ASSERT_EQ(rope.llama3.has_value(), one.llama3);
    if (!one.llama3) continue;
    EXPECT_EQ(rope.llama3->factor, 32.0F);
    EXPECT_EQ(rope.llama3->low_frequency_factor, 2.0F);
    EXPECT_EQ(rope.llama3->high_frequency_factor, 5.0F);
    EXPECT_EQ(rope.llama3->original_max_positions, 16);
  }
}

TEST(HfConfigTest, Qwen2) {
  const auto config = Read(kLlama, R"("model_type": "qwen2", "use_sliding_window": false,
      "sliding_window": 32, "max_window_layers": 1)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model.architecture, Architecture::kLlama);
  EXPECT_TRUE(config->attention_bias);
}

TEST(HfConfigTest, Gpt2) {
  auto config = Read(kGpt2, "");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model.architecture, Architecture::kGpt2);
  EXPECT_EQ(config->model.kv_heads, 4);
  EXPECT_EQ(config->model.head_dim, 4);
  EXPECT_EQ(config->model.feed_forward, 64);
  EXPECT_EQ(config->model.norm_epsilon, 1e-5F);
  EXPECT_TRUE(config->tied_embeddings);

  // transformers writes GPT-2's end of text into every config, whatever the vocabulary.
  config = Read(kGpt2, R"("n_inner": 20, "tie_word_embeddings": false, "bos_token_id": 50256,
      "eos_token_id": 50256)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model.feed_forward, 20);
  EXPECT_FALSE(config->tied_embeddings);
  EXPECT_FALSE(config->model.bos_id.has_value());
  EXPECT_THAT(config->model.eos_ids, IsEmpty());
}

TEST(HfConfigTest, TheGenerationConfigsEndsGoFirst) {
  const std::string fields = R"("eos_token_id": 5)";
  EXPECT_THAT(Read(kLlama, fields, R"({"eos_token_id": [7, 8]})")->model.eos_ids,
              ElementsAre(7, 8));
  EXPECT_THAT(Read(kLlama, fields, R"({"eos_token_id": 7})")->model.eos_ids, ElementsAre(7));
  EXPECT_THAT(Read(kLlama, fields, R"({})")->model.eos_ids, ElementsAre(5));
  EXPECT_FALSE(Read(kLlama, fields, "{").ok());
  EXPECT_FALSE(Read(kLlama, fields, R"({"eos_token_id": "x"})").ok());
}

TEST(HfConfigTest, RefusesWhatItDoesNotCompute) {
  const struct {
    const char* base;
    const char* fields;
    const char* message;
  } cases[] = {
      {kLlama, R"("model_type": "mistral")", "llama, qwen2 and gpt2"},
      {kLlama, R"("hidden_act": "gelu")", "hidden_act"},
      {kLlama, R"("rope_scaling": {"type": "dynamic", "factor": 2.0})", "\"dynamic\""},
      {kLlama, R"("rope_scaling": {"rope_type": "yarn", "factor": 2.0})", "\"yarn\""},
      {kLlama, R"("rope_parameters": {"rope_type": "longrope"})", "\"longrope\""},
      {kLlama, R"("rope_parameters": {"full_attention": {"rope_theta": 1.0}})", "kind of layer"},
      {kLlama, R"("partial_rotary_factor": 0.5)", "partial_rotary_factor"},
      {kLlama, R"("quantization_config": {"bits": 4})", "quantised"},
      {kLlama, R"("model_type": "qwen2", "use_sliding_window": true)", "use_sliding_window"},
      {kGpt2, R"("activation_function": "relu")", "activation_function"},
      {kGpt2, R"("scale_attn_weights": false)", "scale_attn_weights"},
      {kGpt2, R"("scale_attn_by_inverse_layer_idx": true)", "scale_attn_by_inverse_layer_idx"},
      {kGpt2, R"("add_cross_attention": true)", "add_cross_attention"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.fields);
    const auto config = Read(one.base, one.fields);
    EXPECT_TRUE(absl::IsUnimplemented(config.status())) << config.status();
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("config.json"));
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(one.message));
  }
}

TEST(HfConfigTest, RefusesNonsense) {
  const struct {
    const char* base;
    const char* fields;
    const char* message;
  } cases[] = {
      {kLlama, R"("hidden_size": null)", "hidden_size is missing"},
      {kLlama, R"("hidden_size": "16")", "hidden_size is not"},
      {kLlama, R"("hidden_size": 0)", "hidden_size is not"},
      {kLlama, R"("hidden_size": -16)", "hidden_size is not"},
      {kLlama, R"("hidden_size": 4294967296)", "hidden_size is not"},
      {kLlama, R"("hidden_size": 17)", "not a multiple"},
      {kLlama, R"("num_key_value_heads": 3)", "kv_heads"},
      {kLlama, R"("head_dim": 5)", "even"},
      {kLlama, R"("head_dim": 2000000000)", "head_dim"},
      {kLlama, R"("num_hidden_layers": 2000000000)", "layers"},
      {kLlama, R"("vocab_size": [])", "vocab_size"},
      {kLlama, R"("rms_norm_eps": 0)", "norm_epsilon"},
      {kLlama, R"("rms_norm_eps": "x")", "rms_norm_eps"},
      {kLlama, R"("rope_theta": -1)", "rope base"},
      {kLlama, R"("tie_word_embeddings": 1)", "tie_word_embeddings"},
      {kLlama, R"("eos_token_id": 1.5)", "eos_token_id"},
      {kLlama, R"("rope_scaling": {"type": "llama3", "low_freq_factor": 4.0})", "high frequency"},
      {kGpt2, R"("n_embd": 2147483647)", "n_embd"},
      {kGpt2, R"("n_head": 3)", "n_head"},
      {kGpt2, R"("n_inner": 0)", "n_inner"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.fields);
    const auto config = Read(one.base, one.fields);
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << config.status();
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(one.message));
  }
  EXPECT_FALSE(Read(kLlama, "}").ok());
  EXPECT_TRUE(absl::IsNotFound(ReadHfConfig(GoldenPath("gguf")).status()));
}

}  // namespace
}  // namespace prefixd
