#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "client/demo_view.h"
#include "client/json_output.h"

namespace prefixd {
namespace {

constexpr int kTextColumns = 80;

// How many bytes of `text` make the next line: to a line's end, or to the last space once there is
// enough for a line. 0: not enough yet.
size_t NextLine(std::string_view text, bool ended) {
  const size_t newline = text.find('\n');
  const std::string_view first = text.substr(0, newline);
  if (DisplayWidth(first) > kTextColumns) {
    const size_t head = FitHead(first, kTextColumns).size() - std::string_view("…").size();
    const size_t space = first.rfind(' ', head);
    return space == std::string_view::npos || space == 0 ? std::max<size_t>(head, 1) : space + 1;
  }
  if (newline != std::string_view::npos) return newline + 1;
  return ended ? text.size() : 0;
}

std::string Ending(const DemoRow& row) {
  if (row.state == DemoState::kFailed) return "failed: " + OneLine(row.error);
  std::string versions;
  for (const std::string& name : row.summary.prefix_versions()) versions += " " + name;
  return absl::StrFormat("done: %d tokens in %.1f s, %s,%s", row.new_tokens,
                         Milliseconds(row.summary.total_duration()) / 1e3,
                         FinishReasonName(row.summary.finish_reason()), versions);
}

}  // namespace

std::vector<std::string> DemoLog::Update(const DemoSnapshot& snapshot) {
  std::vector<std::string> lines;
  rows_.resize(snapshot.rows.size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    const DemoRow& row = snapshot.rows[i];
    Printed& printed = rows_[i];
    if (printed.ended) continue;
    const bool ended = row.state == DemoState::kDone || row.state == DemoState::kFailed;
    const std::string name = absl::StrFormat("#%-2d %s", i + 1, row.user + "/" + row.task);
    while (true) {
      const std::string_view rest = std::string_view(row.text).substr(printed.bytes);
      const size_t bytes = rest.empty() ? 0 : NextLine(rest, ended);
      if (bytes == 0) break;
      std::string line = OneLine(rest.substr(0, bytes));
      absl::StripTrailingAsciiWhitespace(&line);
      if (!line.empty()) lines.push_back(absl::StrFormat("%-16s | %s", name, line));
      printed.bytes += bytes;
    }
    if (ended) lines.push_back(absl::StrFormat("%-16s = %s", name, Ending(row)));
    printed.ended = ended;
  }
  for (; events_ < snapshot.events.size(); ++events_) {
    lines.push_back("-- " + OneLine(snapshot.events[events_]));
  }
  return lines;
}

}  // namespace prefixd
