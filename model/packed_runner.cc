#include "model/packed_runner.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "hwy/aligned_allocator.h"
#include "model/architectures.h"
#include "model/flat_batch.h"
#include "model/kernels.h"
#include "model/kv_layout.h"
#include "model/packed_ops.h"

namespace prefixd {
namespace {

int PagesFor(int positions) { return (positions + kPageSize - 1) / kPageSize; }

// A prefix as a run of pages of its own.
class PackedSegment final : public PrefixSegment {
 public:
  explicit PackedSegment(const PrefixTensor& prefix)
      : layout_(prefix.shape),
        positions_(prefix.positions),
        position_offset_(prefix.position_offset),
        halves_(PagesFor(prefix.positions) * layout_.page_halves()),
        data_(hwy::AllocateAligned<Half>(std::max<size_t>(halves_, 1))) {
    std::fill_n(data_.get(), halves_, Half{0});
    for (int position = 0; position < positions_; ++position) Fill(prefix, position);
  }

  int positions() const override { return positions_; }
  int position_offset() const override { return position_offset_; }
  int64_t bytes() const override { return static_cast<int64_t>(halves_ * sizeof(Half)); }

  void AppendTo(std::vector<ContextPage>* pages) const {
    for (int first = 0; first < positions_; first += kPageSize) {
      pages->push_back({data_.get() + first / kPageSize * layout_.page_halves(),
                        std::min(kPageSize, positions_ - first)});
    }
  }

 private:
  void Fill(const PrefixTensor& prefix, int position) {
    const auto [layers, kv_heads, dim] = prefix.shape;
    Half* const page = data_.get() + position / kPageSize * layout_.page_halves();
    const int slot = position % kPageSize;
    const float* from = prefix.values.data() + position * prefix.shape.values_per_position();
    for (int layer = 0; layer < layers; ++layer) {
      for (int h = 0; h < kv_heads; ++h, from += dim) {
        Half* const key = page + layout_.TileOffset(layer, h) + layout_.KeyOffset(slot);
        for (int i = 0; i < dim; ++i) key[i * kPageSize] = FloatToHalf(from[i]);
      }
      for (int h = 0; h < kv_heads; ++h, from += dim) {
        Half* const value = page + layout_.TileOffset(layer, h) + layout_.ValueOffset(slot);
        for (int i = 0; i < dim; ++i) value[i] = FloatToHalf(from[i]);
      }
    }
  }

  const KvLayout layout_;
  const int positions_;
  const int position_offset_;
  const size_t halves_;
  const hwy::AlignedFreeUniquePtr<Half[]> data_;
};

// The KV cache's pages: memory that the kernel gives when it is first touched.
class PagePool {
 public:
  static absl::StatusOr<PagePool> Allocate(const KvLayout& layout, int pages) {
    const size_t bytes = layout.page_halves() * sizeof(Half) * pages;
    void* const memory = mmap(nullptr, std::max<size_t>(bytes, 1), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      return absl::ResourceExhaustedError(StrCat(
          "cannot have ", bytes, " bytes for the KV cache: give it less memory (--kv-memory)"));
    }
    return PagePool(static_cast<Half*>(memory), bytes, layout.page_halves());
  }

  Half* page(int index) const { return memory_.get() + index * page_halves_; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(Half* memory) const { munmap(memory, std::max<size_t>(bytes, 1)); }
  };

  PagePool(Half* memory, size_t bytes, size_t page_halves)
      : memory_(memory, Unmap{bytes}), page_halves_(page_halves) {}

  std::unique_ptr<Half[], Unmap> memory_;
  size_t page_halves_;
};

class PackedRunner final : public ModelRunner {
 public:
  PackedRunner(const ModelConfig* config, const ModelWeights* weights, const RunnerOptions& options,
               PagePool pool, WorkerTeam* team)
      : config_(*config),
        weights_(*weights),
        options_(options),
        layout_({config->layers, config->kv_heads, config->head_dim}),
        team_(*team),
        pool_(std::move(pool)),
        buffers_(*config, options, team->size()) {}

  absl::StatusOr<std::span<const float>> Forward(std::span<const RowInput> rows) override {
    PREFIXD_RETURN_IF_ERROR(Flatten(rows, config_, options_, &batch_));
    PREFIXD_RETURN_IF_ERROR(BuildContexts(rows));
    const PackedStep step{&config_, &weights_, &layout_, &batch_, contexts_, &buffers_};
    team_.Run([&](Worker& worker) {
      PackedOps ops(step, &worker);
      std::visit([&](const auto& architecture) { RunArchitecture(architecture, ops); },
                 weights_.architecture);
    });
    return std::span<const float>(buffers_.logits.get(),
                                  batch_.logit_tokens.size() * config_.vocabulary);
  }

  PrefixTensor ReadPages(std::span<const int> pages, int positions,
                         int position_offset) const override {
    PrefixTensor prefix{layout_.shape, positions, position_offset, {}};
    prefix.values.reserve(positions * layout_.shape.values_per_position());
    for (int position = 0; position < positions; ++position) {
      ReadPosition(pool_.page(pages[position / kPageSize]), position % kPageSize, &prefix.values);
    }
    return prefix;
  }

 private:
  absl::Status BuildContexts(std::span<const RowInput> rows) {
    contexts_.resize(rows.size());
    int most_keys = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      RowContext& context = contexts_[r];
      context.pages.clear();
      context.own_pages.clear();
      context.prefix_keys = 0;
      for (const PrefixSegment* prefix : rows[r].prefixes) {
        const auto* segment = dynamic_cast<const PackedSegment*>(prefix);
        if (segment == nullptr) {
          return absl::InvalidArgumentError("a prefix was made for another precision");
        }
        segment->AppendTo(&context.pages);
        context.prefix_keys += segment->positions();
      }
      for (const int page : rows[r].pages) {
        context.pages.push_back({pool_.page(page), kPageSize});
        context.own_pages.push_back(pool_.page(page));
      }
      const int own_keys = rows[r].cached + static_cast<int>(rows[r].tokens.size());
      most_keys = std::max(most_keys, context.prefix_keys + own_keys);
    }
    buffers_.ReserveKeys(config_.heads / config_.kv_heads, most_keys);
    return absl::OkStatus();
  }

  // Appends one position's keys and values of all layers, in PrefixTensor's order.
  void ReadPosition(const Half* page, int slot, std::vector<float>* values) const {
    const auto [layers, kv_heads, dim] = layout_.shape;
    for (int layer = 0; layer < layers; ++layer) {
      for (int h = 0; h < kv_heads; ++h) {
        const Half* const key = page + layout_.TileOffset(layer, h) + layout_.KeyOffset(slot);
        for (int i = 0; i < dim; ++i) values->push_back(HalfToFloat(key[i * kPageSize]));
      }
      for (int h = 0; h < kv_heads; ++h) {
        const Half* const value = page + layout_.TileOffset(layer, h) + layout_.ValueOffset(slot);
        for (int i = 0; i < dim; ++i) values->push_back(HalfToFloat(value[i]));
      }
    }
  }

  const ModelConfig& config_;
  const ModelWeights& weights_;
  const RunnerOptions options_;
  const KvLayout layout_;
  WorkerTeam& team_;

  PagePool pool_;
  PackedBuffers buffers_;
  FlatBatch batch_;
  std::vector<RowContext> contexts_;
};

}  // namespace

std::shared_ptr<const PrefixSegment> MakePackedSegment(const PrefixTensor& prefix) {
  return std::make_shared<PackedSegment>(prefix);
}

absl::StatusOr<std::unique_ptr<ModelRunner>> NewPackedRunner(const ModelConfig* config,
                                                             const ModelWeights* weights,
                                                             const RunnerOptions& options,
                                                             WorkerTeam* team) {
  const KvLayout layout({config->layers, config->kv_heads, config->head_dim});
  PREFIXD_ASSIGN_OR_RETURN(PagePool pool, PagePool::Allocate(layout, options.pages));
  return std::make_unique<PackedRunner>(config, weights, options, std::move(pool), team);
}

}  // namespace prefixd
