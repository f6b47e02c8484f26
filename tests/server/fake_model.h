// A model without tensors whose answers can be told in advance, and a tokenizer to go with it.
//
// A token is a byte (or BOS or EOS). The next token is always
//   (last + 1 + the sum of the prefixes' shifts) mod 258,
// where a prefix's shift is its first value. A captured prefix's first value is its first token.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "model/model.h"
#include "model/tokenizer.h"

namespace prefixd {

inline constexpr int32_t kFakeBos = 256;
inline constexpr int32_t kFakeEos = 257;
inline constexpr int kFakeVocabulary = 258;

// Thread-safe.
class FakeModel : public Model {
 public:
  FakeModel();

  const ModelConfig& config() const override { return config_; }
  Precision precision() const override { return Precision::kFp16; }
  const std::string& fingerprint() const override { return fingerprint_; }
  int64_t page_bytes() const override { return 1024; }
  int64_t weight_bytes() const override { return 4096; }
  absl::StatusOr<std::shared_ptr<const PrefixSegment>> MakeSegment(
      const PrefixTensor& prefix) const override;
  absl::StatusOr<std::unique_ptr<ModelRunner>> NewRunner(const RunnerOptions& options,
                                                         WorkerTeam* team) const override;

  // Before the engine starts.
  void SetBos(std::optional<int32_t> bos) { config_.bos_id = bos; }

  // Forward waits from now on, until Release.
  void Hold();
  void Release();
  void WaitWhileHeld() const;

 private:
  ModelConfig config_;
  const std::string fingerprint_ = std::string(64, 'a');
  mutable Mutex mutex_;
  mutable CondVar released_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
};

class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<int32_t> prefix_ids) : prefix_ids_(std::move(prefix_ids)) {}

  // "<eos>" is the one special token that a text can hold.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              SpecialTokens special) const override;
  std::span<const int32_t> prefix_ids() const override { return prefix_ids_; }
  std::string_view TokenBytes(int32_t id, bool keep_special) const override;
  int size() const override { return kFakeVocabulary; }

 private:
  const std::vector<int32_t> prefix_ids_;
};

}  // namespace prefixd
