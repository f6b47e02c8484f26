// How many things a second, over the last seconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "absl/time/time.h"

namespace prefixd {

// Not thread-safe.
class RateMeter {
 public:
  void Add(absl::Time now, int64_t count) {
    Forget(now);
    if (buckets_.empty() || now - buckets_.back().begin >= kBucket) buckets_.push_back({now, 0});
    buckets_.back().count += count;
    total_ += count;
  }

  double PerSecond(absl::Time now) {
    Forget(now);
    if (buckets_.empty()) return 0.0;
    const absl::Duration span = std::max(now - buckets_.front().begin, kBucket);
    return static_cast<double>(total_) / absl::ToDoubleSeconds(span);
  }

 private:
  static constexpr absl::Duration kWindow = absl::Seconds(3);
  static constexpr absl::Duration kBucket = absl::Milliseconds(100);

  struct Bucket {
    absl::Time begin;
    int64_t count;
  };

  void Forget(absl::Time now) {
    while (!buckets_.empty() && now - buckets_.front().begin > kWindow) {
      total_ -= buckets_.front().count;
      buckets_.pop_front();
    }
  }

  std::deque<Bucket> buckets_;
  int64_t total_ = 0;
};

}  // namespace prefixd
