#include "client/demo_board.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "client/rpc_error.h"

namespace prefixd {

DemoBoard::DemoBoard(std::string model) { snapshot_.model = std::move(model); }

void DemoBoard::StartClock() {
  MutexLock lock(&mutex_);
  started_ = absl::Now();
}

void DemoBoard::StopClock() {
  MutexLock lock(&mutex_);
  stopped_ = absl::Now();
}

int DemoBoard::AddRow(const std::string& user, const std::string& task) {
  MutexLock lock(&mutex_);
  DemoRow row;
  row.user = user;
  row.task = task;
  snapshot_.rows.push_back(std::move(row));
  return static_cast<int>(snapshot_.rows.size()) - 1;
}

void DemoBoard::Append(int row, const v1::GenerateResponse& piece) {
  MutexLock lock(&mutex_);
  DemoRow& entry = snapshot_.rows[row];
  entry.state = DemoState::kStreaming;
  entry.text += piece.text();
  entry.new_tokens += piece.token_ids_size();
  changed_.SignalAll();
}

void DemoBoard::Finish(int row, const absl::StatusOr<v1::GenerateSummary>& result) {
  MutexLock lock(&mutex_);
  DemoRow& entry = snapshot_.rows[row];
  if (result.ok()) {
    entry.state = DemoState::kDone;
    entry.summary = *result;
  } else {
    entry.state = DemoState::kFailed;
    entry.error = Describe(result.status());
  }
  changed_.SignalAll();
}

void DemoBoard::AddEvent(const std::string& event) {
  MutexLock lock(&mutex_);
  snapshot_.events.push_back(event);
}

void DemoBoard::SetVerdict(const std::string& verdict) {
  MutexLock lock(&mutex_);
  snapshot_.verdict = verdict;
}

void DemoBoard::SetServerStatus(const v1::GetStatusResponse& status) {
  MutexLock lock(&mutex_);
  snapshot_.server = status;
  snapshot_.most_rows = std::max(snapshot_.most_rows, status.running_rows());
}

bool DemoBoard::WaitForTokens(int row, int count) {
  MutexLock lock(&mutex_);
  while (snapshot_.rows[row].new_tokens < count &&
         snapshot_.rows[row].state <= DemoState::kStreaming) {
    changed_.Wait(&mutex_);
  }
  return snapshot_.rows[row].state == DemoState::kStreaming;
}

bool DemoBoard::IsStreaming(int row) const {
  MutexLock lock(&mutex_);
  return snapshot_.rows[row].state == DemoState::kStreaming;
}

void DemoBoard::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  changed_.SignalAll();
}

bool DemoBoard::WaitUntilClosed(absl::Duration timeout) {
  const absl::Time limit = absl::Now() + timeout;
  MutexLock lock(&mutex_);
  while (!closed_ && absl::Now() < limit) changed_.WaitWithTimeout(&mutex_, limit - absl::Now());
  return closed_;
}

DemoSnapshot DemoBoard::Snapshot() const {
  MutexLock lock(&mutex_);
  DemoSnapshot copy = snapshot_;
  copy.seconds = absl::ToDoubleSeconds(
      std::max(absl::ZeroDuration(), std::min(stopped_, absl::Now()) - started_));
  return copy;
}

}  // namespace prefixd
