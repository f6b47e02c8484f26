#include "model/files/json_file.h"

#include "absl/strings/str_format.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"

namespace prefixd {

absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view what) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is not a JSON object", what));
  }
  return value;
}

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path, size_t max_bytes) {
  PREFIXD_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  if (file->bytes().size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrFormat("%s has %d bytes; at most %d are read", path,
                                                      file->bytes().size(), max_bytes));
  }
  return ParseJsonObject(file->bytes(), path);
}

}  // namespace prefixd
