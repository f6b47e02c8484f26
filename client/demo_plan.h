// What prefixd-demo does: whose prefixes it makes and what it asks.
#pragma once

#include <string>
#include <vector>

#include "prefixd/v1/generation_service.pb.h"

namespace prefixd {

struct DemoTask {
  std::string user;
  std::string task;
  std::string instructions;
};

struct DemoRequest {
  std::string user;
  std::string task;
  v1::GenerateRequest request;
};

struct DemoPlan {
  // One prefix each.
  std::vector<DemoTask> tasks;

  // A second version of one of the tasks.
  DemoTask second_version;

  // Sent at once. The first is of the task that has a second version, and long.
  std::vector<DemoRequest> requests;

  // Sent when the task has been switched.
  DemoRequest follow_up;
};

// At least 16 requests of up to `max_new_tokens` each; the first has twice as many.
DemoPlan MakeDemoPlan(int max_new_tokens);

// SmolLM2-Instruct's chat form: what a prefix is captured from, and what follows it.
std::string SystemTurn(const std::string& instructions);
std::string UserTurn(const std::string& question);

}  // namespace prefixd
