#include "model/files/hf_source.h"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/files/json_file.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_fingerprint.h"

namespace prefixd {
namespace {

struct Rename {
  std::string_view theirs;
  std::string_view ours;
  bool transposed = false;  // stored [in, out], as GPT-2's Conv1D
};

// Names before ".weight" and ".bias", outside the layers and inside one.
constexpr Rename kLlamaOuter[] = {
    {"embed_tokens", "token_embd"}, {"norm", "output_norm"}, {"lm_head", "output"}};
constexpr Rename kLlamaInner[] = {
    {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},   {"self_attn.o_proj", "attn_output"},
    {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};
constexpr Rename kGpt2Outer[] = {{"wte", "token_embd"},
                                 {"wpe", "position_embd"},
                                 {"ln_f", "output_norm"},
                                 {"lm_head", "output"}};
constexpr Rename kGpt2Inner[] = {{"ln_1", "attn_norm"},
                                 {"ln_2", "ffn_norm"},
                                 {"attn.c_attn", "attn_qkv", true},
                                 {"attn.c_proj", "attn_output", true},
                                 {"mlp.c_fc", "ffn_up", true},
                                 {"mlp.c_proj", "ffn_down", true}};

struct Naming {
  std::string_view prefix;  // may be missing: a model saved without its head has none
  std::string_view layers;
  std::span<const Rename> outer;
  std::span<const Rename> inner;
};
constexpr Naming kLlamaNaming = {"model.", "layers.", kLlamaOuter, kLlamaInner};
constexpr Naming kGpt2Naming = {"transformer.", "h.", kGpt2Outer, kGpt2Inner};

// Buffers that older versions of transformers saved: constants that every reader computes anew.
constexpr std::string_view kConstants[] = {".rotary_emb.inv_freq", ".attn.bias",
                                           ".attn.masked_bias"};

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

bool IsConstant(std::string_view name) {
  for (const std::string_view end : kConstants) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

struct OurName {
  std::string name;
  bool transposed = false;
};

// GGUF's name of a tensor with Hugging Face's name; nullopt when it has none.
std::optional<OurName> Translate(std::string_view name, const Naming& naming) {
  ConsumePrefix(&name, naming.prefix);
  std::string block;
  if (ConsumePrefix(&name, naming.layers)) {
    const size_t digits = name.find('.');
    if (digits == 0 || digits == std::string_view::npos ||
        name.substr(0, digits).find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    block = absl::StrFormat("blk.%s.", name.substr(0, digits));
    name.remove_prefix(digits + 1);
  }
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view stem = name.substr(0, dot);
  const std::string_view kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  for (const Rename& rename : block.empty() ? naming.outer : naming.inner) {
    if (rename.theirs == stem) {
      return OurName{.name = absl::StrFormat("%s%s%s", block, rename.ours, kind),
                     .transposed = rename.transposed && kind == ".weight"};
    }
  }
  return std::nullopt;
}

// [in, out] to [out, in].
void Transpose(HostTensor* tensor) {
  const int64_t rows = tensor->shape[0];
  const int64_t columns = tensor->shape[1];
  std::vector<float> values(tensor->values.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      values[column * rows + row] = tensor->values[row * columns + column];
    }
  }
  tensor->values = std::move(values);
  std::swap(tensor->shape[0], tensor->shape[1]);
}

struct Entry {
  TensorView view;
  bool transposed = false;
};
using Entries = std::map<std::string, Entry, std::less<>>;

// Constant after construction.
class HfSource : public TensorSource {
 public:
  HfSource(std::string directory, std::vector<SafetensorsFile> files, Entries entries)
      : directory_(std::move(directory)), files_(std::move(files)), entries_(std::move(entries)) {}

  bool Has(std::string_view name) const override { return entries_.find(name) != entries_.end(); }

  absl::StatusOr<HostTensor> Read(std::string_view name) const override {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      return absl::NotFoundError(absl::StrFormat("%s has no tensor %s", directory_, name));
    }
    HostTensor tensor{.shape = found->second.view.shape, .values = {}};
    PREFIXD_ASSIGN_OR_RETURN(tensor.values, ReadFloats(found->second.view));
    if (found->second.transposed) Transpose(&tensor);
    return tensor;
  }

  std::string Fingerprint() const override {
    TensorFingerprint fingerprint;
    for (const auto& [name, entry] : entries_) {
      fingerprint.Add(name, DtypeName(entry.view.dtype), entry.view.shape, entry.view.bytes);
    }
    return fingerprint.HexDigest();
  }

 private:
  const std::string directory_;
  const std::vector<SafetensorsFile> files_;  // entries_ points into these
  const Entries entries_;
};

// The files that the index names: all in `directory`, each once.
absl::StatusOr<std::set<std::string>> ReadIndex(const std::string& path,
                                                std::set<std::string>* tensors) {
  PREFIXD_ASSIGN_OR_RETURN(const nlohmann::json index, ReadJsonFile(path));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s has no weight_map", path));
  }
  std::set<std::string> files;
  for (const auto& [name, file] : map->items()) {
    // A name with a slash could lead out of the directory.
    if (!file.is_string() || file.get_ref<const std::string&>().find('/') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: the file of %s is no file name", path, name));
    }
    files.insert(file.get<std::string>());
    tensors->insert(name);
  }
  return files;
}

absl::StatusOr<std::vector<SafetensorsFile>> OpenFiles(const std::string& directory) {
  std::vector<SafetensorsFile> files;
  const std::string single = directory + "/model.safetensors";
  const std::string index = single + ".index.json";
  std::error_code ignored;
  if (std::filesystem::exists(single, ignored)) {
    PREFIXD_ASSIGN_OR_RETURN(SafetensorsFile file, OpenSafetensors(single));
    files.push_back(std::move(file));
    return files;
  }
  if (!std::filesystem::exists(index, ignored)) {
    return absl::NotFoundError(absl::StrFormat(
        "%s has neither model.safetensors nor model.safetensors.index.json. Save the model with "
        "transformers' save_pretrained, which writes one of them",
        directory));
  }
  std::set<std::string> missing;
  PREFIXD_ASSIGN_OR_RETURN(const std::set<std::string> names, ReadIndex(index, &missing));
  for (const std::string& name : names) {
    PREFIXD_ASSIGN_OR_RETURN(SafetensorsFile file, OpenSafetensors(directory + "/" + name));
    for (const auto& [tensor, view] : file.contents.tensors) missing.erase(tensor);
    files.push_back(std::move(file));
  }
  if (!missing.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s lists the tensor %s, which is in none of its files", index, *missing.begin()));
  }
  return files;
}

absl::Status AddEntry(const std::string& name, const TensorView& view, const HfConfig& config,
                      Entries* entries) {
  const bool gpt2 = config.model.architecture == Architecture::kGpt2;
  if (IsConstant(name)) return absl::OkStatus();
  std::optional<OurName> ours = Translate(name, gpt2 ? kGpt2Naming : kLlamaNaming);
  if (!ours.has_value()) {
    return absl::UnimplementedError(
        absl::StrFormat("the tensor %s is none of a %s that prefixd knows", name,
                        gpt2 ? "GPT-2" : "Llama or Qwen2"));
  }
  if (config.tied_embeddings && ours->name == "output.weight") return absl::OkStatus();
  if (!FloatType(view.dtype).has_value()) {
    return absl::UnimplementedError(
        absl::StrFormat("the tensor %s has the dtype %s; prefixd reads F32, F16 and BF16", name,
                        DtypeName(view.dtype)));
  }
  if (ours->transposed && view.shape.size() != 2) {
    return absl::InvalidArgumentError(absl::StrFormat("the tensor %s is no matrix", name));
  }
  Entry entry{.view = view, .transposed = ours->transposed};
  if (!entries->emplace(std::move(ours->name), std::move(entry)).second) {
    return absl::InvalidArgumentError(absl::StrFormat("the tensor %s is there twice", name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorSource>> OpenHfSource(const std::string& directory,
                                                           const HfConfig& config) {
  PREFIXD_ASSIGN_OR_RETURN(std::vector<SafetensorsFile> files, OpenFiles(directory));
  Entries entries;
  for (const SafetensorsFile& file : files) {
    for (const auto& [name, view] : file.contents.tensors) {
      if (const absl::Status added = AddEntry(name, view, config, &entries); !added.ok()) {
        return absl::Status(added.code(), absl::StrFormat("%s: %s", directory, added.message()));
      }
    }
  }
  std::vector<std::string_view> required = {"token_embd.weight"};
  if (!config.tied_embeddings) required.push_back("output.weight");
  if (config.attention_bias) {
    required.push_back(config.model.architecture == Architecture::kGpt2 ? "blk.0.attn_qkv.bias"
                                                                        : "blk.0.attn_q.bias");
  }
  for (const std::string_view name : required) {
    if (entries.find(name) == entries.end()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: config.json asks for the tensor %s (GGUF's name), which is missing",
                          directory, name));
    }
  }
  return std::make_unique<HfSource>(directory, std::move(files), std::move(entries));
}

}  // namespace prefixd
