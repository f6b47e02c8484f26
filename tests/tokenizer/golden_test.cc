// The ids of Hugging Face's tokenizers, made by tests/golden/make_tokenizer_golden.py.
#include <array>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "model/files/gguf.h"
#include "model/tokenizer/gguf_tokenizer.h"
#include "model/tokenizer/hf_tokenizer.h"
#include "model/tokenizer/unicode.h"
#include "tests/tokenizer/tiny_tokenizer.h"

namespace prefixd {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

Json ReadJson(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return Json::parse(file);
}

// The bytes that the vocabulary has; the others are dropped.
std::array<bool, 256> PresentBytes(const TokenizerSpec& spec) {
  std::array<bool, 256> present{};
  for (const std::string& token : spec.vocabulary) {
    const auto bytes = AlphabetToBytes(token);
    if (bytes.has_value() && bytes->size() == 1) {
      present[static_cast<unsigned char>(bytes->front())] = true;
    }
  }
  return present;
}

std::string Decode(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (int32_t id : ids) text += tokenizer.TokenBytes(id, /*keep_special=*/true);
  return text;
}

// A line is [text, ids] or [text, ids, ids where special tokens are text]. `lossless`: the
// tokenizer has nothing that changes a text but bytes that are missing.
void ExpectSameIds(const std::string& path, const TokenizerSpec& spec, int texts, bool lossless) {
  const auto tokenizer = MakeTokenizer(spec);
  const std::array<bool, 256> present = PresentBytes(spec);
  std::ifstream file(path);
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const Json golden = Json::parse(line);
    const auto text = golden[0].get<std::string>();
    const auto parsed = tokenizer->Encode(text, SpecialTokens::kParse);
    const auto as_text = tokenizer->Encode(text, SpecialTokens::kAsText);
    ASSERT_TRUE(parsed.ok() && as_text.ok()) << parsed.status();
    ASSERT_EQ(*parsed, golden[1].get<Ids>()) << line;
    ASSERT_EQ(*as_text, golden.back().get<Ids>()) << line;
    if (!lossless) continue;
    std::string kept = spec.normalize_nfc ? NormalizeNfc(text) : text;
    std::erase_if(kept, [&](char byte) { return !present[static_cast<unsigned char>(byte)]; });
    ASSERT_EQ(Decode(*tokenizer, *as_text), kept) << line;
  }
  EXPECT_EQ(lines, texts) << path;
}

TEST(TokenizerGoldenTest, SmolLm2) {
  const char* model = std::getenv("PREFIXD_TEST_MODEL");
  if (model == nullptr || *model == '\0') GTEST_SKIP() << "PREFIXD_TEST_MODEL names no model";
  const auto file = GgufFile::Open(model);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto spec = ReadGgufTokenizer(**file);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->vocabulary.size(), 49152);
  EXPECT_TRUE(spec->prefix_ids.empty());
  ExpectSameIds(GoldenFolder() + "/smollm2.jsonl", *spec, 10000, /*lossless=*/true);
}

class HfGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(HfGoldenTest, SameIds) {
  const std::string folder = GoldenFolder() + "/" + GetParam();
  const auto spec = ReadHfTokenizer(folder);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto tokenizer = MakeTokenizer(*spec);
  const Json expected = ReadJson(folder + "/expected.json");
  EXPECT_EQ(tokenizer->size(), expected["size"].get<int>());
  EXPECT_EQ(spec->prefix_ids, expected["prefix_ids"].get<Ids>());
  const bool lossless = GetParam() != std::string("every_flag");
  ExpectSameIds(folder + "/texts.jsonl", *spec, 1000, lossless);
}

INSTANTIATE_TEST_SUITE_P(Models, HfGoldenTest,
                         ::testing::Values("gpt2", "llama3", "qwen2", "every_flag"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace prefixd
