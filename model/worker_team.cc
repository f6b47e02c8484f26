#include "model/worker_team.h"

#include <immintrin.h>

namespace prefixd {
namespace {

// How long a worker spins before it sleeps: about 20 us. Barriers inside a step are closer together
// than that, steps of a busy engine mostly too.
constexpr int kSpins = 1000;

// Returns when `counter` is no longer `old`.
void AwaitChange(const std::atomic<uint32_t>& counter, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (counter.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  counter.wait(old, std::memory_order_acquire);
}

}  // namespace

void Worker::Barrier() {
  if (count_ == 1) return;
  const uint32_t passed = team_->barrier_.load(std::memory_order_acquire);
  if (team_->arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
    team_->arrived_.store(0, std::memory_order_relaxed);
    team_->barrier_.store(passed + 1, std::memory_order_release);
    team_->barrier_.notify_all();
    return;
  }
  AwaitChange(team_->barrier_, passed);
}

WorkerTeam::WorkerTeam(int threads) : size_(threads) {
  helpers_.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) {
    helpers_.emplace_back([this, i] { Loop(i); });
  }
}

WorkerTeam::~WorkerTeam() {
  stopping_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void WorkerTeam::Run(absl::FunctionRef<void(Worker&)> work) {
  work_ = &work;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  Worker self(this, 0, size_);
  work(self);
  self.Barrier();
}

void WorkerTeam::Loop(int index) {
  for (uint32_t round = 0;;) {
    AwaitChange(round_, round);
    ++round;
    if (stopping_.load(std::memory_order_relaxed)) return;
    Worker self(this, index, size_);
    (*work_)(self);
    self.Barrier();
  }
}

}  // namespace prefixd
