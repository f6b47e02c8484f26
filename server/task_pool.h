// A few threads for work that may block (tokenising, the store, loading a prefix), so that neither
// gRPC's threads nor the engine's wait for it.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace prefixd {

// Thread-safe.
class TaskPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  // At most `max_queued` tasks wait.
  TaskPool(int threads, int max_queued);

  // Runs what is queued and joins the threads.
  ~TaskPool();

  // Runs `task` on one of the threads, first come, first served. RESOURCE_EXHAUSTED when too many
  // wait; `task` is then dropped without having run.
  absl::Status Post(Task task);

 private:
  void Loop();

  const size_t max_queued_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace prefixd
