#include "server/idle_timer.h"

#include <utility>

#include "absl/time/clock.h"

namespace prefixd {

std::shared_ptr<IdleTimer> IdleTimer::Start(absl::Duration limit, std::function<void()> expired) {
  std::shared_ptr<IdleTimer> timer(new IdleTimer(limit, std::move(expired)));
  MutexLock lock(&timer->mutex_);
  timer->Arm();
  return timer;
}

IdleTimer::IdleTimer(absl::Duration limit, std::function<void()> expired)
    : limit_(limit), expired_(std::move(expired)) {}

void IdleTimer::Progress() {
  MutexLock lock(&mutex_);
  progress_ = true;
}

void IdleTimer::Stop() {
  std::unique_ptr<grpc::Alarm> alarm;
  std::function<void()> expired;  // what it holds must not be destroyed under the lock
  MutexLock lock(&mutex_);
  alarm.swap(alarm_);
  expired.swap(expired_);
}

void IdleTimer::Arm() {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(absl::Now() + limit_), [weak = weak_from_this()](bool fired) {
    if (!fired) return;
    if (const auto timer = weak.lock()) timer->Fire();
  });
}

void IdleTimer::Fire() {
  std::function<void()> expired;
  {
    MutexLock lock(&mutex_);
    if (!expired_) return;
    if (std::exchange(progress_, false)) {
      Arm();
      return;
    }
    expired.swap(expired_);
  }
  expired();
}

}  // namespace prefixd
