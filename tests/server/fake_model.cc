#include "tests/server/fake_model.h"

#include <array>
#include <numeric>

namespace prefixd {
namespace {

constexpr std::string_view kEosText = "<eos>";

class FakeSegment : public PrefixSegment {
 public:
  explicit FakeSegment(const PrefixTensor& prefix)
      : positions_(prefix.positions),
        position_offset_(prefix.position_offset),
        shift_(static_cast<int>(prefix.values.front())) {}

  int positions() const override { return positions_; }
  int position_offset() const override { return position_offset_; }
  int64_t bytes() const override { return int64_t{1000} * positions_; }
  int shift() const { return shift_; }

 private:
  const int positions_;
  const int position_offset_;
  const int shift_;
};

class FakeRunner : public ModelRunner {
 public:
  FakeRunner(const FakeModel* model, const RunnerOptions& options)
      : model_(*model), tokens_(static_cast<size_t>(options.pages) * kPageSize) {}

  absl::StatusOr<std::span<const float>> Forward(std::span<const RowInput> rows) override {
    model_.WaitWhileHeld();
    logits_.clear();
    for (const RowInput& row : rows) {
      int shift = 1;
      for (const PrefixSegment* prefix : row.prefixes) {
        shift += static_cast<const FakeSegment*>(prefix)->shift();
      }
      for (size_t i = 0; i < row.tokens.size(); ++i) {
        const size_t position = row.cached + i;
        tokens_.at(row.pages[position / kPageSize] * kPageSize + position % kPageSize) =
            row.tokens[i];
        if (i + row.logits < row.tokens.size()) continue;
        logits_.resize(logits_.size() + kFakeVocabulary, 0.0F);
        const int next = (row.tokens[i] + shift) % kFakeVocabulary;
        logits_[logits_.size() - kFakeVocabulary + next] = 10.0F;
      }
    }
    return std::span<const float>(logits_);
  }

  PrefixTensor ReadPages(std::span<const int> pages, int positions,
                         int position_offset) const override {
    PrefixTensor tensor;
    tensor.shape = model_.prefix_shape();
    tensor.positions = positions;
    tensor.position_offset = position_offset;
    tensor.values.resize(positions * tensor.shape.values_per_position());
    tensor.values.front() = static_cast<float>(tokens_.at(pages[0] * kPageSize));
    return tensor;
  }

 private:
  const FakeModel& model_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;
};

}  // namespace

FakeModel::FakeModel() {
  config_.name = "fake";
  config_.layers = 2;
  config_.hidden = 8;
  config_.heads = 2;
  config_.kv_heads = 1;
  config_.head_dim = 4;
  config_.feed_forward = 8;
  config_.vocabulary = kFakeVocabulary;
  config_.max_positions = 20'000;
  config_.bos_id = kFakeBos;
  config_.eos_ids = {kFakeEos};
}

absl::StatusOr<std::shared_ptr<const PrefixSegment>> FakeModel::MakeSegment(
    const PrefixTensor& prefix) const {
  return std::make_shared<const FakeSegment>(prefix);
}

absl::StatusOr<std::unique_ptr<ModelRunner>> FakeModel::NewRunner(const RunnerOptions& options,
                                                                  WorkerTeam* /*team*/) const {
  return std::make_unique<FakeRunner>(this, options);
}

void FakeModel::Hold() {
  MutexLock lock(&mutex_);
  held_ = true;
}

void FakeModel::Release() {
  MutexLock lock(&mutex_);
  held_ = false;
  released_.SignalAll();
}

void FakeModel::WaitWhileHeld() const {
  MutexLock lock(&mutex_);
  while (held_) released_.Wait(&mutex_);
}

absl::StatusOr<std::vector<int32_t>> FakeTokenizer::Encode(std::string_view text,
                                                           SpecialTokens special) const {
  std::vector<int32_t> ids;
  while (!text.empty()) {
    const bool eos = special == SpecialTokens::kParse && text.starts_with(kEosText);
    ids.push_back(eos ? kFakeEos : static_cast<unsigned char>(text.front()));
    text.remove_prefix(eos ? kEosText.size() : 1);
  }
  return ids;
}

std::string_view FakeTokenizer::TokenBytes(int32_t id, bool keep_special) const {
  static const std::array<char, 256> kBytes = [] {
    std::array<char, 256> bytes;
    std::iota(bytes.begin(), bytes.end(), '\0');
    return bytes;
  }();
  if (id >= 0 && id < 256) return {&kBytes[id], 1};
  return id == kFakeEos && keep_special ? kEosText : std::string_view();
}

}  // namespace prefixd
