#include "client/demo_plan.h"

#include "absl/strings/str_cat.h"

namespace prefixd {
namespace {

struct Topic {
  DemoTask task;
  std::vector<std::string> questions;
};

std::vector<Topic> Topics() {
  return {
      {{"ada", "story", "You tell calm bedtime stories for children, in simple words."},
       {"Tell me a long story about a lost key.", "Tell me about a fox who could not sleep.",
        "Tell me about the moon and a little boat."}},
      {{"ada", "support",
        "You answer customers of a bicycle shop. Be friendly and brief, and offer a repair."},
       {"My brakes squeak. What can I do?", "How often should I oil the chain?",
        "My tyre is flat again!"}},
      {{"ben", "haiku", "You are a poet. Answer every question with a short poem about nature."},
       {"What is autumn like?", "Describe a mountain lake.", "What does the rain say?"}},
      {{"ben", "summary", "You explain things in one plain sentence."},
       {"What is a prefix in a language model?", "Why is the sky blue?",
        "How does a sailing boat move against the wind?"}},
      {{"cleo", "support",
        "You answer guests of a small hotel by the sea. Be polite and mention the breakfast."},
       {"When can I check in?", "Is there a quiet room?", "Can I bring my dog?"}},
      {{"cleo", "pirate", "You are a pirate captain. You say \"Arrr\" and talk of ships and gold."},
       {"How do I cook an egg?", "What should I wear tomorrow?", "How do I get to the station?"}},
  };
}

DemoRequest MakeRequest(const DemoTask& task, const std::string& question, int max_new_tokens) {
  DemoRequest request = {.user = task.user, .task = task.task, .request = {}};
  request.request.add_tasks(task.task);
  request.request.set_text(UserTurn(question));
  request.request.set_max_new_tokens(max_new_tokens);
  v1::SamplingParameters& sampling = *request.request.mutable_sampling();
  sampling.set_temperature(0.3f);
  sampling.set_top_p(0.9f);
  sampling.set_repetition_penalty(1.1f);
  return request;
}

}  // namespace

std::string SystemTurn(const std::string& instructions) {
  return absl::StrCat("<|im_start|>system\n", instructions, "<|im_end|>\n");
}

std::string UserTurn(const std::string& question) {
  return absl::StrCat("<|im_start|>user\n", question, "<|im_end|>\n<|im_start|>assistant\n");
}

DemoPlan MakeDemoPlan(int max_new_tokens) {
  DemoPlan plan;
  for (const Topic& topic : Topics()) {
    plan.tasks.push_back(topic.task);
    for (const std::string& question : topic.questions) {
      plan.requests.push_back(MakeRequest(topic.task, question, max_new_tokens));
    }
  }
  // It must still be streaming when its task is switched.
  v1::GenerateRequest& first = plan.requests.front().request;
  first.set_max_new_tokens(2 * max_new_tokens);
  first.set_min_new_tokens(2 * max_new_tokens);
  plan.second_version = {"ada", "story", "You tell wild stories of pirates and storms at sea."};
  plan.follow_up =
      MakeRequest(plan.second_version, "Tell me a story about a lost key.", max_new_tokens);
  uint64_t seed = 1;
  for (DemoRequest& request : plan.requests) {
    request.request.mutable_sampling()->set_seed(seed++);
  }
  plan.follow_up.request.mutable_sampling()->set_seed(seed);
  return plan;
}

}  // namespace prefixd
