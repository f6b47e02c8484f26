#include "engine/rate_meter.h"

#include <gtest/gtest.h>

namespace prefixd {
namespace {

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(RateMeterTest, IsZeroWithNothingToCount) {
  RateMeter meter;
  EXPECT_EQ(meter.PerSecond(At(5)), 0.0);
}

TEST(RateMeterTest, TellsASteadyRate) {
  RateMeter meter;
  for (int i = 0; i <= 100; ++i) meter.Add(At(0.1 * i), 5);
  EXPECT_NEAR(meter.PerSecond(At(10)), 50.0, 3.0);
}

TEST(RateMeterTest, ForgetsWhatIsOld) {
  RateMeter meter;
  meter.Add(At(0), 1000);
  EXPECT_GT(meter.PerSecond(At(1)), 900.0);
  EXPECT_EQ(meter.PerSecond(At(10)), 0.0);
}

}  // namespace
}  // namespace prefixd
