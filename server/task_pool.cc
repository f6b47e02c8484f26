#include "server/task_pool.h"

#include <utility>

namespace prefixd {

TaskPool::TaskPool(int threads, int max_queued) : max_queued_(max_queued) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

TaskPool::~TaskPool() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  changed_.SignalAll();
  for (std::thread& thread : threads_) thread.join();
}

absl::Status TaskPool::Post(Task task) {
  {
    MutexLock lock(&mutex_);
    if (queue_.size() >= max_queued_) {
      return absl::ResourceExhaustedError("too many calls wait for the server; try again later");
    }
    queue_.push_back(std::move(task));
  }
  changed_.Signal();
  return absl::OkStatus();
}

void TaskPool::Loop() {
  for (;;) {
    Task task;
    {
      MutexLock lock(&mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(&mutex_);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(task)();
  }
}

}  // namespace prefixd
