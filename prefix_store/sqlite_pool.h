// A fixed number of connections, lent one at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "prefix_store/sqlite.h"

namespace prefixd {

// Thread-safe. Outlives its loans.
class SqlitePool {
 public:
  explicit SqlitePool(std::vector<SqliteConnection> connections) : idle_(std::move(connections)) {}

  // A connection for the length of a scope. All its statements must end before it does.
  class Loan {
   public:
    explicit Loan(SqlitePool* pool) : pool_(pool), connection_(pool->Take()) {}
    ~Loan() { pool_->Return(std::move(connection_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

    SqliteConnection* get() { return &connection_; }

   private:
    SqlitePool* const pool_;
    SqliteConnection connection_;
  };

 private:
  // Waits for an idle connection.
  SqliteConnection Take();
  void Return(SqliteConnection connection);

  Mutex mutex_;
  CondVar returned_;
  std::vector<SqliteConnection> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace prefixd
