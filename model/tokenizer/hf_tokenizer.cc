#include "model/tokenizer/hf_tokenizer.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/files/json_file.h"

namespace prefixd {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxId = (1 << 24) - 1;  // Tokenizer::Create accepts no more

const Json& Field(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string Text(const Json& value) {
  const auto* text = value.get_ptr<const std::string*>();
  return text == nullptr ? std::string() : *text;
}

bool Flag(const Json& object, const char* key, bool otherwise = false) {
  const auto* flag = Field(object, key).get_ptr<const bool*>();
  return flag == nullptr ? otherwise : *flag;
}

// -1 when `value` is no id.
int32_t Id(const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxId) return -1;
  return static_cast<int32_t>(value.get<uint64_t>());
}

absl::Status Unsupported(const char* part, const std::string& found, const char* known) {
  return absl::UnimplementedError(absl::StrCat("the tokenizer's ", part, " is ", found,
                                               "; prefixd knows byte-level BPE alone, with ",
                                               known));
}

absl::Status Damaged(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("the tokenizer's ", what));
}

// `value` as a list of parts: none when it is null, its elements when it is a Sequence (whose
// elements are under `key`), or itself.
std::vector<const Json*> Parts(const Json& value, const char* key) {
  std::vector<const Json*> parts;
  if (value.is_null()) return parts;
  if (Text(Field(value, "type")) != "Sequence") return {&value};
  for (const Json& part : Field(value, key)) parts.push_back(&part);
  return parts;
}

absl::Status ReadVocabulary(const Json& model, TokenizerSpec& spec) {
  const Json& vocabulary = Field(model, "vocab");
  if (!vocabulary.is_object()) return Damaged("model has no vocab");
  for (const auto& [token, value] : vocabulary.items()) {
    const int32_t id = Id(value);
    if (id < 0) {
      return Damaged(absl::StrCat("token \"", token, "\" has no id from 0 to ", kMaxId));
    }
    if (static_cast<size_t>(id) >= spec.vocabulary.size()) {
      spec.vocabulary.resize(static_cast<size_t>(id) + 1);
    }
    std::string& place = spec.vocabulary[static_cast<size_t>(id)];
    if (!place.empty()) {
      return Damaged(absl::StrCat("tokens \"", place, "\" and \"", token, "\" have one id, ", id));
    }
    place = token;
  }
  return absl::OkStatus();
}

// Merges are pairs, or strings as in merges.txt: "left right", after a line "#version: 0.2".
absl::Status ReadMerges(const Json& model, TokenizerSpec& spec) {
  const Json& merges = Field(model, "merges");
  if (!merges.is_array()) return Damaged("model has no merges");
  spec.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    std::vector<std::string> pair;
    if (merge.is_array()) {
      for (const Json& token : merge) pair.push_back(Text(token));
    } else if (Text(merge).starts_with("#version")) {
      continue;
    } else {
      pair = absl::StrSplit(Text(merge), ' ');
    }
    if (pair.size() != 2 || pair[0].empty() || pair[1].empty()) {
      return Damaged(absl::StrCat("merge number ", spec.merges.size() + 1, " is not two tokens"));
    }
    spec.merges.emplace_back(std::move(pair[0]), std::move(pair[1]));
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const Json& model, TokenizerSpec& spec) {
  constexpr char kKnown[] =
      "a model of type BPE without byte_fallback, dropout, "
      "continuing_subword_prefix and end_of_word_suffix";
  // Files older than the field "type" hold merges if they are BPE.
  const bool untyped = Field(model, "type").is_null() && Field(model, "merges").is_array();
  if (Text(Field(model, "type")) != "BPE" && !untyped) {
    return Unsupported("model", absl::StrCat("\"", Text(Field(model, "type")), "\""), kKnown);
  }
  if (Flag(model, "byte_fallback")) return Unsupported("model", "BPE with byte_fallback", kKnown);
  const Json& dropout = Field(model, "dropout");
  if (dropout.is_number() && dropout.get<double>() != 0) {
    return Unsupported("model", "BPE with dropout", kKnown);
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!Text(Field(model, affix)).empty()) {
      return Unsupported("model", absl::StrCat("BPE with ", affix), kKnown);
    }
  }
  PREFIXD_RETURN_IF_ERROR(ReadVocabulary(model, spec));
  PREFIXD_RETURN_IF_ERROR(ReadMerges(model, spec));
  spec.ignore_merges = Flag(model, "ignore_merges");
  spec.fuse_unknown = Flag(model, "fuse_unk");
  if (const std::string unknown = Text(Field(model, "unk_token")); !unknown.empty()) {
    const int32_t id = Id(Field(Field(model, "vocab"), unknown.c_str()));
    if (id >= 0) spec.unknown_id = id;
  }
  return absl::OkStatus();
}

absl::Status ReadAddedTokens(const Json& tokenizer, TokenizerSpec& spec) {
  const Json& vocabulary = Field(Field(tokenizer, "model"), "vocab");
  for (const Json& value : Field(tokenizer, "added_tokens")) {
    AddedToken token{.id = Id(Field(value, "id")),
                     .text = Text(Field(value, "content")),
                     .special = Flag(value, "special"),
                     .lstrip = Flag(value, "lstrip"),
                     .rstrip = Flag(value, "rstrip"),
                     .single_word = Flag(value, "single_word"),
                     .normalized = Flag(value, "normalized")};
    if (token.id < 0) {
      return Damaged(absl::StrCat("added token \"", token.text, "\" has no id from 0 to ", kMaxId));
    }
    const Json& same = Field(vocabulary, token.text.c_str());
    if (!same.is_null() && Id(same) != token.id) {
      return Damaged(absl::StrCat("added token \"", token.text, "\" has the id ", token.id,
                                  ", but in the vocabulary it has another"));
    }
    spec.added_tokens.push_back(std::move(token));
  }
  return absl::OkStatus();
}

absl::Status ReadNormalizer(const Json& normalizer, TokenizerSpec& spec) {
  for (const Json* part : Parts(normalizer, "normalizers")) {
    const std::string type = Text(Field(*part, "type"));
    if (type != "NFC") {
      return Unsupported("normalizer", absl::StrCat("\"", type, "\""), "NFC or none");
    }
    spec.normalize_nfc = true;
  }
  return absl::OkStatus();
}

// A pattern that matches `text` and nothing else.
std::string Quote(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (absl::ascii_ispunct(static_cast<unsigned char>(c))) pattern.push_back('\\');
    pattern.push_back(c);
  }
  return pattern;
}

absl::Status ReadSplit(const Json& split, TokenizerSpec& spec) {
  const std::string behavior = Text(Field(split, "behavior"));
  if (behavior != "Isolated" || Flag(split, "invert")) {
    return Unsupported(
        "pre_tokenizer",
        absl::StrCat("Split with behavior \"", behavior, "\" and invert ", Flag(split, "invert")),
        "Split of behavior Isolated, not inverted");
  }
  const Json& pattern = Field(split, "pattern");
  std::string text = Text(Field(pattern, "Regex"));
  if (text.empty()) text = Quote(Text(Field(pattern, "String")));
  if (text.empty()) return Damaged("pre_tokenizer has a Split without a pattern");
  spec.pre_tokenizer.splits.push_back(std::move(text));
  return absl::OkStatus();
}

absl::Status ReadPreTokenizer(const Json& pre_tokenizer, TokenizerSpec& spec) {
  constexpr char kKnown[] = "ByteLevel, or a Sequence of Digits and Split that ends in ByteLevel";
  spec.pre_tokenizer.pattern.clear();
  bool byte_level = false;
  for (const Json* part : Parts(pre_tokenizer, "pretokenizers")) {
    const std::string type = Text(Field(*part, "type"));
    if (byte_level) {
      return Unsupported("pre_tokenizer", absl::StrCat("\"", type, "\" after ByteLevel"), kKnown);
    }
    if (type == "Digits") {
      spec.pre_tokenizer.splits.emplace_back(Flag(*part, "individual_digits") ? R"(\p{N})"
                                                                              : R"(\p{N}+)");
    } else if (type == "Split") {
      PREFIXD_RETURN_IF_ERROR(ReadSplit(*part, spec));
    } else if (type == "ByteLevel") {
      byte_level = true;
      spec.pre_tokenizer.add_prefix_space = Flag(*part, "add_prefix_space", true);
      if (Flag(*part, "use_regex", true)) spec.pre_tokenizer.pattern = kGpt2Pattern;
    } else {
      return Unsupported("pre_tokenizer", absl::StrCat("\"", type, "\""), kKnown);
    }
  }
  if (!byte_level) return Unsupported("pre_tokenizer", "without ByteLevel", kKnown);
  return absl::OkStatus();
}

// The ids before the text in a template [{"SpecialToken": {"id": "<s>"}}, {"Sequence": …}, …].
absl::Status ReadTemplate(const Json& processor, TokenizerSpec& spec) {
  for (const Json& piece : Field(processor, "single")) {
    const Json& token = Field(piece, "SpecialToken");
    if (token.is_null()) break;
    const std::string name = Text(Field(token, "id"));
    const Json& ids = Field(Field(Field(processor, "special_tokens"), name.c_str()), "ids");
    if (!ids.is_array()) return Damaged(absl::StrCat("template has no ids for \"", name, "\""));
    for (const Json& id : ids) spec.prefix_ids.push_back(Id(id));
  }
  return absl::OkStatus();
}

absl::Status ReadPostProcessor(const Json& processor, TokenizerSpec& spec) {
  for (const Json* part : Parts(processor, "processors")) {
    const std::string type = Text(Field(*part, "type"));
    if (type == "TemplateProcessing") {
      PREFIXD_RETURN_IF_ERROR(ReadTemplate(*part, spec));
    } else if (type != "ByteLevel") {
      return Unsupported("post_processor", absl::StrCat("\"", type, "\""),
                         "ByteLevel, TemplateProcessing or none");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDecoder(const Json& decoder) {
  for (const Json* part : Parts(decoder, "decoders")) {
    const std::string type = Text(Field(*part, "type"));
    if (type != "ByteLevel") {
      return Unsupported("decoder", absl::StrCat("\"", type, "\""), "ByteLevel or none");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenizerSpec> ReadSpec(const Json& tokenizer) {
  TokenizerSpec spec;
  PREFIXD_RETURN_IF_ERROR(ReadModel(Field(tokenizer, "model"), spec));
  PREFIXD_RETURN_IF_ERROR(ReadAddedTokens(tokenizer, spec));
  PREFIXD_RETURN_IF_ERROR(ReadNormalizer(Field(tokenizer, "normalizer"), spec));
  PREFIXD_RETURN_IF_ERROR(ReadPreTokenizer(Field(tokenizer, "pre_tokenizer"), spec));
  PREFIXD_RETURN_IF_ERROR(ReadPostProcessor(Field(tokenizer, "post_processor"), spec));
  PREFIXD_RETURN_IF_ERROR(CheckDecoder(Field(tokenizer, "decoder")));
  return spec;
}

}  // namespace

absl::StatusOr<TokenizerSpec> ReadHfTokenizer(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/tokenizer.json");
  PREFIXD_ASSIGN_OR_RETURN(const Json tokenizer, ReadJsonFile(path));
  absl::StatusOr<TokenizerSpec> spec = ReadSpec(tokenizer);
  if (spec.ok()) return spec;
  return absl::Status(spec.status().code(), absl::StrCat(path, ": ", spec.status().message()));
}

}  // namespace prefixd
