#include "server/call_gate.h"

#include "absl/time/clock.h"

namespace prefixd {

absl::StatusOr<CallGate::Pass> CallGate::Enter() {
  MutexLock lock(&mutex_);
  if (closed_) return absl::UnavailableError("the server is shutting down; try again later");
  ++running_;
  return Pass(this);
}

void CallGate::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
}

bool CallGate::WaitUntilEmpty(absl::Time deadline) {
  MutexLock lock(&mutex_);
  while (running_ > 0) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    emptied_.WaitWithTimeout(&mutex_, left);
  }
  return true;
}

void CallGate::Leave() {
  MutexLock lock(&mutex_);
  if (--running_ == 0) emptied_.SignalAll();
}

}  // namespace prefixd
