// Small tokenizers for the tests.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "model/tokenizer/byte_alphabet.h"

namespace prefixd {

// Bytes 0 to 255 have their own values as ids; each merge's result gets the next id.
inline TokenizerSpec ByteSpec(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) {
    spec.vocabulary.push_back(ByteToAlphabet(static_cast<unsigned char>(byte)));
  }
  for (const auto& [left, right] : merges) spec.vocabulary.push_back(left + right);
  spec.merges = merges;
  return spec;
}

inline std::unique_ptr<const Tokenizer> MakeTokenizer(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::Create(std::move(spec));
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status();
    std::abort();
  }
  return *std::move(tokenizer);
}

inline std::string GoldenFolder() {
  const char* root = std::getenv("PREFIXD_SOURCE_DIR");
  return std::string(root == nullptr ? "." : root) + "/tests/golden/tokenizer";
}

}  // namespace prefixd
