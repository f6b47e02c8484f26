#include "model/tokenizer.h"

#include <chrono>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tokenizer/tiny_tokenizer.h"

namespace prefixd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Ids = std::vector<int32_t>;

Ids Encode(const Tokenizer& tokenizer, std::string_view text,
           SpecialTokens special = SpecialTokens::kParse) {
  auto ids = tokenizer.Encode(text, special);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(Ids());
}

std::string Decode(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (int32_t id : ids) text += tokenizer.TokenBytes(id, /*keep_special=*/true);
  return text;
}

TEST(TokenizerTest, MergesInTheOrderOfTheRanks) {
  const auto tokenizer = MakeTokenizer(ByteSpec({{"b", "c"}, {"a", "b"}, {"a", "bc"}}));
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre(258));
  EXPECT_THAT(Encode(*tokenizer, "ab"), ElementsAre(257));
  EXPECT_THAT(Encode(*tokenizer, "abab"), ElementsAre(257, 257));
  EXPECT_THAT(Encode(*tokenizer, ""), IsEmpty());
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->TokenBytes(258, /*keep_special=*/false), "abc");
}

TEST(TokenizerTest, NeverMergesAcrossWords) {
  const auto tokenizer = MakeTokenizer(ByteSpec({{"a", "Ġ"}, {"Ġ", "a"}}));
  EXPECT_THAT(Encode(*tokenizer, "a a"), ElementsAre('a', 257));
}

TEST(TokenizerTest, WordsOfTheVocabularyAreNotMergedWhereMergesAreIgnored) {
  TokenizerSpec spec = ByteSpec({{"a", "b"}});
  spec.vocabulary.push_back("abc");
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "abc"), ElementsAre(256, 'c'));
  spec.ignore_merges = true;
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "abc abcd"), ElementsAre(257, ' ', 256, 'c', 'd'));
}

TEST(TokenizerTest, SpecialTokensAreParsedOrReadAsText) {
  TokenizerSpec spec = ByteSpec();
  spec.added_tokens = {{.id = 300, .text = "<s>", .special = true},
                       {.id = 301, .text = "<s>>", .special = false}};
  const auto tokenizer = MakeTokenizer(spec);
  EXPECT_EQ(tokenizer->size(), 302);
  EXPECT_THAT(Encode(*tokenizer, "a<s>b"), ElementsAre('a', 300, 'b'));
  EXPECT_THAT(Encode(*tokenizer, "<s>b", SpecialTokens::kAsText), ElementsAre('<', 's', '>', 'b'));
  EXPECT_THAT(Encode(*tokenizer, "<s>>", SpecialTokens::kAsText), ElementsAre(301));
  EXPECT_EQ(tokenizer->TokenBytes(300, /*keep_special=*/false), "");
  EXPECT_EQ(tokenizer->TokenBytes(300, /*keep_special=*/true), "<s>");
  EXPECT_EQ(tokenizer->TokenBytes(301, /*keep_special=*/false), "<s>>");
}

// A user's text must not become a control token, whatever the vocabulary holds.
TEST(TokenizerTest, ControlTokensCannotBeSpelt) {
  TokenizerSpec spec = ByteSpec();
  spec.vocabulary.push_back("<s>");
  spec.added_tokens = {{.id = 256, .text = "<s>", .special = true}};
  spec.ignore_merges = true;
  spec.pre_tokenizer.pattern = "";
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "<s>", SpecialTokens::kAsText),
              ElementsAre('<', 's', '>'));
}

TEST(TokenizerTest, UnknownBytesAreDroppedOrBecomeTheUnknownToken) {
  TokenizerSpec spec = ByteSpec({{"a", "b"}});
  spec.vocabulary['x'] = "";
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "axxb"), ElementsAre(256));
  spec.unknown_id = 'u';
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "axxb"), ElementsAre('a', 'u', 'u', 'b'));
  spec.fuse_unknown = true;
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "axxb"), ElementsAre('a', 'u', 'b'));
}

TEST(TokenizerTest, PrefixSpaceAndDigits) {
  TokenizerSpec spec = ByteSpec({{"Ġ", "a"}, {"1", "2"}});
  spec.pre_tokenizer = {.splits = {R"(\p{N})"}, .add_prefix_space = true};
  EXPECT_THAT(Encode(*MakeTokenizer(spec), "a12 a"), ElementsAre(256, ' ', '1', ' ', '2', 256));
}

TEST(TokenizerTest, NormalizesBetweenSpecialTokensOnly) {
  TokenizerSpec spec = ByteSpec({{"Ã", "©"}});
  spec.normalize_nfc = true;
  spec.added_tokens = {{.id = 300, .text = "e", .special = true}};
  const auto tokenizer = MakeTokenizer(spec);
  EXPECT_THAT(Encode(*tokenizer, "e\u0301", SpecialTokens::kAsText), ElementsAre(256));
  EXPECT_THAT(Encode(*tokenizer, "e\u0301"), ElementsAre(300, 0xCC, 0x81));
}

TEST(TokenizerTest, RefusesWhatIsNotUtf8) {
  const auto tokenizer = MakeTokenizer(ByteSpec());
  for (const char* text : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_EQ(tokenizer->Encode(text, SpecialTokens::kParse).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Encode(*tokenizer, std::string_view("\0", 1)), ElementsAre(0));
}

TEST(TokenizerTest, TokensThatDoNotExistHaveNoBytes) {
  TokenizerSpec spec = ByteSpec();
  spec.vocabulary.resize(260);
  const auto tokenizer = MakeTokenizer(spec);
  for (int32_t id : {-1, 258, 260, 1 << 30})
    EXPECT_EQ(tokenizer->TokenBytes(id, /*keep_special=*/false), "");
}

TEST(TokenizerTest, RefusesDamagedSpecs) {
  const auto code = [](TokenizerSpec spec) {
    return Tokenizer::Create(std::move(spec)).status().code();
  };
  TokenizerSpec spec = ByteSpec();
  spec.merges = {{"a", "nothing"}};
  EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);
  spec.merges = {{"a", "b"}};
  EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);  // "ab" is no token
  for (int32_t id : {-1, 1 << 30}) {
    spec = ByteSpec();
    spec.added_tokens = {{.id = id, .text = "x"}};
    EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);
  }
  spec = ByteSpec();
  spec.prefix_ids = {256};
  EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);
  spec = ByteSpec();
  spec.unknown_id = -1;
  EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);
  spec = ByteSpec();
  spec.pre_tokenizer.pattern = "a(";
  EXPECT_EQ(code(spec), absl::StatusCode::kInvalidArgument);
  spec.pre_tokenizer.pattern = "^a";
  EXPECT_EQ(code(spec), absl::StatusCode::kUnimplemented);
}

// Texts that make a careless tokenizer quadratic. The bound is far above what they take, and far
// below what they would.
TEST(TokenizerTest, HostileTextsTakeLittleTime) {
  constexpr size_t kBytes = 200'000;
  std::vector<std::pair<std::string, std::string>> merges = {{"a", "a"}, {"Ġ", "Ġ"}};
  for (int i = 0; i < 12; ++i) {
    const auto [left, right] = merges[merges.size() - 2];
    merges.emplace_back(left + right, left + right);
  }
  TokenizerSpec spec = ByteSpec(merges);
  spec.normalize_nfc = true;
  spec.added_tokens = {{.id = 300, .text = "<|token|>", .special = true, .lstrip = true}};
  const auto tokenizer = MakeTokenizer(spec);
  std::string marks(kBytes / 2, '\0');
  for (size_t i = 0; i < marks.size(); i += 2) marks.replace(i, 2, "\u0301");
  for (size_t i = 0; i < kBytes / 2; i += 2) marks += "\u0323";
  const auto repeat = [](std::string_view unit) {
    std::string text;
    while (text.size() < kBytes) text += unit;
    return text;
  };
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& text :
       {repeat("a"), repeat(" "), repeat("\n "), marks, repeat("<|token"), repeat("   <|token|>"),
        repeat("'"), repeat("a1"), repeat(" .")}) {
    ASSERT_TRUE(tokenizer->Encode(text, SpecialTokens::kParse).ok());
  }
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, repeat("a"))), repeat("a"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(TokenizerTest, ManyThreadsEncodeAtOnce) {
  TokenizerSpec spec = ByteSpec({{"t", "h"}, {"th", "e"}, {"Ġ", "the"}, {"Ã", "©"}});
  spec.pre_tokenizer.splits = {R"(\p{N})"};
  spec.normalize_nfc = true;
  spec.added_tokens = {{.id = 300, .text = "<s>", .special = true}};
  const auto tokenizer = MakeTokenizer(spec);
  const std::string text = "the the<s> 123 e\u0301\u0301 can't  \n";
  const Ids expected = Encode(*tokenizer, text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) count += Encode(*tokenizer, text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace prefixd
