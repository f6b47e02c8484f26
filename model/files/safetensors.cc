#include "model/files/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/files/json_file.h"

namespace prefixd {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 8;
constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;
constexpr char kMetadataKey[] = "__metadata__";

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  int bytes;
};
constexpr std::array<DtypeInfo, 15> kDtypes = {{
    {Dtype::kBool, "BOOL", 1},
    {Dtype::kU8, "U8", 1},
    {Dtype::kI8, "I8", 1},
    {Dtype::kF8E5M2, "F8_E5M2", 1},
    {Dtype::kF8E4M3, "F8_E4M3", 1},
    {Dtype::kI16, "I16", 2},
    {Dtype::kU16, "U16", 2},
    {Dtype::kF16, "F16", 2},
    {Dtype::kBF16, "BF16", 2},
    {Dtype::kI32, "I32", 4},
    {Dtype::kU32, "U32", 4},
    {Dtype::kF32, "F32", 4},
    {Dtype::kF64, "F64", 8},
    {Dtype::kI64, "I64", 8},
    {Dtype::kU64, "U64", 8},
}};

const DtypeInfo& InfoOf(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

absl::Status Invalid(std::string_view what, std::string_view tensor, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrFormat("%s: tensor \"%s\" %s", what, tensor, problem));
}

// The bytes that the view's shape asks for; nullopt when a dimension is negative or they overflow.
std::optional<uint64_t> BytesOf(const TensorView& view) {
  uint64_t bytes = InfoOf(view.dtype).bytes;
  for (const int64_t dimension : view.shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(dimension), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

// The member `key` of `object` when it is an array, or nullptr.
const nlohmann::json* FindArray(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? &*found : nullptr;
}

absl::StatusOr<Dtype> ReadDtype(const nlohmann::json& entry) {
  const auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string()) {
    return absl::InvalidArgumentError("has no dtype");
  }
  const auto& name = found->get_ref<const std::string&>();
  for (const DtypeInfo& info : kDtypes) {
    if (info.name == name) return info.dtype;
  }
  return absl::InvalidArgumentError(absl::StrCat("has the unknown dtype \"", name, "\""));
}

// One tensor's entry; the message of an error says what is wrong with the tensor.
absl::StatusOr<TensorView> ReadEntry(const nlohmann::json& entry, std::string_view data) {
  if (!entry.is_object()) return absl::InvalidArgumentError("is not described by an object");
  TensorView view;
  PREFIXD_ASSIGN_OR_RETURN(view.dtype, ReadDtype(entry));
  const nlohmann::json* const shape = FindArray(entry, "shape");
  const nlohmann::json* const offsets = FindArray(entry, "data_offsets");
  if (shape == nullptr || offsets == nullptr || offsets->size() != 2) {
    return absl::InvalidArgumentError("has no shape or no data_offsets");
  }
  for (const nlohmann::json& dimension : *shape) {
    if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > INT64_MAX) {
      return absl::InvalidArgumentError("has a shape that is no list of sizes");
    }
    view.shape.push_back(static_cast<int64_t>(dimension.get<uint64_t>()));
  }
  const nlohmann::json& first = (*offsets)[0];
  const nlohmann::json& last = (*offsets)[1];
  if (!first.is_number_unsigned() || !last.is_number_unsigned()) {
    return absl::InvalidArgumentError("has data_offsets that are no offsets");
  }
  const uint64_t begin = first.get<uint64_t>();
  const uint64_t end = last.get<uint64_t>();
  if (begin > end || end > data.size()) {
    return absl::InvalidArgumentError("lies outside the file; is the file truncated?");
  }
  if (BytesOf(view) != end - begin) {
    return absl::InvalidArgumentError("has data_offsets that do not fit its shape and dtype");
  }
  view.bytes = data.substr(begin, end - begin);
  return view;
}

// The tensors must cover the data with no hole and no overlap.
absl::Status CheckCover(const TensorViews& tensors, std::string_view data, std::string_view what) {
  std::vector<std::pair<std::string_view, std::string_view>> by_place;  // bytes, name
  for (const auto& [name, view] : tensors) by_place.emplace_back(view.bytes, name);
  std::sort(by_place.begin(), by_place.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.data(), a.first.size()) < std::pair(b.first.data(), b.first.size());
  });
  const char* next = data.data();
  for (const auto& [bytes, name] : by_place) {
    if (bytes.data() != next) return Invalid(what, name, "overlaps another or follows a hole");
    next += bytes.size();
  }
  if (next != data.data() + data.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s has bytes that belong to no tensor", what));
  }
  return absl::OkStatus();
}

absl::Status ReadMetadata(const nlohmann::json& object, std::string_view what,
                          TensorsMetadata* metadata) {
  const absl::Status error = absl::InvalidArgumentError(
      absl::StrFormat("%s: %s must map text to text", what, kMetadataKey));
  if (!object.is_object()) return error;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return error;
    metadata->emplace(key, value.get_ref<const std::string&>());
  }
  return absl::OkStatus();
}

// `text` as a JSON string, or INVALID_ARGUMENT when it is not UTF-8.
absl::StatusOr<std::string> Quoted(const std::string& text) {
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError("a name or metadata text of the tensors is not UTF-8");
  }
  return nlohmann::json(text).dump();
}

using Order = std::vector<const TensorViews::value_type*>;

// The header, padded, of tensors that lie in this order with no hole.
absl::StatusOr<std::string> HeaderOf(const Order& order, const TensorsMetadata& metadata) {
  std::vector<std::string> members;
  if (!metadata.empty()) {
    std::vector<std::string> texts;
    for (const auto& [name, text] : metadata) {
      PREFIXD_ASSIGN_OR_RETURN(const std::string key, Quoted(name));
      PREFIXD_ASSIGN_OR_RETURN(const std::string value, Quoted(text));
      texts.push_back(absl::StrCat(key, ":", value));
    }
    members.push_back(absl::StrCat("\"", kMetadataKey, "\":{", absl::StrJoin(texts, ","), "}"));
  }
  size_t offset = 0;
  for (const auto* tensor : order) {
    const TensorView& view = tensor->second;
    const size_t end = offset + view.bytes.size();
    PREFIXD_ASSIGN_OR_RETURN(const std::string key, Quoted(tensor->first));
    members.push_back(
        absl::StrFormat("%s:{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", key,
                        DtypeName(view.dtype), absl::StrJoin(view.shape, ","), offset, end));
    offset = end;
  }
  std::string header = absl::StrCat("{", absl::StrJoin(members, ","), "}");
  header.append((kAlignment - header.size() % kAlignment) % kAlignment, ' ');
  return header;
}

}  // namespace

std::string_view DtypeName(Dtype dtype) { return InfoOf(dtype).name; }

std::optional<TensorType> FloatType(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return TensorType::kF32;
    case Dtype::kF16:
      return TensorType::kF16;
    case Dtype::kBF16:
      return TensorType::kBF16;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<Safetensors> ParseSafetensors(std::string_view bytes, std::string_view what) {
  uint64_t length = 0;
  if (bytes.size() >= kLengthBytes) std::memcpy(&length, bytes.data(), kLengthBytes);
  if (bytes.size() < kLengthBytes || length > bytes.size() - kLengthBytes ||
      length > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s is truncated or is no safetensors file (its header is longer than the "
                        "file or than %d bytes)",
                        what, kMaxHeaderBytes));
  }
  PREFIXD_ASSIGN_OR_RETURN(const nlohmann::json header,
                           ParseJsonObject(bytes.substr(kLengthBytes, length),
                                           absl::StrFormat("the header of %s", what)));
  const std::string_view data = bytes.substr(kLengthBytes + length);
  Safetensors result;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      PREFIXD_RETURN_IF_ERROR(ReadMetadata(entry, what, &result.metadata));
      continue;
    }
    absl::StatusOr<TensorView> view = ReadEntry(entry, data);
    if (!view.ok()) return Invalid(what, name, std::string(view.status().message()));
    result.tensors.emplace(name, *std::move(view));
  }
  PREFIXD_RETURN_IF_ERROR(CheckCover(result.tensors, data, what));
  return result;
}

absl::StatusOr<SafetensorsFile> OpenSafetensors(const std::string& path) {
  SafetensorsFile result;
  PREFIXD_ASSIGN_OR_RETURN(result.file, MappedFile::Open(path));
  PREFIXD_ASSIGN_OR_RETURN(result.contents, ParseSafetensors(result.file->bytes(), path));
  return result;
}

absl::StatusOr<std::vector<float>> ReadFloats(const TensorView& tensor) {
  const std::optional<TensorType> type = FloatType(tensor.dtype);
  if (!type.has_value()) {
    return absl::UnimplementedError(
        absl::StrFormat("dtype %s is not one of F32, F16, BF16", DtypeName(tensor.dtype)));
  }
  std::vector<float> values(tensor.bytes.size() / InfoOf(tensor.dtype).bytes);
  PREFIXD_RETURN_IF_ERROR(Dequantize(*type, tensor.bytes, values));
  return values;
}

absl::StatusOr<std::string> SerializeSafetensors(const TensorViews& tensors,
                                                 const TensorsMetadata& metadata) {
  Order order;
  for (const auto& tensor : tensors) {
    if (tensor.first == kMetadataKey || BytesOf(tensor.second) != tensor.second.bytes.size()) {
      return Invalid("cannot write", tensor.first,
                     "has a reserved name or bytes that do not fit its shape and dtype");
    }
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return InfoOf(a->second.dtype).bytes > InfoOf(b->second.dtype).bytes;
  });
  PREFIXD_ASSIGN_OR_RETURN(const std::string header, HeaderOf(order, metadata));
  const uint64_t length = header.size();
  std::string file(kLengthBytes, '\0');
  std::memcpy(file.data(), &length, kLengthBytes);
  file += header;
  for (const auto* tensor : order) file += tensor->second.bytes;
  return file;
}

}  // namespace prefixd
