#include "prefix_store/sqlite_pool.h"

namespace prefixd {

SqliteConnection SqlitePool::Take() {
  MutexLock lock(&mutex_);
  while (idle_.empty()) returned_.Wait(&mutex_);
  SqliteConnection connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void SqlitePool::Return(SqliteConnection connection) {
  MutexLock lock(&mutex_);
  idle_.push_back(std::move(connection));
  returned_.Signal();
}

}  // namespace prefixd
