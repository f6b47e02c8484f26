#include "client/demo_view.h"

#include <gmock/gmock.h>

#include <random>

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

DemoRow Row(const std::string& user, const std::string& task, DemoState state,
            const std::string& text) {
  DemoRow row;
  row.user = user;
  row.task = task;
  row.state = state;
  row.text = text;
  row.new_tokens = 42;
  return row;
}

DemoRow Done(const std::string& text, const std::string& version) {
  DemoRow row = Row("ada", "story", DemoState::kDone, text);
  row.summary.set_finish_reason(v1::FINISH_REASON_LENGTH);
  row.summary.add_prefix_versions(version);
  row.summary.mutable_total_duration()->set_seconds(2);
  return row;
}

// Without "\x1b[31m" and its like; other escape sequences stay.
std::string WithoutColours(std::string_view line) {
  std::string plain;
  while (!line.empty()) {
    if (line.starts_with("\x1b[")) {
      const size_t end = line.find_first_not_of("0123456789", 2);
      if (end < line.size() && line[end] == 'm') {
        line.remove_prefix(end + 1);
        continue;
      }
    }
    plain += line.front();
    line.remove_prefix(1);
  }
  return plain;
}

TEST(DemoViewTest, DashboardShowsHeaderRowsAndEvents) {
  DemoSnapshot snapshot;
  snapshot.model = "Tiny";
  snapshot.server.set_running_rows(2);
  snapshot.server.set_tokens_per_second(99.6);
  snapshot.server.set_resident_prefixes(3);
  snapshot.seconds = 1.25;
  snapshot.rows = {Done("Once upon", "users/ada/tasks/story/versions/1"),
                   Row("ben", "haiku", DemoState::kStreaming, "Leaves\nfall"),
                   Row("cleo", "pirate", DemoState::kWaiting, "")};
  snapshot.events = {"switched"};
  std::vector<std::string> lines;
  for (const auto& line : RenderDashboard(snapshot, {.columns = 61, .rows = 24})) {
    lines.push_back(WithoutColours(line));
  }
  EXPECT_THAT(lines, ElementsAre("prefixd   2 in the batch, 0 queued   100 tokens/s   3 prefi…",
                                 " 1 ✓ ada/story    Once upon                           42 v1 ",
                                 " 2 ● ben/haiku    Leaves fall                         42    ",
                                 " 3 ○ cleo/pirate                                      42    ",
                                 "→ switched"));
}

TEST(DemoViewTest, FitsEveryTerminal) {
  std::mt19937 random(3);
  const std::vector<std::string> pieces = {"a", " ", "日", "\x1b[2J", "\n", "🐙", "\xff"};
  for (int round = 0; round < 500; ++round) {
    DemoSnapshot snapshot;
    snapshot.model = "模型";
    for (int i = random() % 30; i > 0; --i) {
      std::string text;
      for (int n = random() % 90; n > 0; --n) text += pieces[random() % pieces.size()];
      snapshot.rows.push_back(Row("ada", text.substr(0, 20), DemoState(random() % 4), text));
      snapshot.rows.back().error = text;
      snapshot.events.push_back(text);
    }
    const TerminalSize size = {.columns = 1 + static_cast<int>(random() % 120),
                               .rows = 1 + static_cast<int>(random() % 40)};
    const auto lines = RenderDashboard(snapshot, size);
    EXPECT_LE(static_cast<int>(lines.size()), std::max(1, size.rows - 1));
    for (const std::string& line : lines) {
      const std::string plain = WithoutColours(line);
      EXPECT_LE(DisplayWidth(plain), std::max(1, size.columns - 1));
      EXPECT_EQ(plain.find('\x1b'), std::string::npos) << "the model's text must not steer";
    }
  }
}

TEST(DemoViewTest, FinishedRowsLeaveFirst) {
  DemoSnapshot snapshot;
  for (int i = 0; i < 10; ++i) {
    snapshot.rows.push_back(
        Row("u", "t", i % 2 == 0 ? DemoState::kDone : DemoState::kStreaming, std::to_string(i)));
  }
  const auto lines = RenderDashboard(snapshot, {.columns = 80, .rows = 7});
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_THAT(WithoutColours(lines[1]), testing::StartsWith(" 2 "));
  EXPECT_THAT(WithoutColours(lines[5]), testing::StartsWith("10 "));
}

TEST(DemoViewTest, FramesAreDrawnOverTheLast) {
  EXPECT_EQ(DrawOver({"a", "b"}, 0), "a\x1b[K\nb\x1b[K\n\x1b[J");
  EXPECT_EQ(DrawOver({"a"}, 2), "\x1b[2A\ra\x1b[K\n\x1b[J");
}

TEST(DemoViewTest, SummaryCountsRequestsTokensVersionsAndErrors) {
  DemoSnapshot snapshot;
  snapshot.seconds = 2;
  snapshot.most_rows = 3;
  snapshot.rows = {
      Done("x", "users/ada/tasks/story/versions/1"), Done("x", "users/ada/tasks/story/versions/2"),
      Done("x", "users/ada/tasks/story/versions/1"), Row("ben", "t", DemoState::kFailed, "")};
  snapshot.verdict = "it worked";
  EXPECT_THAT(RenderSummary(snapshot),
              ElementsAre("4 requests, up to 3 at once in one batch: 168 tokens in 2.0 s, "
                          "84 tokens/s, 1 errors",
                          "prefix versions used:", "  users/ada/tasks/story/versions/1  2 requests",
                          "  users/ada/tasks/story/versions/2  1 request", "it worked"));
}

TEST(DemoLogTest, PrintsWholeLinesAsTheyCome) {
  DemoLog log;
  DemoSnapshot snapshot;
  snapshot.rows = {Row("ada", "story", DemoState::kStreaming, "First line\nand a beg")};
  EXPECT_THAT(log.Update(snapshot), ElementsAre("#1  ada/story    | First line"));
  EXPECT_THAT(log.Update(snapshot), ElementsAre());
  snapshot.rows[0] = Done("First line\nand a beginning\n\n", "users/ada/tasks/story/versions/1");
  snapshot.events = {"switched"};
  EXPECT_THAT(log.Update(snapshot),
              ElementsAre("#1  ada/story    | and a beginning",
                          "#1  ada/story    = done: 42 tokens in 2.0 s, length, "
                          "users/ada/tasks/story/versions/1",
                          "-- switched"));
  EXPECT_THAT(log.Update(snapshot), ElementsAre());
}

// However the text arrives, the lines are the same, hold all of it and are not too wide.
TEST(DemoLogTest, LinesDoNotDependOnThePieces) {
  std::mt19937 random(4);
  const std::vector<std::string> pieces = {"word ", "longer-word ", "日本語", "\n", "x",
                                           " ",     "\x1b"};
  for (int round = 0; round < 300; ++round) {
    DemoLog whole, piecewise;
    DemoSnapshot snapshot;
    snapshot.rows = {Row("a", "b", DemoState::kStreaming, "")};
    std::vector<std::string> lines;
    for (int i = random() % 100; i > 0; --i) {
      snapshot.rows[0].text += pieces[random() % pieces.size()];
      for (auto& line : piecewise.Update(snapshot)) lines.push_back(line);
    }
    snapshot.rows[0].state = DemoState::kDone;
    for (auto& line : piecewise.Update(snapshot)) lines.push_back(line);
    EXPECT_EQ(lines, whole.Update(snapshot));
    for (const std::string& line : lines) {
      EXPECT_LE(DisplayWidth(line), 100);
      EXPECT_EQ(line.find('\x1b'), std::string::npos);
    }
  }
}

TEST(DemoLogTest, FailuresAreLines) {
  DemoLog log;
  DemoSnapshot snapshot;
  snapshot.rows = {Row("ada", "t", DemoState::kFailed, "")};
  snapshot.rows[0].error = "NOT_FOUND: no task";
  EXPECT_THAT(log.Update(snapshot), ElementsAre(HasSubstr("failed: NOT_FOUND: no task")));
}

}  // namespace
}  // namespace prefixd
