#include "server/call_gate.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "absl/time/clock.h"

namespace prefixd {
namespace {

TEST(CallGateTest, LetsNobodyInOnceClosed) {
  CallGate gate;
  EXPECT_TRUE(gate.Enter().ok());
  gate.Close();
  EXPECT_EQ(gate.Enter().status().code(), absl::StatusCode::kUnavailable);
}

TEST(CallGateTest, WaitsForTheLastPass) {
  CallGate gate;
  std::optional<CallGate::Pass> pass = gate.Enter().value();
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::Now()));
  std::thread leaver([moved = std::move(pass)]() mutable { moved.reset(); });
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfiniteFuture()));
  leaver.join();
}

TEST(CallGateTest, AMovedPassCountsOnce) {
  CallGate gate;
  {
    CallGate::Pass first = gate.Enter().value();
    const CallGate::Pass second = std::move(first);
    EXPECT_FALSE(gate.WaitUntilEmpty(absl::Now()));
  }
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::Now()));
}

}  // namespace
}  // namespace prefixd
