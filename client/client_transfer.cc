// Client's transfers of whole prefix files.
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/client_call.h"
#include "client/new_file.h"
#include "client/rpc_error.h"

namespace prefixd {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr char kPeftTensors[] = "adapter_model.safetensors";
constexpr char kPeftConfig[] = "adapter_config.json";

// A file to upload, and what the server must know about it.
struct Source {
  std::unique_ptr<MappedFile> tensors;
  v1::PrefixFormat format;
  std::string peft_config_json;
};

absl::StatusOr<Source> OpenSource(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path directory(path);
  if (!fs::is_directory(directory, error)) {
    const bool is_peft = directory.filename() == kPeftTensors &&
                         fs::exists(directory.parent_path() / kPeftConfig, error);
    if (!is_peft) {
      PREFIXD_ASSIGN_OR_RETURN(auto tensors, MappedFile::Open(path));
      return Source{std::move(tensors), v1::PREFIX_FORMAT_PREFIXD, ""};
    }
    directory = directory.parent_path();
  }
  PREFIXD_ASSIGN_OR_RETURN(auto tensors, MappedFile::Open(directory / kPeftTensors));
  PREFIXD_ASSIGN_OR_RETURN(auto config, MappedFile::Open(directory / kPeftConfig));
  return Source{std::move(tensors), v1::PREFIX_FORMAT_PEFT, std::string(config->bytes())};
}

}  // namespace

absl::StatusOr<v1::Prefix> Client::UploadPrefix(const NewVersion& version, const std::string& path,
                                                ProgressCallback on_progress) {
  PREFIXD_ASSIGN_OR_RETURN(const Source source, OpenSource(path));
  const std::string_view bytes = source.tensors->bytes();
  const auto total = static_cast<int64_t>(bytes.size());

  v1::UploadPrefixRequest message;
  v1::UploadPrefixRequest::Header& header = *message.mutable_header();
  header.set_parent(ResourceName(version.task));
  header.set_format(source.format);
  header.set_peft_config_json(source.peft_config_json);
  header.set_sha256(Sha256Hex(bytes));
  header.set_description(version.description);
  header.set_no_activate(!version.activate);

  Call call(*this);
  v1::Prefix prefix;
  const auto writer = prefixes_->UploadPrefix(call.context(), &prefix);
  bool open = writer->Write(message);
  on_progress(0, total);
  for (size_t sent = 0; open && sent < bytes.size();) {
    const std::string_view chunk = bytes.substr(sent, kChunkBytes);
    message.set_chunk(std::string(chunk));
    open = writer->Write(message);
    sent += chunk.size();
    if (open) on_progress(static_cast<int64_t>(sent), total);
  }
  if (open) writer->WritesDone();  // a refusal ends the stream early; Finish tells why
  const absl::Status status = FromGrpcStatus(writer->Finish());
  if (!status.ok()) return status;
  return prefix;
}

absl::StatusOr<v1::Prefix> Client::DownloadPrefix(const std::string& task, int64_t version,
                                                  const std::string& path) {
  v1::DownloadPrefixRequest request;
  request.set_name(ResourceName(task, version));
  Call call(*this);
  const auto reader = prefixes_->DownloadPrefix(call.context(), request);

  v1::DownloadPrefixResponse message;
  v1::Prefix prefix;
  absl::StatusOr<NewFile> file = absl::UnknownError("nothing came");
  Sha256 sha256;
  absl::Status written;
  while (reader->Read(&message)) {
    if (!written.ok()) continue;
    if (message.has_prefix()) {
      prefix = message.prefix();
      file = NewFile::Create(path);
      written = file.status();
    } else if (file.ok()) {
      sha256.Update(message.chunk());
      written = file->Append(message.chunk());
    }
    if (!written.ok()) call.context()->TryCancel();
  }
  const absl::Status status = FromGrpcStatus(reader->Finish());
  if (!written.ok()) return written;
  if (!status.ok()) return status;
  if (!file.ok()) return absl::InternalError("the server sent no file");
  if (sha256.HexDigest() != prefix.sha256()) {
    return absl::DataLossError(absl::StrCat(
        prefix.name(), " arrived damaged (its checksum differs); nothing was written"));
  }
  PREFIXD_RETURN_IF_ERROR(file->Commit());
  return prefix;
}

}  // namespace prefixd
