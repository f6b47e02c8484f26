#include "model/tokenizer/hf_tokenizer.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/temp_directory.h"

namespace prefixd {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Json Minimal() {
  return Json::parse(R"json({
    "added_tokens": [],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "byte_fallback": false,
              "continuing_subword_prefix": "", "end_of_word_suffix": null,
              "vocab": {"a": 0, "b": 2, "ab": 1}, "merges": [["a", "b"]]}
  })json");
}

absl::StatusOr<TokenizerSpec> ReadText(std::string_view text) {
  const TempDirectory directory;
  std::ofstream(directory.File("tokenizer.json")) << text;
  return ReadHfTokenizer(directory.path());
}

absl::StatusOr<TokenizerSpec> Read(const Json& json) { return ReadText(json.dump()); }

absl::StatusOr<TokenizerSpec> ReadWith(const char* pointer, const char* value) {
  Json json = Minimal();
  json[Json::json_pointer(pointer)] = Json::parse(value);
  return Read(json);
}

TEST(HfTokenizerTest, ReadsTheModel) {
  auto spec = Read(Minimal());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->vocabulary, ElementsAre("a", "ab", "b"));
  EXPECT_THAT(spec->merges, ElementsAre(Pair("a", "b")));
  EXPECT_EQ(spec->pre_tokenizer.pattern, kGpt2Pattern);
  EXPECT_FALSE(spec->normalize_nfc || spec->ignore_merges || spec->unknown_id.has_value());

  spec = ReadWith("/model/merges", R"(["#version: 0.2", "a b"])");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->merges, ElementsAre(Pair("a", "b")));

  spec = ReadWith("/model/vocab", R"({"a": 7, "b": 0, "ab": 3})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->vocabulary, ElementsAre("b", "", "", "ab", "", "", "", "a"));

  spec = ReadWith("/model/unk_token", R"("b")");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->unknown_id, 2);

  // Older files name no type.
  Json untyped = Minimal();
  untyped["model"].erase("type");
  EXPECT_TRUE(Read(untyped).ok());
}

TEST(HfTokenizerTest, ReadsAddedTokens) {
  const auto spec = ReadWith("/added_tokens", R"json([
    {"id": 9, "content": "<s>", "special": true, "lstrip": true, "rstrip": false,
     "normalized": false, "single_word": false},
    {"id": 1, "content": "ab", "special": false, "lstrip": false, "rstrip": true,
     "normalized": true, "single_word": true}])json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  ASSERT_EQ(spec->added_tokens.size(), 2);
  const AddedToken& first = spec->added_tokens[0];
  EXPECT_TRUE(first.id == 9 && first.text == "<s>" && first.special && first.lstrip);
  EXPECT_FALSE(first.rstrip || first.normalized || first.single_word);
  const AddedToken& second = spec->added_tokens[1];
  EXPECT_TRUE(second.id == 1 && second.rstrip && second.normalized && second.single_word);
  EXPECT_FALSE(second.special || second.lstrip);
}

TEST(HfTokenizerTest, ReadsPreTokenizers) {
  const auto spec = ReadWith("/pre_tokenizer", R"json({"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": true}, {"type": "Digits", "individual_digits": false},
    {"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Isolated", "invert": false},
    {"type": "Split", "pattern": {"String": "a+"}, "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}]})json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->pre_tokenizer.splits, ElementsAre(R"(\p{N})", R"(\p{N}+)", "a+", R"(a\+)"));
  EXPECT_TRUE(spec->pre_tokenizer.add_prefix_space);
  EXPECT_EQ(spec->pre_tokenizer.pattern, "");
}

TEST(HfTokenizerTest, ReadsNormalizersAndTemplates) {
  auto spec = ReadWith("/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "NFC"}]})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->normalize_nfc);
  spec = ReadWith("/post_processor", R"json({"type": "Sequence", "processors": [
    {"type": "ByteLevel"},
    {"type": "TemplateProcessing",
     "single": [{"SpecialToken": {"id": "<x>", "type_id": 0}}, {"Sequence": {"id": "A"}},
                {"SpecialToken": {"id": "<y>", "type_id": 0}}],
     "special_tokens": {"<x>": {"id": "<x>", "ids": [2, 0]}, "<y>": {"ids": [1]}}}]})json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->prefix_ids, ElementsAre(2, 0));
}

TEST(HfTokenizerTest, NamesWhatItDoesNotKnow) {
  struct Case {
    const char* pointer;
    const char* value;
    const char* named;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"/model/type", R"("Unigram")", "\"Unigram\""},
           {"/model/type", R"("WordPiece")", "\"WordPiece\""},
           {"/model/byte_fallback", "true", "byte_fallback"},
           {"/model/dropout", "0.1", "dropout"},
           {"/model/end_of_word_suffix", R"("</w>")", "end_of_word_suffix"},
           {"/model/continuing_subword_prefix", R"("##")", "continuing_subword_prefix"},
           {"/normalizer", R"({"type": "NFKC"})", "\"NFKC\""},
           {"/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Prepend"}]})",
            "\"Prepend\""},
           {"/pre_tokenizer", "null", "without ByteLevel"},
           {"/pre_tokenizer", R"({"type": "Metaspace"})", "\"Metaspace\""},
           {"/pre_tokenizer/type", R"("Digits")", "without ByteLevel"},
           {"/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [{"type": "Split",
             "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": false}]})",
            "\"Removed\""},
           {"/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [{"type": "Split",
             "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": true}]})",
            "invert 1"},
           {"/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"},
             {"type": "Digits"}]})",
            "\"Digits\" after ByteLevel"},
           {"/post_processor", R"({"type": "BertProcessing"})", "\"BertProcessing\""},
           {"/decoder/type", R"("Metaspace")", "\"Metaspace\""},
       }) {
    const auto spec = ReadWith(c.pointer, c.value);
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kUnimplemented) << c.pointer << c.value;
    const std::string message(spec.status().message());
    EXPECT_THAT(message, HasSubstr(c.named));
    EXPECT_THAT(message, HasSubstr("tokenizer.json: "));
    EXPECT_THAT(message, HasSubstr("prefixd knows"));
  }
}

TEST(HfTokenizerTest, RefusesDamagedFiles) {
  for (const auto& [pointer, value] : std::vector<std::pair<const char*, const char*>>{
           {"/model/vocab", "[]"},
           {"/model/vocab/a", "-1"},
           {"/model/vocab/a", "4000000000"},
           {"/model/vocab/a", "1"},
           {"/model/vocab/a", R"("0")"},
           {"/model/merges", "null"},
           {"/model/merges/0", R"("a")"},
           {"/model/merges/0", R"("a b c")"},
           {"/model/merges/0", R"(["a"])"},
           {"/model/merges/0", "7"},
           {"/added_tokens", R"([{"content": "<s>"}])"},
           {"/added_tokens", R"([{"id": 0, "content": "ab"}])"},
           {"/added_tokens", "[3]"},
           {"/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [
             {"type": "Split", "behavior": "Isolated"}]})"},
           {"/post_processor", R"({"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<x>"}}], "special_tokens": {}})"},
       }) {
    EXPECT_EQ(ReadWith(pointer, value).status().code(), absl::StatusCode::kInvalidArgument)
        << pointer << " " << value;
  }
  EXPECT_EQ(ReadText("[]").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadText(R"({"model")").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadHfTokenizer("/nowhere").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace prefixd
