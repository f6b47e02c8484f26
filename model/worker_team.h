// The threads of the engine: one parallel region for a whole forward pass.
//
// Every worker runs the same function; at a barrier each waits for the others. No step creates a
// thread or goes through OpenMP's pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace prefixd {

class WorkerTeam;

// One worker's view of the team, inside Run.
class Worker {
 public:
  int index() const { return index_; }
  int count() const { return count_; }

  struct Range {
    int begin;
    int end;
  };
  // This worker's even share of `items` things, in order.
  Range Share(int items) const {
    const auto bound = [&](int i) { return static_cast<int>(int64_t{items} * i / count_); };
    return {bound(index_), bound(index_ + 1)};
  }

  // Returns when every worker of the team has called it; what each wrote before is then visible to
  // all. Called by all workers equally often.
  void Barrier();

 private:
  friend class WorkerTeam;
  Worker(WorkerTeam* team, int index, int count) : team_(team), index_(index), count_(count) {}

  WorkerTeam* const team_;
  const int index_;
  const int count_;
};

// Run is called by one thread at a time, which is worker 0 while it lasts.
class WorkerTeam {
 public:
  // `threads` is at least 1.
  explicit WorkerTeam(int threads);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  int size() const { return size_; }

  // Runs `work` on all workers and returns when the last has ended. `work` must not throw.
  void Run(absl::FunctionRef<void(Worker&)> work);

 private:
  friend class Worker;
  void Loop(int index);

  const int size_;
  std::atomic<uint32_t> round_ = 0;  // counts Run calls; a change wakes the helpers
  std::atomic<bool> stopping_ = false;
  const absl::FunctionRef<void(Worker&)>* work_ = nullptr;  // published by round_

  std::atomic<int> arrived_ = 0;       // workers at the present barrier
  std::atomic<uint32_t> barrier_ = 0;  // counts barriers passed

  std::vector<std::thread> helpers_;
};

}  // namespace prefixd
