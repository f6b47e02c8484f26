#include "prefix_store/prefix_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "model/files/safetensors.h"
#include "model/half.h"
#include "prefix_store/peft_config.h"

namespace prefixd {
namespace {

constexpr char kFile[] = "the prefix file";
constexpr char kPeftFile[] = "adapter_model.safetensors";
constexpr char kTensor[] = "prefix";
constexpr char kPeftTensor[] = "prompt_embeddings";
constexpr char kFormat[] = "prefixd.prefix.v1";
constexpr size_t kFingerprintDigits = 64;

absl::Status Invalid(std::string_view what, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat(what, " ", problem));
}

// The metadata text of `key`; empty when there is none.
std::string_view TextOf(const TensorsMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string_view() : std::string_view(found->second);
}

// A decimal number in [0, INT_MAX]; nullopt when `text` is something else.
std::optional<int> ParseDecimal(std::string_view text) {
  int value = 0;
  if (text.empty() || !absl::ascii_isdigit(text.front())) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// All of the file's metadata, and its position offset.
absl::Status ReadMetadata(const TensorsMetadata& metadata, PrefixFile* file) {
  if (TextOf(metadata, "format") != kFormat) {
    return Invalid(kFile, StrCat("has no metadata \"format\" = \"", kFormat,
                                 "\"; a file that PEFT saved must be uploaded as such, with "
                                 "its adapter_config.json"));
  }
  const std::optional<int> offset = ParseDecimal(TextOf(metadata, "position_offset"));
  if (!offset.has_value()) {
    return Invalid(kFile, "needs metadata \"position_offset\", a decimal number from 0 on");
  }
  file->tensor.position_offset = *offset;

  file->model_fingerprint = absl::AsciiStrToLower(ToAbsl(TextOf(metadata, "model_fingerprint")));
  const bool digits = std::all_of(file->model_fingerprint.begin(), file->model_fingerprint.end(),
                                  [](unsigned char c) { return absl::ascii_isxdigit(c); });
  const size_t size = file->model_fingerprint.size();
  if (!digits || (size != 0 && size != kFingerprintDigits)) {
    return Invalid(kFile, "has a \"model_fingerprint\" that is not 64 hexadecimal digits");
  }

  file->description = TextOf(metadata, "description");
  if (file->description.size() > kMaxDescriptionBytes) {
    return Invalid(kFile,
                   StrCat("has a \"description\" of more than ", kMaxDescriptionBytes, " bytes"));
  }

  if (metadata.contains("origin")) {
    const std::optional<PrefixOrigin> origin = ParseOrigin(TextOf(metadata, "origin"));
    if (!origin.has_value()) {
      return Invalid(kFile, "has an \"origin\" that is neither \"uploaded\" nor \"captured\"");
    }
    file->origin = *origin;
  }
  return absl::OkStatus();
}

// The one tensor of a file.
absl::StatusOr<const TensorView*> OnlyTensor(const Safetensors& contents, std::string_view name,
                                             std::string_view what) {
  const auto found = contents.tensors.find(name);
  if (found == contents.tensors.end() || contents.tensors.size() != 1) {
    return Invalid(what, StrCat("must hold one tensor, \"", name, "\"; it holds ",
                                contents.tensors.size(), " tensors"));
  }
  return &found->second;
}

// Whether `tensor` is [positions, rest…] of a type that can be read. The model's positions bound
// the number of positions: a request must find one of its own.
absl::Status CheckShape(const TensorView& tensor, const std::vector<int64_t>& rest,
                        int max_positions, std::string_view what) {
  if (!FloatType(tensor.dtype).has_value()) {
    return Invalid(what, StrCat("holds values of type ", DtypeName(tensor.dtype),
                                "; F32, F16 or BF16 are expected"));
  }
  if (tensor.shape.empty() ||
      !std::equal(tensor.shape.begin() + 1, tensor.shape.end(), rest.begin(), rest.end())) {
    return Invalid(what, StrCat("does not fit the model: expected shape [positions, ",
                                absl::StrJoin(rest, ", "), "], found [",
                                absl::StrJoin(tensor.shape, ", "), "]"));
  }
  const int64_t positions = tensor.shape[0];
  if (positions < 1 || positions >= max_positions) {
    return Invalid(what, StrCat("has ", positions, " positions; from 1 to ", max_positions - 1,
                                " fit the model"));
  }
  return absl::OkStatus();
}

// Whether the cache can hold every value in fp16.
absl::Status CheckValues(const PrefixTensor& tensor, std::string_view what) {
  // False for a NaN.
  const auto fits = [](float value) { return std::fabs(value) <= kHalfMax; };
  const auto bad = std::find_if_not(tensor.values.begin(), tensor.values.end(), fits);
  if (bad == tensor.values.end()) return absl::OkStatus();
  const int64_t index = bad - tensor.values.begin();
  const int64_t per_position = tensor.shape.values_per_position();
  const int64_t block = index % per_position * 2 * tensor.shape.layers / per_position;
  return Invalid(what, StrCat("has the value ", *bad, " in a ", block % 2 == 0 ? "key" : "value",
                              " of layer ", block / 2, ", position ", index / per_position,
                              "; values must be finite and at most ", kHalfMax,
                              " in magnitude, as the cache holds fp16"));
}

// Reads the values of a tensor whose shape was checked; the position offset is set already.
absl::Status ReadValues(const TensorView& view, const PrefixTarget& target, std::string_view what,
                        PrefixTensor* tensor) {
  tensor->shape = target.shape;
  tensor->positions = static_cast<int>(view.shape[0]);
  if (tensor->position_offset >= target.max_positions) {
    return Invalid(what, StrCat("has position offset ", tensor->position_offset,
                                "; the model's positions end at ", target.max_positions - 1));
  }
  PREFIXD_ASSIGN_OR_RETURN(tensor->values, ReadFloats(view));
  return CheckValues(*tensor, what);
}

bool IsHalf(float value) { return HalfToFloat(FloatToHalf(value)) == value; }

}  // namespace

std::string_view OriginName(PrefixOrigin origin) {
  return origin == PrefixOrigin::kCaptured ? "captured" : "uploaded";
}

std::optional<PrefixOrigin> ParseOrigin(std::string_view name) {
  for (const PrefixOrigin origin : {PrefixOrigin::kUploaded, PrefixOrigin::kCaptured}) {
    if (name == OriginName(origin)) return origin;
  }
  return std::nullopt;
}

absl::StatusOr<PrefixFile> ParsePrefixFile(std::string_view bytes, const PrefixTarget& target) {
  PREFIXD_ASSIGN_OR_RETURN(const Safetensors contents, ParseSafetensors(bytes, kFile));
  PrefixFile file;
  PREFIXD_RETURN_IF_ERROR(ReadMetadata(contents.metadata, &file));
  if (!file.model_fingerprint.empty() && file.model_fingerprint != target.fingerprint) {
    return absl::FailedPreconditionError(StrCat(
        kFile, " is for the model with fingerprint ", file.model_fingerprint, "; this server's is ",
        target.fingerprint, ": use the server of that model, or a prefix made for this one"));
  }
  PREFIXD_ASSIGN_OR_RETURN(const TensorView* view, OnlyTensor(contents, kTensor, kFile));
  const PrefixShape& shape = target.shape;
  PREFIXD_RETURN_IF_ERROR(CheckShape(*view,
                                     {int64_t{2} * shape.layers, shape.kv_heads, shape.head_dim},
                                     target.max_positions, kFile));
  PREFIXD_RETURN_IF_ERROR(ReadValues(*view, target, kFile, &file.tensor));
  return file;
}

absl::StatusOr<PrefixFile> ParsePeftPrefix(std::string_view safetensors,
                                           std::string_view config_json, const PrefixTarget& target,
                                           std::vector<std::string>* warnings) {
  PREFIXD_ASSIGN_OR_RETURN(const PeftConfig config, ParsePeftConfig(config_json, target.shape));
  PREFIXD_ASSIGN_OR_RETURN(const Safetensors contents, ParseSafetensors(safetensors, kPeftFile));
  PREFIXD_ASSIGN_OR_RETURN(const TensorView* view, OnlyTensor(contents, kPeftTensor, kPeftFile));
  PREFIXD_RETURN_IF_ERROR(
      CheckShape(*view, {target.shape.values_per_position()}, target.max_positions, kPeftFile));
  const int64_t positions = view->shape[0];
  if (config.num_virtual_tokens.value_or(positions) != positions) {
    return Invalid(kPeftFile, StrCat("has ", positions, " positions; its adapter_config.json ",
                                     "has num_virtual_tokens ", *config.num_virtual_tokens));
  }
  PrefixFile file;
  file.tensor.position_offset = static_cast<int>(positions);
  PREFIXD_RETURN_IF_ERROR(ReadValues(*view, target, kPeftFile, &file.tensor));
  warnings->push_back(
      "PEFT's file does not say which model's weights the prefix was trained for; only its shape "
      "could be checked");
  return file;
}

absl::StatusOr<std::string> SerializePrefixFile(const PrefixFile& file) {
  const PrefixTensor& tensor = file.tensor;
  const bool halves = std::all_of(tensor.values.begin(), tensor.values.end(), IsHalf);
  PREFIXD_ASSIGN_OR_RETURN(
      const std::string bytes,
      ConvertFromFloat(halves ? TensorType::kF16 : TensorType::kF32, tensor.values));
  const TensorView view = {.dtype = halves ? Dtype::kF16 : Dtype::kF32,
                           .shape = {tensor.positions, int64_t{2} * tensor.shape.layers,
                                     tensor.shape.kv_heads, tensor.shape.head_dim},
                           .bytes = bytes};
  TensorsMetadata metadata = {{"format", kFormat},
                              {"position_offset", StrCat(tensor.position_offset)},
                              {"origin", std::string(OriginName(file.origin))}};
  if (!file.model_fingerprint.empty()) metadata["model_fingerprint"] = file.model_fingerprint;
  if (!file.description.empty()) metadata["description"] = file.description;
  return SerializeSafetensors({{kTensor, view}}, metadata);
}

}  // namespace prefixd
