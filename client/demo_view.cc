#include "client/demo_view.h"

#include <algorithm>
#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/json_output.h"

namespace prefixd {
namespace {

constexpr char kReset[] = "\x1b[0m";
constexpr char kBold[] = "\x1b[1m";
constexpr char kDim[] = "\x1b[2m";
constexpr char kRed[] = "\x1b[31m";
constexpr int kMaxEvents = 3;

std::string Paint(const std::string& style, const std::string& text) {
  return absl::StrCat(style, text, kReset);
}

// The same user always has the same colour.
std::string ColourOf(const std::string& user) {
  static constexpr std::array kColours = {"\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m",
                                          "\x1b[34m"};
  size_t sum = 0;
  for (unsigned char byte : user) sum += byte;
  return kColours[sum % kColours.size()];
}

std::string NameOf(const DemoRow& row) { return OneLine(absl::StrCat(row.user, "/", row.task)); }

int NameWidth(const std::vector<DemoRow>& rows) {
  int width = 0;
  for (const DemoRow& row : rows) width = std::max(width, DisplayWidth(NameOf(row)));
  return std::min(width, 24);
}

std::string Symbol(DemoState state) {
  switch (state) {
    case DemoState::kWaiting:
      return Paint(kDim, "○");
    case DemoState::kStreaming:
      return "●";
    case DemoState::kDone:
      return Paint("\x1b[32m", "✓");
    case DemoState::kFailed:
      return Paint(kRed, "✗");
  }
  return " ";
}

std::string VersionsOf(const DemoRow& row) {
  std::vector<std::string> versions;
  for (const std::string& name : row.summary.prefix_versions()) {
    versions.push_back(ShortVersion(name));
  }
  return absl::StrJoin(versions, "+");
}

// " 3 ● ada/story   …and so the fox   42 v1"
std::string RenderRow(const DemoRow& row, int number, int name_width, int columns) {
  const std::string end = absl::StrFormat("%5d %-3s", row.new_tokens, VersionsOf(row));
  const int text_width = columns - 3 - 2 - name_width - 2 - 1 - DisplayWidth(end);
  if (text_width < 8) {
    return FitHead(absl::StrFormat("%2d %s %d", number, NameOf(row), row.new_tokens), columns);
  }
  const std::string name = PadTo(NameOf(row), name_width);
  const bool failed = row.state == DemoState::kFailed;
  const std::string text =
      failed ? FitHead(OneLine(row.error), text_width) : FitTail(OneLine(row.text), text_width);
  const std::string padded = PadTo(text, text_width);
  std::string style;
  if (row.state == DemoState::kDone) style = kDim;
  if (failed) style = kRed;
  return absl::StrCat(absl::StrFormat("%2d ", number), Symbol(row.state), " ",
                      Paint(ColourOf(row.user), name), "  ", Paint(style, padded), " ",
                      Paint(kDim, end));
}

std::string RenderHeader(const DemoSnapshot& snapshot, int columns) {
  const v1::GetStatusResponse& server = snapshot.server;
  const std::string line = absl::StrFormat(
      "prefixd   %d in the batch, %d queued   %.0f tokens/s   %d prefixes resident   %.1f s   %s",
      server.running_rows(), server.queued_rows(), server.tokens_per_second(),
      server.resident_prefixes(), snapshot.seconds, OneLine(snapshot.model));
  return Paint(kBold, FitHead(line, columns));
}

// The indices of the rows to show: finished ones leave from the top when there is no room.
std::vector<size_t> VisibleRows(const std::vector<DemoRow>& rows, size_t room) {
  size_t surplus = rows.size() > room ? rows.size() - room : 0;
  std::vector<size_t> visible;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool ended = rows[i].state == DemoState::kDone || rows[i].state == DemoState::kFailed;
    if (surplus > 0 && ended) {
      --surplus;
    } else {
      visible.push_back(i);
    }
  }
  if (visible.size() > room) visible.resize(room);
  return visible;
}

}  // namespace

std::string ShortVersion(const std::string& name) {
  return absl::StrCat("v", name.substr(name.rfind('/') + 1));
}

std::vector<std::string> RenderDashboard(const DemoSnapshot& snapshot, const TerminalSize& size) {
  const int columns = std::max(1, size.columns - 1);  // the last column may wrap
  const int room = std::max(1, size.rows - 1);
  const int events =
      std::min({kMaxEvents, static_cast<int>(snapshot.events.size()), std::max(0, room - 4)});
  std::vector<std::string> lines = {RenderHeader(snapshot, columns)};
  const int name_width = NameWidth(snapshot.rows);
  for (const size_t i : VisibleRows(snapshot.rows, std::max(0, room - 1 - events))) {
    lines.push_back(RenderRow(snapshot.rows[i], static_cast<int>(i) + 1, name_width, columns));
  }
  for (int i = events; i > 0; --i) {
    const std::string& event = snapshot.events[snapshot.events.size() - i];
    lines.push_back(Paint(i == 1 ? kBold : kDim, FitHead("→ " + OneLine(event), columns)));
  }
  return lines;
}

std::string DrawOver(const std::vector<std::string>& lines, int previous_lines) {
  std::string frame;
  if (previous_lines > 0) frame = absl::StrCat("\x1b[", previous_lines, "A\r");
  for (const std::string& line : lines) absl::StrAppend(&frame, line, "\x1b[K\n");
  return absl::StrCat(frame, "\x1b[J");
}

std::vector<std::string> RenderSummary(const DemoSnapshot& snapshot) {
  int failed = 0;
  int64_t tokens = 0;
  std::map<std::string, int> uses;
  for (const DemoRow& row : snapshot.rows) {
    failed += row.state != DemoState::kDone;
    tokens += row.new_tokens;
    for (const std::string& name : row.summary.prefix_versions()) ++uses[name];
  }
  if (snapshot.rows.empty()) return {};
  std::vector<std::string> lines;
  lines.push_back(absl::StrFormat(
      "%d requests, up to %d at once in one batch: %d tokens in %.1f s, %.0f tokens/s, %d errors",
      snapshot.rows.size(), snapshot.most_rows, tokens, snapshot.seconds,
      snapshot.seconds > 0 ? tokens / snapshot.seconds : 0.0, failed));
  if (!uses.empty()) lines.push_back("prefix versions used:");
  for (const auto& [name, count] : uses) {
    lines.push_back(
        absl::StrFormat("  %s  %d %s", name, count, count == 1 ? "request" : "requests"));
  }
  if (!snapshot.verdict.empty()) lines.push_back(snapshot.verdict);
  return lines;
}

}  // namespace prefixd
