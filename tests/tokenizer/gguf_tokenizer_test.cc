#include "model/tokenizer/gguf_tokenizer.h"

#include <cstdint>
#include <fstream>
#include <type_traits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/temp_directory.h"
#include "tests/tokenizer/tiny_tokenizer.h"

namespace prefixd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Strings = std::vector<std::string>;
using Types = std::vector<int32_t>;

// GGUF's numbers for types of metadata.
enum : uint32_t { kInt32 = 5, kUint32 = 4, kBool = 7, kString = 8, kArray = 9 };

// A GGUF file of metadata alone.
class Metadata {
 public:
  Metadata& Add(const std::string& key, const std::string& value) {
    Key(key, kString);
    String(value);
    return *this;
  }
  Metadata& Add(const std::string& key, bool value) {
    Key(key, kBool);
    Number(static_cast<uint8_t>(value));
    return *this;
  }
  Metadata& Add(const std::string& key, uint32_t value) {
    Key(key, kUint32);
    Number(value);
    return *this;
  }
  Metadata& Add(const std::string& key, const Strings& values) {
    Key(key, kArray);
    Number(kString);
    Number(static_cast<uint64_t>(values.size()));
    for (const std::string& value : values) String(value);
    return *this;
  }
  Metadata& Add(const std::string& key, const Types& values) {
    Key(key, kArray);
    Number(kInt32);
    Number(static_cast<uint64_t>(values.size()));
    for (int32_t value : values) Number(value);
    return *this;
  }

  absl::StatusOr<TokenizerSpec> Read() const {
    const TempDirectory directory;
    std::ofstream file(directory.File("model.gguf"), std::ios::binary);
    Metadata header;
    header.bytes_ = "GGUF";
    header.Number(uint32_t{3});
    header.Number(uint64_t{0});
    header.Number(entries_);
    file << header.bytes_ << bytes_;
    file.close();
    const auto gguf = GgufFile::Open(directory.File("model.gguf"));
    EXPECT_TRUE(gguf.ok()) << gguf.status();
    return ReadGgufTokenizer(**gguf);
  }

 private:
  template <typename T>
  void Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void String(const std::string& text) {
    Number(static_cast<uint64_t>(text.size()));
    bytes_ += text;
  }
  void Key(const std::string& key, uint32_t type) {
    ++entries_;
    String("tokenizer.ggml." + key);
    Number(type);
  }

  std::string bytes_;
  uint64_t entries_ = 0;
};

Metadata With(const std::string& model, const std::string& pre) {
  Metadata metadata;
  metadata.Add("model", model).Add("pre", pre);
  metadata.Add("tokens", Strings{"a", "b", "ab", "<s>", "<tool>"});
  metadata.Add("token_type", Types{1, 1, 1, 3, 4});
  metadata.Add("merges", Strings{"a b"});
  metadata.Add("bos_token_id", uint32_t{3});
  return metadata;
}

TEST(GgufTokenizerTest, ReadsSmolLm) {
  const auto spec = With("gpt2", "smollm").Read();
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->vocabulary, ElementsAre("a", "b", "ab", "<s>", "<tool>"));
  EXPECT_THAT(spec->merges, ElementsAre(Pair("a", "b")));
  EXPECT_THAT(spec->pre_tokenizer.splits, ElementsAre(R"(\p{N})"));
  EXPECT_EQ(spec->pre_tokenizer.pattern, kGpt2Pattern);
  ASSERT_EQ(spec->added_tokens.size(), 2);
  EXPECT_TRUE(spec->added_tokens[0].special);
  EXPECT_FALSE(spec->added_tokens[1].special);
  EXPECT_EQ(spec->added_tokens[1].id, 4);
  EXPECT_TRUE(spec->prefix_ids.empty());
  EXPECT_TRUE(Tokenizer::Create(*spec).ok());
}

TEST(GgufTokenizerTest, KnowsOtherPreTokenizers) {
  for (const char* pre : {"gpt-2", "default"}) {
    const auto spec = With("gpt2", pre).Read();
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->pre_tokenizer.pattern, kGpt2Pattern);
    EXPECT_TRUE(spec->pre_tokenizer.splits.empty());
  }
  const auto llama = With("gpt2", "llama-bpe").Read();
  ASSERT_TRUE(llama.ok()) << llama.status();
  EXPECT_TRUE(llama->ignore_merges);
  EXPECT_THAT(llama->prefix_ids, ElementsAre(3));
  EXPECT_TRUE(Tokenizer::Create(*llama).ok());
  const auto qwen = With("gpt2", "qwen2").Read();
  ASSERT_TRUE(qwen.ok()) << qwen.status();
  EXPECT_TRUE(qwen->normalize_nfc);
  EXPECT_TRUE(Tokenizer::Create(*qwen).ok());
}

TEST(GgufTokenizerTest, TheFileSaysWhetherTextsBeginWithBos) {
  EXPECT_THAT(With("gpt2", "smollm").Add("add_bos_token", true).Read()->prefix_ids, ElementsAre(3));
  EXPECT_TRUE(With("gpt2", "llama-bpe").Add("add_bos_token", false).Read()->prefix_ids.empty());
}

TEST(GgufTokenizerTest, NamesWhatItDoesNotKnow) {
  const auto model = With("llama", "default").Read().status();
  EXPECT_EQ(model.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(model.message()),
              HasSubstr("model.gguf: tokenizer.ggml.model is \"llama\""));
  const auto pre = With("gpt2", "tekken").Read().status();
  EXPECT_EQ(pre.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(pre.message()), HasSubstr("\"tekken\"; prefixd knows smollm, gpt-2"));
}

TEST(GgufTokenizerTest, RefusesDamagedMetadata) {
  EXPECT_EQ(Metadata().Add("model", std::string("gpt2")).Read().status().code(),
            absl::StatusCode::kNotFound);
  const auto read = [](const Strings& tokens, const Types& types, const Strings& merges,
                       uint32_t bos) {
    Metadata metadata;
    metadata.Add("model", std::string("gpt2")).Add("tokens", tokens).Add("token_type", types);
    metadata.Add("merges", merges).Add("bos_token_id", bos).Add("add_bos_token", true);
    return metadata.Read().status().code();
  };
  EXPECT_EQ(read({"a"}, {1}, {}, 0), absl::StatusCode::kOk);
  EXPECT_EQ(read({"a"}, {1, 1}, {}, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(read({"a"}, {1}, {"a"}, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(read({"a"}, {1}, {"a a a"}, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(read({"a"}, {1}, {}, 1), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace prefixd
