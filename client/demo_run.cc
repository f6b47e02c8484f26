#include "client/demo_run.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace prefixd {
namespace {

// Enough for the eye to see that the answer has begun.
constexpr int kTokensBeforeSwitch = 8;

std::string PathOf(const DemoTask& task) { return absl::StrCat(task.user, "/", task.task); }

// The version's number, of ".../versions/3".
int64_t NumberOf(const std::string& name) {
  return std::strtoll(name.c_str() + name.rfind('/') + 1, nullptr, 10);
}

absl::StatusOr<v1::Prefix> Capture(const DemoTask& task, bool activate, DemoClients& clients,
                                   DemoBoard& board) {
  const NewVersion version = {
      .task = task.task, .description = task.instructions, .activate = activate};
  PREFIXD_ASSIGN_OR_RETURN(const v1::Prefix prefix, clients.at(task.user)->CapturePrefix(
                                                        version, SystemTurn(task.instructions)));
  board.AddEvent(absl::StrCat("captured ", PathOf(task), " versions/", NumberOf(prefix.name()),
                              " (", prefix.positions(), " positions): ", task.instructions));
  return prefix;
}

void Send(const DemoRequest& request, int row, DemoClients& clients, DemoBoard& board) {
  board.Finish(
      row,
      clients.at(request.user)->Generate(request.request, [&](const v1::GenerateResponse& piece) {
        board.Append(row, piece);
        return true;
      }));
}

// Switches to the second version while the first row streams, and sends the follow-up.
absl::Status SwitchAndFollowUp(const DemoPlan& plan, int64_t version, DemoClients& clients,
                               DemoBoard& board) {
  const std::string path = PathOf(plan.second_version);
  if (!board.WaitForTokens(0, kTokensBeforeSwitch)) {
    const std::string error = board.Snapshot().rows[0].error;
    return absl::AbortedError(absl::StrCat("request 1 ended before its task could be switched",
                                           error.empty() ? "" : "; ", error));
  }
  PREFIXD_RETURN_IF_ERROR(clients.at(plan.second_version.user)
                              ->ActivateVersion(plan.second_version.task, version)
                              .status());
  const bool streaming = board.IsStreaming(0);
  const int row = board.AddRow(plan.follow_up.user, plan.follow_up.task);
  board.AddEvent(absl::StrCat("switched ", path, " to versions/", version,
                              streaming ? " while request 1 was still streaming" : "", "; request ",
                              row + 1, " comes after it"));
  Send(plan.follow_up, row, clients, board);
  if (!streaming) {
    return absl::FailedPreconditionError("request 1 ended while its task was being switched");
  }
  return absl::OkStatus();
}

absl::Status CheckVersion(const DemoRow& row, int number, const std::string& expected) {
  if (row.state != DemoState::kDone) {
    return absl::AbortedError(absl::StrCat("request ", number, " failed: ", row.error));
  }
  const auto& versions = row.summary.prefix_versions();
  if (versions.size() == 1 && versions[0] == expected) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("request ", number, " was not answered by ", expected));
}

// Every request was answered by the version that was active when it was sent.
absl::Status CheckAnswers(const DemoPlan& plan, const std::vector<v1::Prefix>& prefixes,
                          const v1::Prefix& second, DemoBoard& board) {
  const std::vector<DemoRow> rows = board.Snapshot().rows;
  for (size_t i = 0; i < plan.requests.size(); ++i) {
    for (size_t t = 0; t < plan.tasks.size(); ++t) {
      if (plan.tasks[t].user != rows[i].user || plan.tasks[t].task != rows[i].task) continue;
      PREFIXD_RETURN_IF_ERROR(CheckVersion(rows[i], i + 1, prefixes[t].name()));
    }
  }
  PREFIXD_RETURN_IF_ERROR(CheckVersion(rows.back(), rows.size(), second.name()));
  board.SetVerdict(absl::StrCat("request 1 finished on ", rows[0].summary.prefix_versions(0),
                                ", begun before the switch;\nrequest ", rows.size(),
                                ", sent after it, was answered by ", second.name()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DemoClients> ConnectAll(const DemoPlan& plan, const std::string& address,
                                       const ClientOptions& options) {
  DemoClients clients;
  for (const DemoTask& task : plan.tasks) {
    if (clients.contains(task.user)) continue;
    PREFIXD_ASSIGN_OR_RETURN(clients[task.user], Client::Connect(address, task.user, options));
  }
  return clients;
}

absl::Status RunDemo(const DemoPlan& plan, DemoClients& clients, DemoBoard& board) {
  std::vector<v1::Prefix> prefixes;
  for (const DemoTask& task : plan.tasks) {
    PREFIXD_ASSIGN_OR_RETURN(v1::Prefix prefix, Capture(task, true, clients, board));
    prefixes.push_back(std::move(prefix));
  }
  PREFIXD_ASSIGN_OR_RETURN(const v1::Prefix second,
                           Capture(plan.second_version, false, clients, board));

  board.StartClock();
  for (const DemoRequest& request : plan.requests) board.AddRow(request.user, request.task);
  std::vector<std::thread> callers;
  for (size_t i = 0; i < plan.requests.size(); ++i) {
    callers.emplace_back([&, i] { Send(plan.requests[i], static_cast<int>(i), clients, board); });
  }
  const absl::Status switched = SwitchAndFollowUp(plan, NumberOf(second.name()), clients, board);
  for (std::thread& caller : callers) caller.join();
  board.StopClock();
  PREFIXD_RETURN_IF_ERROR(switched);
  return CheckAnswers(plan, prefixes, second, board);
}

}  // namespace prefixd
