#include "client/progress_bar.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/terminal.h"

namespace prefixd {

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = bytes;
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.1f %s", value, unit);
}

std::string RenderProgress(int64_t done_bytes, int64_t total_bytes, int columns) {
  constexpr int kMaxCells = 30;
  const double share =
      total_bytes > 0 ? std::clamp(static_cast<double>(done_bytes) / total_bytes, 0.0, 1.0) : 1.0;
  const std::string figures = absl::StrFormat("%3.0f %%  %s of %s", share * 100,
                                              FormatBytes(done_bytes), FormatBytes(total_bytes));
  const int cells = std::min(kMaxCells, columns - DisplayWidth(figures) - 3);
  if (cells < 5) return FitHead(figures, columns);
  std::string bar = "[";
  for (int i = 0; i < cells; ++i) bar += i < static_cast<int>(share * cells) ? "█" : "░";
  return absl::StrCat(bar, "] ", figures);
}

}  // namespace prefixd
