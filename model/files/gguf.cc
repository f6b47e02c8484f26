#include "model/files/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace prefixd {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kVersion = 3;
constexpr int64_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = int64_t{1} << 20;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinEntryBytes = kMinStringBytes + 4 + 1;
constexpr uint64_t kMinTensorBytes = kMinStringBytes + 4 + 4 + 8;

enum class ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

// Reads forward through the file. After the first read past the end every read gives zero.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  template <typename T>
  T Read() {
    T value{};
    const std::string_view taken = Take(sizeof(T));
    if (!taken.empty()) std::memcpy(&value, taken.data(), sizeof(T));
    return value;
  }

  std::string_view ReadString() { return Take(Read<uint64_t>()); }

  // A count of things of at least `min_bytes` each: more than the file can hold fails.
  uint64_t ReadCount(uint64_t min_bytes) {
    const auto count = Read<uint64_t>();
    if (count > remaining() / min_bytes) ok_ = false;
    return ok_ ? count : 0;
  }

 private:
  std::string_view Take(uint64_t size) {
    if (!ok_ || size > remaining()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(offset_, size);
    offset_ += size;
    return taken;
  }

  const std::string_view bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

template <typename T>
std::vector<T> ReadArray(Cursor* cursor, uint64_t min_bytes, T (*read)(Cursor*)) {
  const uint64_t count = cursor->ReadCount(min_bytes);
  std::vector<T> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count && cursor->ok(); ++i) values.push_back(read(cursor));
  return values;
}

// An integer or float of the file, widened.
template <typename Stored, typename Wide>
Wide ReadAs(Cursor* cursor) {
  return static_cast<Wide>(cursor->Read<Stored>());
}

template <typename Stored, typename Wide>
GgufValue ReadNumbers(Cursor* cursor, bool array) {
  if (array) return ReadArray<Wide>(cursor, sizeof(Stored), &ReadAs<Stored, Wide>);
  return ReadAs<Stored, Wide>(cursor);
}

GgufValue ReadUint64s(Cursor* cursor, bool array) {
  if (array) return ReadNumbers<uint64_t, int64_t>(cursor, array);
  const auto value = cursor->Read<uint64_t>();
  if (value > INT64_MAX) return value;
  return static_cast<int64_t>(value);
}

// A value of `type`, or an array of such values; nullopt when there is no such type.
std::optional<GgufValue> ReadValue(Cursor* cursor, ValueType type, bool array) {
  switch (type) {
    case ValueType::kUint8:
      return ReadNumbers<uint8_t, int64_t>(cursor, array);
    case ValueType::kInt8:
      return ReadNumbers<int8_t, int64_t>(cursor, array);
    case ValueType::kUint16:
      return ReadNumbers<uint16_t, int64_t>(cursor, array);
    case ValueType::kInt16:
      return ReadNumbers<int16_t, int64_t>(cursor, array);
    case ValueType::kUint32:
      return ReadNumbers<uint32_t, int64_t>(cursor, array);
    case ValueType::kInt32:
      return ReadNumbers<int32_t, int64_t>(cursor, array);
    case ValueType::kInt64:
      return ReadNumbers<int64_t, int64_t>(cursor, array);
    case ValueType::kUint64:
      return ReadUint64s(cursor, array);
    case ValueType::kFloat32:
      return ReadNumbers<float, double>(cursor, array);
    case ValueType::kFloat64:
      return ReadNumbers<double, double>(cursor, array);
    case ValueType::kBool:
      if (array) return ReadNumbers<uint8_t, int64_t>(cursor, array);
      return cursor->Read<uint8_t>() != 0;
    case ValueType::kString:
      if (array) {
        return ReadArray<std::string_view>(cursor, kMinStringBytes,
                                           [](Cursor* from) { return from->ReadString(); });
      }
      return cursor->ReadString();
    case ValueType::kArray:
      break;
  }
  return std::nullopt;
}

std::optional<GgufValue> ReadValue(Cursor* cursor) {
  const auto type = cursor->Read<ValueType>();
  if (type != ValueType::kArray) return ReadValue(cursor, type, /*array=*/false);
  return ReadValue(cursor, cursor->Read<ValueType>(), /*array=*/true);
}

// ggml's numbers of the types, named also where prefixd cannot read them.
constexpr std::array<std::pair<uint32_t, std::string_view>, 33> kGgmlTypes = {{
    {0, "F32"},     {1, "F16"},    {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},   {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"}, {40, "NVFP4"},
}};

std::string GgmlTypeName(uint32_t number) {
  for (const auto& [known, name] : kGgmlTypes) {
    if (known == number) return std::string(name);
  }
  return absl::StrCat("number ", number);
}

std::optional<TensorType> ReadableType(uint32_t number) {
  const std::string name = GgmlTypeName(number);
  for (const TensorType type : kTensorTypes) {
    if (TensorTypeName(type) == name) return type;
  }
  return std::nullopt;
}

// The tensor's size in bytes; nullopt when its rows are not whole blocks or the size overflows.
std::optional<uint64_t> BytesOf(const GgufTensor& tensor) {
  const BlockLayout layout = LayoutOf(tensor.type);
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % layout.values != 0) return std::nullopt;
  uint64_t bytes = layout.bytes;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const bool innermost = i + 1 == tensor.shape.size();
    const uint64_t dimension = innermost ? row / layout.values : tensor.shape[i];
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return bytes;
}

struct TensorEntry {
  GgufTensor tensor;
  uint64_t offset = 0;
};

// The name is set whatever else is wrong.
absl::Status ReadTensorEntry(Cursor* cursor, TensorEntry* entry) {
  GgufTensor& tensor = entry->tensor;
  tensor.name = cursor->ReadString();
  const auto dimensions = cursor->Read<uint32_t>();
  if (dimensions > kMaxDimensions) {
    return absl::InvalidArgumentError(absl::StrCat("has ", dimensions, " dimensions"));
  }
  for (uint32_t i = 0; i < dimensions; ++i) tensor.shape.push_back(cursor->Read<int64_t>());
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  const auto type = cursor->Read<uint32_t>();
  entry->offset = cursor->Read<uint64_t>();
  if (!cursor->ok()) return absl::InvalidArgumentError("is cut off");
  if (std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t d) { return d <= 0; })) {
    return absl::InvalidArgumentError("has a dimension that is not positive");
  }
  const std::optional<TensorType> readable = ReadableType(type);
  if (!readable.has_value()) {
    return absl::UnimplementedError(
        absl::StrCat("has the type ", GgmlTypeName(type),
                     "; prefixd reads F32, F16, BF16, Q4_0, Q4_1 and Q8_0. Quantise the model to "
                     "one of these"));
  }
  tensor.type = *readable;
  return absl::OkStatus();
}

// Sets the tensor's bytes. `data` are the file's bytes after the header.
absl::Status Place(std::string_view data, uint64_t alignment, TensorEntry* entry) {
  const std::optional<uint64_t> size = BytesOf(entry->tensor);
  if (!size.has_value()) {
    return absl::InvalidArgumentError("has a shape that its type cannot have");
  }
  if (entry->offset % alignment != 0) {
    return absl::InvalidArgumentError(absl::StrCat("is not aligned to ", alignment, " bytes"));
  }
  if (entry->offset > data.size() || *size > data.size() - entry->offset) {
    return absl::InvalidArgumentError("lies outside the file; is the file truncated?");
  }
  entry->tensor.bytes = data.substr(entry->offset, *size);
  return absl::OkStatus();
}

absl::Status TensorError(const absl::Status& status, const std::string& path,
                         std::string_view name) {
  return absl::Status(status.code(),
                      absl::StrFormat("%s: tensor \"%s\" %s", path, name, status.message()));
}

// Every tensor has at least one byte, so two overlap only if neighbours do.
absl::Status CheckNoOverlap(const GgufFile::Tensors& tensors, const std::string& path) {
  std::vector<const GgufTensor*> by_place;
  for (const auto& [name, tensor] : tensors) by_place.push_back(&tensor);
  std::sort(by_place.begin(), by_place.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < by_place.size(); ++i) {
    const std::string_view before = by_place[i - 1]->bytes;
    if (before.data() + before.size() > by_place[i]->bytes.data()) {
      return TensorError(absl::InvalidArgumentError("overlaps another"), path, by_place[i]->name);
    }
  }
  return absl::OkStatus();
}

// `cursor` stands before the tensors' entries.
absl::StatusOr<GgufFile::Tensors> ReadTensors(uint64_t count, Cursor* cursor,
                                              std::string_view bytes, uint64_t alignment,
                                              const std::string& path) {
  std::vector<TensorEntry> entries;
  for (uint64_t i = 0; i < count; ++i) {
    TensorEntry& entry = entries.emplace_back();
    if (const absl::Status read = ReadTensorEntry(cursor, &entry); !read.ok()) {
      return TensorError(read, path, entry.tensor.name);
    }
  }
  const size_t padding = (alignment - cursor->offset() % alignment) % alignment;
  const std::string_view data = bytes.substr(std::min(cursor->offset() + padding, bytes.size()));
  GgufFile::Tensors tensors;
  for (TensorEntry& entry : entries) {
    const std::string_view name = entry.tensor.name;
    if (const absl::Status placed = Place(data, alignment, &entry); !placed.ok()) {
      return TensorError(placed, path, name);
    }
    if (!tensors.emplace(name, std::move(entry.tensor)).second) {
      return TensorError(absl::InvalidArgumentError("is there twice"), path, name);
    }
  }
  PREFIXD_RETURN_IF_ERROR(CheckNoOverlap(tensors, path));
  return tensors;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  PREFIXD_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, MappedFile::Open(path));
  std::unique_ptr<GgufFile> file(new GgufFile(path, std::move(mapped)));
  PREFIXD_RETURN_IF_ERROR(file->Parse());
  return file;
}

absl::Status GgufFile::Parse() {
  const std::string_view bytes = file_->bytes();
  Cursor cursor(bytes);
  const auto truncated = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        path_, " is truncated or malformed: its header cannot be read at byte ", cursor.offset()));
  };
  if (cursor.Read<uint32_t>() != kMagic) {
    return absl::InvalidArgumentError(absl::StrCat(path_, " is not a GGUF file"));
  }
  if (const auto version = cursor.Read<uint32_t>(); version != kVersion) {
    return absl::UnimplementedError(absl::StrCat(path_, " is GGUF version ", version,
                                                 "; prefixd reads version ", kVersion,
                                                 " (little-endian). Convert the model again"));
  }
  const uint64_t tensors = cursor.ReadCount(kMinTensorBytes);
  const uint64_t entries = cursor.ReadCount(kMinEntryBytes);
  for (uint64_t i = 0; i < entries && cursor.ok(); ++i) {
    const std::string_view key = cursor.ReadString();
    std::optional<GgufValue> value = ReadValue(&cursor);
    if (!cursor.ok()) return truncated();
    if (!value.has_value() || !metadata_.emplace(key, *std::move(value)).second) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: the metadata entry \"%s\" is there twice or has a type that prefixd does not read",
          path_, key));
    }
  }
  if (!cursor.ok()) return truncated();

  int64_t alignment = kDefaultAlignment;
  if (Has("general.alignment")) {
    PREFIXD_ASSIGN_OR_RETURN(alignment, GetInteger("general.alignment"));
  }
  if (alignment <= 0 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": general.alignment is ", alignment,
                                                   ", not a power of two up to ", kMaxAlignment));
  }
  PREFIXD_ASSIGN_OR_RETURN(tensors_, ReadTensors(tensors, &cursor, bytes, alignment, path_));
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> GgufFile::Get(std::string_view key, std::string_view type) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) {
    return absl::NotFoundError(absl::StrFormat("%s has no metadata entry \"%s\"", path_, key));
  }
  const T* const value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: the metadata entry \"%s\" is not %s", path_, key, type));
  }
  return *value;
}

absl::StatusOr<std::string_view> GgufFile::GetString(std::string_view key) const {
  return Get<std::string_view>(key, "a string");
}

absl::StatusOr<int64_t> GgufFile::GetInteger(std::string_view key) const {
  return Get<int64_t>(key, "an integer below 2^63");
}

absl::StatusOr<double> GgufFile::GetFloat(std::string_view key) const {
  if (absl::StatusOr<int64_t> integer = GetInteger(key); integer.ok()) {
    return static_cast<double>(*integer);
  }
  return Get<double>(key, "a number");
}

absl::StatusOr<bool> GgufFile::GetBool(std::string_view key) const {
  return Get<bool>(key, "a bool");
}

absl::StatusOr<std::vector<std::string_view>> GgufFile::GetStringArray(std::string_view key) const {
  return Get<std::vector<std::string_view>>(key, "an array of strings");
}

absl::StatusOr<std::vector<int64_t>> GgufFile::GetIntegerArray(std::string_view key) const {
  return Get<std::vector<int64_t>>(key, "an array of integers");
}

}  // namespace prefixd
