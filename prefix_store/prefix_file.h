// Prefix files: prefixd's own, and what PEFT saves.
//
// prefixd's own is a safetensors file with one tensor,
//   "prefix"  f32, f16 or bf16  [positions, 2 * layers, kv_heads, head_dim]
//             (layer l's keys at 2 l, its values at 2 l + 1)
// and this metadata, all strings:
//   "format"             "prefixd.prefix.v1"
//   "position_offset"    decimal: the position of a request's first token
//   "model_fingerprint"  64 hexadecimal digits; may be missing (then shapes alone are checked)
//   "description"        may be missing; at most 1,024 bytes
//   "origin"             "uploaded" or "captured"; may be missing (uploaded)
//
// PEFT's is adapter_model.safetensors with "prompt_embeddings" [positions, 2 * layers * kv_heads *
// head_dim], read as above, and adapter_config.json with peft_type PREFIX_TUNING. With
// prefix_projection PEFT saves the result of the projection, so the two forms read alike. The
// position offset is the number of positions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/prefix_tensor.h"

namespace prefixd {

inline constexpr size_t kMaxDescriptionBytes = 1024;

enum class PrefixOrigin { kUploaded, kCaptured };

std::string_view OriginName(PrefixOrigin origin);  // "uploaded", "captured"
std::optional<PrefixOrigin> ParseOrigin(std::string_view name);

struct PrefixFile {
  PrefixTensor tensor;
  std::string model_fingerprint;  // empty: the file names none
  std::string description;
  PrefixOrigin origin = PrefixOrigin::kUploaded;
};

// The model that a prefix must fit.
struct PrefixTarget {
  PrefixShape shape;
  std::string fingerprint;
  int max_positions = 0;
};

// Reads and checks prefixd's own file: INVALID_ARGUMENT when it is broken, its shape is not the
// model's (naming expected and found), it leaves a request no position of the model, or a value is
// NaN, infinite or beyond fp16's 65,504 (naming layer and position); FAILED_PRECONDITION when it is
// for another model.
absl::StatusOr<PrefixFile> ParsePrefixFile(std::string_view bytes, const PrefixTarget& target);

// The same for PEFT's two files. Adds to `warnings` what the caller should be told: PEFT names no
// fingerprint, so only shapes could be checked.
absl::StatusOr<PrefixFile> ParsePeftPrefix(std::string_view safetensors,
                                           std::string_view config_json, const PrefixTarget& target,
                                           std::vector<std::string>* warnings);

// The bytes of prefixd's own file, in f16 where every value is one exactly, else in f32.
// INVALID_ARGUMENT when the values are not as many as the shape asks for or a text is not UTF-8.
absl::StatusOr<std::string> SerializePrefixFile(const PrefixFile& file);

}  // namespace prefixd
