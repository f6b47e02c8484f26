#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "model/tokenizer/byte_alphabet.h"
#include "tests/tokenizer/tiny_tokenizer.h"

namespace prefixd {
namespace {

using Random = std::mt19937;

int Below(Random& random, size_t bound) {
  return static_cast<int>(std::uniform_int_distribution<size_t>(0, bound - 1)(random));
}

// Few different bytes, so that merges meet and overlap often.
TokenizerSpec RandomSpec(Random& random) {
  const int bytes = 1 + Below(random, 4);
  std::vector<std::string> tokens;
  for (int i = 0; i < bytes; ++i) tokens.emplace_back(1, static_cast<char>('a' + i));
  std::set<std::pair<std::string, std::string>> seen;
  std::vector<std::pair<std::string, std::string>> merges;
  std::set<std::string> made;
  for (int i = Below(random, 40); i > 0; --i) {
    const std::string left = tokens[static_cast<size_t>(Below(random, tokens.size()))];
    const std::string right = tokens[static_cast<size_t>(Below(random, tokens.size()))];
    if (left.size() + right.size() > 12 || !seen.emplace(left, right).second) continue;
    merges.emplace_back(left, right);
    if (made.insert(left + right).second) tokens.push_back(left + right);
  }
  std::shuffle(merges.begin(), merges.end(), random);
  TokenizerSpec spec = ByteSpec();
  for (const std::string& token : made) spec.vocabulary.push_back(token);
  spec.merges = merges;
  return spec;
}

// The definition: as long as any two neighbours can be merged, merge the best pair, and of several
// the leftmost.
std::vector<std::string> MergeSlowly(const TokenizerSpec& spec, std::string_view word) {
  std::vector<std::string> symbols;
  for (const char byte : word) symbols.emplace_back(1, byte);
  for (;;) {
    size_t best = spec.merges.size(), place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = std::find(spec.merges.begin(), spec.merges.end(),
                                   std::make_pair(symbols[i], symbols[i + 1]));
      const auto rank = static_cast<size_t>(found - spec.merges.begin());
      if (rank < best) best = rank, place = i;
    }
    if (best == spec.merges.size()) return symbols;
    symbols[place] += symbols[place + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(BytePairEncoderTest, MergesAsTheDefinitionDoes) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    const TokenizerSpec spec = RandomSpec(random);
    const auto encoder = BytePairEncoder::Create(spec);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    BytePairEncoder::Scratch scratch;
    for (int i = 0; i < 10; ++i) {
      std::string word;
      for (int length = Below(random, 40); length > 0; --length) {
        word += static_cast<char>('a' + Below(random, 5));
      }
      std::vector<int32_t> ids;
      encoder->Encode(word, scratch, ids);
      std::vector<std::string> tokens;
      for (int32_t id : ids) tokens.push_back(spec.vocabulary[static_cast<size_t>(id)]);
      ASSERT_EQ(tokens, MergeSlowly(spec, word)) << "round " << round << ", word " << word;
    }
  }
}

TEST(BytePairEncoderTest, OfEqualMergesTheLastCounts) {
  TokenizerSpec spec = ByteSpec({{"a", "b"}, {"b", "c"}});
  spec.merges.emplace_back("a", "b");
  const auto encoder = BytePairEncoder::Create(spec);
  ASSERT_TRUE(encoder.ok());
  BytePairEncoder::Scratch scratch;
  std::vector<int32_t> ids;
  encoder->Encode("abc", scratch, ids);
  EXPECT_EQ(ids, (std::vector<int32_t>{'a', 257}));
}

TEST(ByteAlphabetTest, EveryByteHasOneCharacter) {
  std::set<std::string> characters;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string character = ByteToAlphabet(static_cast<unsigned char>(byte));
    EXPECT_EQ(AlphabetToBytes(character), std::string(1, static_cast<char>(byte)));
    characters.insert(character);
  }
  EXPECT_EQ(characters.size(), 256);
  EXPECT_EQ(ByteToAlphabet(' '), "Ġ");
  EXPECT_EQ(ByteToAlphabet('\n'), "Ċ");
  for (const char* text : {" ", "世", "\u0144", "\xFF"}) {
    EXPECT_FALSE(AlphabetToBytes(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace prefixd
