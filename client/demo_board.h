// What has happened in a run of prefixd-demo: written by its callers, read by its display.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/demo_view.h"

namespace prefixd {

// Thread-safe.
class DemoBoard {
 public:
  explicit DemoBoard(std::string model);

  void StartClock();
  void StopClock();

  // Returns the row's index.
  int AddRow(const std::string& user, const std::string& task);
  void Append(int row, const v1::GenerateResponse& piece);
  void Finish(int row, const absl::StatusOr<v1::GenerateSummary>& result);
  void AddEvent(const std::string& event);
  void SetVerdict(const std::string& verdict);
  void SetServerStatus(const v1::GetStatusResponse& status);

  // Waits until the row has so many tokens or has ended; returns whether it still streams.
  bool WaitForTokens(int row, int count);
  bool IsStreaming(int row) const;

  // The run is over. WaitUntilClosed returns whether it is, after `timeout` at the latest.
  void Close();
  bool WaitUntilClosed(absl::Duration timeout);

  DemoSnapshot Snapshot() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  DemoSnapshot snapshot_ ABSL_GUARDED_BY(mutex_);
  absl::Time started_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time stopped_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace prefixd
