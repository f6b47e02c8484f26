// The calls of prefixd-demo.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/demo_board.h"
#include "client/demo_plan.h"

namespace prefixd {

// By user.
using DemoClients = std::map<std::string, std::unique_ptr<Client>>;

// One client for each user of the plan.
absl::StatusOr<DemoClients> ConnectAll(const DemoPlan& plan, const std::string& address,
                                       const ClientOptions& options);

// Captures the prefixes, sends the requests at once, switches the first one's task while it is
// still streaming, sends the follow-up, and waits for all. Fails when a call failed, or when a
// request was not answered by the version that was active when it was sent.
absl::Status RunDemo(const DemoPlan& plan, DemoClients& clients, DemoBoard& board);

}  // namespace prefixd
