#include "base/sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace prefixd {
namespace {

// FIPS 180-4's examples, and NIST's long message.
TEST(Sha256Test, GivesTheStandardsDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, PiecesGiveTheDigestOfTheWhole) {
  std::mt19937 random(1);
  std::string bytes(10'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  Sha256 hash;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t size = random() % 300;  // 0 among them
    hash.Update(std::string_view(bytes).substr(begin, size));
    begin += size;
  }
  EXPECT_EQ(hash.HexDigest(), Sha256Hex(bytes));
}

}  // namespace
}  // namespace prefixd
