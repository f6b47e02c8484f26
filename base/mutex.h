// The one lock of the project: absl::Mutex, or std::mutex where ThreadSanitizer runs (Debian's
// abseil is not built for it and would report races that are none). Annotated for Clang's
// -Wthread-safety.
#pragma once

#include "absl/base/thread_annotations.h"

#ifdef PREFIXD_STD_MUTEX
#include <chrono>
#include <condition_variable>
#include <mutex>
#else
#include "absl/synchronization/mutex.h"
#endif
#include "absl/time/time.h"

namespace prefixd {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
#ifdef PREFIXD_STD_MUTEX
    mutex_.lock();
#else
    mutex_.Lock();
#endif
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
#ifdef PREFIXD_STD_MUTEX
    mutex_.unlock();
#else
    mutex_.Unlock();
#endif
  }

 private:
  friend class CondVar;
#ifdef PREFIXD_STD_MUTEX
  std::mutex mutex_;
#else
  absl::Mutex mutex_;
#endif
};

// Holds a Mutex for the length of a scope.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// A condition variable for Mutex. A wait may end without a signal: wait in a loop.
class CondVar {
 public:
  void Wait(Mutex* mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
#ifdef PREFIXD_STD_MUTEX
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
#else
    condition_.Wait(&mutex->mutex_);
#endif
  }

  // Returns true when the timeout passed with no signal.
  bool WaitWithTimeout(Mutex* mutex, absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
#ifdef PREFIXD_STD_MUTEX
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    const bool expired =
        condition_.wait_for(lock, absl::ToChronoNanoseconds(timeout)) == std::cv_status::timeout;
    lock.release();
    return expired;
#else
    return condition_.WaitWithTimeout(&mutex->mutex_, timeout);
#endif
  }

  void Signal() {
#ifdef PREFIXD_STD_MUTEX
    condition_.notify_one();
#else
    condition_.Signal();
#endif
  }
  void SignalAll() {
#ifdef PREFIXD_STD_MUTEX
    condition_.notify_all();
#else
    condition_.SignalAll();
#endif
  }

 private:
#ifdef PREFIXD_STD_MUTEX
  std::condition_variable condition_;
#else
  absl::CondVar condition_;
#endif
};

}  // namespace prefixd
