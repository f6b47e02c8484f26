#include "model/model_files.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/files/gguf.h"
#include "model/files/gguf_source.h"
#include "model/files/hf_config.h"
#include "model/files/hf_source.h"
#include "model/tokenizer/gguf_tokenizer.h"
#include "model/tokenizer/hf_tokenizer.h"

namespace prefixd {
namespace {

absl::StatusOr<ModelFiles> OpenGguf(const std::string& path) {
  PREFIXD_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, GgufFile::Open(path));
  ModelFiles files;
  PREFIXD_ASSIGN_OR_RETURN(files.config, ReadGgufConfig(*file));
  PREFIXD_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadGgufTokenizer(*file));
  PREFIXD_ASSIGN_OR_RETURN(files.tokenizer, Tokenizer::Create(std::move(spec)));
  PREFIXD_ASSIGN_OR_RETURN(files.tensors, MakeGgufSource(std::move(file), files.config));
  return files;
}

absl::StatusOr<ModelFiles> OpenDirectory(const std::string& path) {
  PREFIXD_ASSIGN_OR_RETURN(const HfConfig config, ReadHfConfig(path));
  ModelFiles files;
  files.config = config.model;
  PREFIXD_ASSIGN_OR_RETURN(files.tensors, OpenHfSource(path, config));
  PREFIXD_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadHfTokenizer(path));
  PREFIXD_ASSIGN_OR_RETURN(files.tokenizer, Tokenizer::Create(std::move(spec)));
  return files;
}

}  // namespace

absl::StatusOr<ModelFiles> OpenModelFiles(const std::string& path) {
  std::error_code error;
  const bool directory = std::filesystem::is_directory(path, error);
  PREFIXD_ASSIGN_OR_RETURN(ModelFiles files, directory ? OpenDirectory(path) : OpenGguf(path));
  if (files.config.name.empty()) files.config.name = std::filesystem::path(path).stem();
  if (files.tokenizer->size() > files.config.vocabulary) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: the tokenizer has %d tokens, the model's vocabulary only %d", path,
                        files.tokenizer->size(), files.config.vocabulary));
  }
  return files;
}

}  // namespace prefixd
