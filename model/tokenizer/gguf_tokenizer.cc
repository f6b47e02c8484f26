#include "model/tokenizer/gguf_tokenizer.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace prefixd {
namespace {

constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;

constexpr char kLlama3Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2Pattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                                 R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Sets how the model called `pre` prepares text.
absl::Status SetPreTokenizer(std::string_view pre, TokenizerSpec& spec) {
  if (pre == "gpt-2" || pre == "default") {
    spec.pre_tokenizer.pattern = kGpt2Pattern;
  } else if (pre == "smollm") {
    spec.pre_tokenizer = {.splits = {R"(\p{N})"}, .pattern = kGpt2Pattern};
  } else if (pre == "llama-bpe") {
    spec.pre_tokenizer.pattern = kLlama3Pattern;
    spec.ignore_merges = true;
  } else if (pre == "qwen2") {
    spec.pre_tokenizer.pattern = kQwen2Pattern;
    spec.normalize_nfc = true;
  } else {
    return absl::UnimplementedError(absl::StrFormat(
        "tokenizer.ggml.pre is \"%s\"; prefixd knows smollm, gpt-2, default, llama-bpe and qwen2",
        pre));
  }
  return absl::OkStatus();
}

absl::Status ReadTokens(const GgufFile& file, TokenizerSpec& spec) {
  PREFIXD_ASSIGN_OR_RETURN(const auto tokens, file.GetStringArray("tokenizer.ggml.tokens"));
  PREFIXD_ASSIGN_OR_RETURN(const auto types, file.GetIntegerArray("tokenizer.ggml.token_type"));
  if (tokens.size() != types.size() || tokens.size() > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml has ", tokens.size(),
                                                   " tokens and ", types.size(), " token types"));
  }
  spec.vocabulary.assign(tokens.begin(), tokens.end());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (types[id] != kControl && types[id] != kUserDefined) continue;
    spec.added_tokens.push_back({.id = static_cast<int32_t>(id),
                                 .text = spec.vocabulary[id],
                                 .special = types[id] == kControl});
  }
  return absl::OkStatus();
}

absl::Status ReadMerges(const GgufFile& file, TokenizerSpec& spec) {
  PREFIXD_ASSIGN_OR_RETURN(const auto merges, file.GetStringArray("tokenizer.ggml.merges"));
  spec.merges.reserve(merges.size());
  for (std::string_view merge : merges) {
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrFormat("tokenizer.ggml.merges number %d, \"%s\", is not two tokens",
                          spec.merges.size() + 1, merge));
    }
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return absl::OkStatus();
}

absl::Status ReadPrefix(const GgufFile& file, std::string_view pre, TokenizerSpec& spec) {
  bool add_bos = pre == "llama-bpe";
  if (file.Has("tokenizer.ggml.add_bos_token")) {
    PREFIXD_ASSIGN_OR_RETURN(add_bos, file.GetBool("tokenizer.ggml.add_bos_token"));
  }
  if (!add_bos) return absl::OkStatus();
  PREFIXD_ASSIGN_OR_RETURN(const int64_t bos, file.GetInteger("tokenizer.ggml.bos_token_id"));
  if (bos < 0 || static_cast<uint64_t>(bos) >= spec.vocabulary.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.bos_token_id is ", bos, ", which no token has"));
  }
  spec.prefix_ids = {static_cast<int32_t>(bos)};
  return absl::OkStatus();
}

absl::StatusOr<TokenizerSpec> ReadSpec(const GgufFile& file) {
  PREFIXD_ASSIGN_OR_RETURN(const auto model, file.GetString("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return absl::UnimplementedError(absl::StrFormat(
        "tokenizer.ggml.model is \"%s\"; prefixd knows byte-level BPE alone, gpt2", model));
  }
  std::string_view pre = "default";
  if (file.Has("tokenizer.ggml.pre")) {
    PREFIXD_ASSIGN_OR_RETURN(pre, file.GetString("tokenizer.ggml.pre"));
  }
  TokenizerSpec spec;
  PREFIXD_RETURN_IF_ERROR(SetPreTokenizer(pre, spec));
  PREFIXD_RETURN_IF_ERROR(ReadTokens(file, spec));
  PREFIXD_RETURN_IF_ERROR(ReadMerges(file, spec));
  PREFIXD_RETURN_IF_ERROR(ReadPrefix(file, pre, spec));
  return spec;
}

}  // namespace

absl::StatusOr<TokenizerSpec> ReadGgufTokenizer(const GgufFile& file) {
  absl::StatusOr<TokenizerSpec> spec = ReadSpec(file);
  if (spec.ok() || absl::StrContains(spec.status().message(), file.path())) return spec;
  return absl::Status(spec.status().code(),
                      absl::StrCat(file.path(), ": ", spec.status().message()));
}

}  // namespace prefixd
