// What prefixd-demo shows, as pure functions of what has happened so far.
#pragma once

#include <string>
#include <vector>

#include "client/terminal.h"
#include "prefixd/v1/generation_service.pb.h"

namespace prefixd {

enum class DemoState { kWaiting, kStreaming, kDone, kFailed };

// One request.
struct DemoRow {
  std::string user;
  std::string task;
  DemoState state = DemoState::kWaiting;
  std::string text;
  int new_tokens = 0;
  v1::GenerateSummary summary;  // once done
  std::string error;            // once failed
};

struct DemoSnapshot {
  std::string model;
  v1::GetStatusResponse server;
  int most_rows = 0;   // at once in the batch, of what was seen
  double seconds = 0;  // since the first request
  std::vector<DemoRow> rows;
  std::vector<std::string> events;
  std::string verdict;  // what the switch of versions came to, once it is known
};

// The dashboard: a header, a line for each row, the last events. No line is wider than the
// terminal, and there are fewer lines than it has (finished rows leave first). With colours.
std::vector<std::string> RenderDashboard(const DemoSnapshot& snapshot, const TerminalSize& size);

// The escape sequences that draw `lines` over the `previous_lines` of the last frame.
std::string DrawOver(const std::vector<std::string>& lines, int previous_lines);

// The closing lines: counts, speed, errors, versions used, the verdict. Without escapes.
std::vector<std::string> RenderSummary(const DemoSnapshot& snapshot);

// "v3" of "users/ada/tasks/support/versions/3".
std::string ShortVersion(const std::string& name);

// For output that is no terminal: whole lines as they come, each row's text cut at about 80
// columns. Not thread-safe.
class DemoLog {
 public:
  // The lines that are new in `snapshot`, which is a later one than the last.
  std::vector<std::string> Update(const DemoSnapshot& snapshot);

 private:
  struct Printed {
    size_t bytes = 0;
    bool ended = false;
  };
  std::vector<Printed> rows_;
  size_t events_ = 0;
};

}  // namespace prefixd
