// Counts running calls, and closes: then no new one enters and the server can wait for the rest.
#pragma once

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace prefixd {

// Thread-safe.
class CallGate {
 public:
  // Held by a call as long as it runs. The gate must outlive it.
  class Pass {
   public:
    explicit Pass(CallGate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    CallGate* gate_;
  };

  // UNAVAILABLE once closed.
  absl::StatusOr<Pass> Enter();

  void Close();

  // Returns true when no call runs, false when some still do at `deadline` (real time).
  bool WaitUntilEmpty(absl::Time deadline);

 private:
  void Leave();

  Mutex mutex_;
  CondVar emptied_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace prefixd
