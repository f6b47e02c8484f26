// Reads Hugging Face's tokenizer.json, as far as it describes byte-level BPE:
//
//   model           BPE without byte_fallback, dropout and affixes of words
//   normalizer      null, NFC, or a Sequence of these
//   pre_tokenizer   ByteLevel, or a Sequence of Digits and Split (Regex or String, Isolated, not
//                   inverted) that ends in ByteLevel
//   post_processor  null, ByteLevel, TemplateProcessing, or a Sequence of these
//   decoder         null, ByteLevel, or a Sequence of these
//
// The file's truncation and padding are not a tokenizer's business and are ignored.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "model/tokenizer.h"

namespace prefixd {

// Reads `directory`/tokenizer.json. prefix_ids are the special tokens that the post-processor's
// template for one text has before the text; what it has behind the text is left out, since a
// prompt is to be continued.
// NOT_FOUND when there is no file; INVALID_ARGUMENT when it is damaged; UNIMPLEMENTED, naming what
// was found and what is known, when it describes another kind of tokenizer. All name the file.
absl::StatusOr<TokenizerSpec> ReadHfTokenizer(const std::string& directory);

}  // namespace prefixd
