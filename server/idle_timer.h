// Ends a transfer whose peer has stopped: it would hold its memory for ever.
#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/alarm.h"

namespace prefixd {

// Thread-safe. Lives in a shared_ptr.
class IdleTimer : public std::enable_shared_from_this<IdleTimer> {
 public:
  // Calls `expired` once, on a thread of gRPC's, when between `limit` and twice `limit` have passed
  // without a call of Progress (or Stop).
  static std::shared_ptr<IdleTimer> Start(absl::Duration limit, std::function<void()> expired);

  void Progress();

  // `expired` is not called from now on (a call that has begun may still be running).
  void Stop();

 private:
  IdleTimer(absl::Duration limit, std::function<void()> expired);

  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fire();

  const absl::Duration limit_;

  Mutex mutex_;
  std::function<void()> expired_ ABSL_GUARDED_BY(mutex_);  // empty: stopped
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  bool progress_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace prefixd
