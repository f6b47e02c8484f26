// What the services delegate to, and what they share.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "prefix_store/repository.h"
#include "prefix_store/resident_cache.h"
#include "server/call_gate.h"
#include "server/task_pool.h"

namespace prefixd {

// All thread-safe, all outliving the server.
struct Backend {
  const Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  Engine* engine = nullptr;
  PrefixRepository* repository = nullptr;
  ResidentCache* cache = nullptr;
};

// Bytes of prefix files that all transfers together may hold in memory. Thread-safe.
class TransferBudget {
 public:
  explicit TransferBudget(int64_t bytes) : left_(bytes) {}

  // False, taking nothing, when fewer are left.
  bool Take(int64_t bytes) {
    if (left_.fetch_sub(bytes) >= bytes) return true;
    left_.fetch_add(bytes);
    return false;
  }
  void Give(int64_t bytes) { left_.fetch_add(bytes); }

 private:
  std::atomic<int64_t> left_;
};

// What both services use; owned by the server.
struct ServiceContext {
  Backend backend;
  CallGate* gate = nullptr;
  TaskPool* pool = nullptr;  // a service has its own
};

// Of uploads and downloads.
struct TransferLimits {
  int64_t max_upload_bytes = int64_t{1} << 30;
  absl::Duration idle = absl::Seconds(60);  // a transfer that moves nothing for as long is ended
};

}  // namespace prefixd
