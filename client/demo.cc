// prefixd-demo: several users' prefixes in one batch, and a switch of versions under way.
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "CLI/CLI.hpp"
#include "client/demo_board.h"
#include "client/demo_plan.h"
#include "client/demo_run.h"
#include "client/demo_view.h"
#include "client/rpc_error.h"
#include "client/signal_watcher.h"
#include "client/terminal.h"

namespace prefixd {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(66);  // about 15 a second
constexpr absl::Duration kStatusPeriod = absl::Milliseconds(200);
constexpr std::string_view kHideCursor = "\x1b[?25l";
constexpr std::string_view kShowCursor = "\x1b[?25h";

struct Options {
  std::string server = "127.0.0.1:50051";
  int max_new_tokens = 64;
  double wait_seconds = 0;
  bool plain = false;
};

class HiddenCursor {
 public:
  HiddenCursor() { std::cout << kHideCursor << std::flush; }
  ~HiddenCursor() { std::cout << kShowCursor << std::flush; }
  HiddenCursor(const HiddenCursor&) = delete;
  HiddenCursor& operator=(const HiddenCursor&) = delete;
};

void ShowDashboard(DemoBoard& board) {
  const HiddenCursor cursor;
  size_t drawn = 0;
  bool closed = false;
  while (!closed) {
    closed = board.WaitUntilClosed(kFrame);
    const auto lines = RenderDashboard(board.Snapshot(), SizeOfTerminal(STDOUT_FILENO));
    std::cout << DrawOver(lines, static_cast<int>(drawn)) << std::flush;
    drawn = lines.size();
  }
}

void ShowLog(DemoBoard& board) {
  DemoLog log;
  bool closed = false;
  while (!closed) {
    closed = board.WaitUntilClosed(kFrame);
    for (const std::string& line : log.Update(board.Snapshot())) std::cout << line << "\n";
    std::cout << std::flush;
  }
}

// Keeps the board's picture of the server fresh until the run is over.
void WatchServer(Client& client, DemoBoard& board) {
  do {
    const auto status = client.GetStatus();
    if (status.ok()) board.SetServerStatus(*status);
  } while (!board.WaitUntilClosed(kStatusPeriod));
}

int Fail(const absl::Status& status) {
  std::cerr << "prefixd-demo: " << Describe(status) << "\n";
  return 1;
}

// Fills `clients`, which from then on may be cancelled: `connected` is set.
int RunWith(const Options& options, bool live, DemoClients& clients, std::atomic<bool>& connected) {
  const DemoPlan plan = MakeDemoPlan(options.max_new_tokens);
  auto made = ConnectAll(plan, options.server,
                         {.deadline = absl::InfiniteDuration(),
                          .wait_for_server = absl::Seconds(options.wait_seconds)});
  if (!made.ok()) return Fail(made.status());
  clients = *std::move(made);
  connected = true;
  Client& any_client = *clients.begin()->second;
  const auto model = any_client.GetModel();
  if (!model.ok()) return Fail(model.status());

  DemoBoard board(model->display_name());
  absl::Status result;
  std::thread runner([&] {
    result = RunDemo(plan, clients, board);
    board.Close();
  });
  std::thread watcher([&] { WatchServer(any_client, board); });
  if (live) {
    ShowDashboard(board);
  } else {
    ShowLog(board);
  }
  runner.join();
  watcher.join();

  for (const std::string& line : RenderSummary(board.Snapshot())) std::cout << line << "\n";
  return result.ok() ? 0 : Fail(result);
}

int Main(int argc, char** argv) {
  CLI::App app("Shows several users' prefixes served in one batch.", "prefixd-demo");
  Options options;
  app.add_option("--server", options.server, "Address of prefixd")
      ->envname("PREFIXD_SERVER")
      ->capture_default_str();
  app.add_option("--max-new-tokens", options.max_new_tokens, "Longest answer")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  app.add_option("--wait", options.wait_seconds,
                 "Wait up to so many seconds for a server that is not up yet")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--plain", options.plain, "Print line by line, also on a terminal");
  app.footer("Exit codes: 0 all went well, 1 something failed, 2 the command line is wrong");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool live = !options.plain && WantsEscapes(STDOUT_FILENO);
  DemoClients clients;
  std::atomic<bool> connected = false;
  const SignalWatcher signals(
      [&] {
        if (!connected) _exit(1);  // nothing is under way yet
        for (auto& [user, client] : clients) client->Cancel();
      },
      [live] {
        if (live) (void)!write(STDOUT_FILENO, kShowCursor.data(), kShowCursor.size());
      });
  return RunWith(options, live, clients, connected);
}

}  // namespace
}  // namespace prefixd

int main(int argc, char** argv) { return prefixd::Main(argc, argv); }
