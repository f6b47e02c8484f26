// The engine over a model whose next token is always the last plus one.

#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/engine/engine_testing.h"
#include "tests/server/fake_model.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EngineTest : public testing::Test {
 protected:
  explicit EngineTest(EngineOptions options = {.threads = 2,
                                               .max_rows = 4,
                                               .max_queued_rows = 3,
                                               .step_tokens = 64,
                                               .pages = 1300})
      : engine_(*Engine::Start(&model_, &tokenizer_, options,
                               [this] { return absl::FromUnixSeconds(seconds_.load()); })) {}

  ~EngineTest() override { model_.Release(); }

  static GenerationRequest Request(std::string_view prompt, int max_new_tokens) {
    GenerationRequest request;
    for (const char c : prompt) request.prompt.push_back(static_cast<unsigned char>(c));
    request.max_new_tokens = max_new_tokens;
    return request;
  }

  std::shared_ptr<WaitingSink> Submit(GenerationRequest request) {
    auto sink = std::make_shared<WaitingSink>();
    const auto id = engine_->Submit(std::move(request), sink);
    EXPECT_TRUE(id.ok()) << id.status();
    if (id.ok()) {
      last_id_ = *id;
    } else {
      sink->OnDone(id.status(), {});
    }
    return sink;
  }

  absl::Status Refusal(GenerationRequest request) {
    return engine_->Submit(std::move(request), std::make_shared<WaitingSink>()).status();
  }

  std::atomic<int64_t> seconds_ = 1000;
  FakeModel model_;
  FakeTokenizer tokenizer_{{}};
  std::unique_ptr<Engine> engine_;
  Engine::RequestId last_id_ = 0;
};

TEST_F(EngineTest, GeneratesUpToTheLimit) {
  const Answer answer = Submit(Request("A", 3))->Wait();
  EXPECT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.text, "BCD");
  EXPECT_THAT(answer.token_ids, ElementsAre('B', 'C', 'D'));
  EXPECT_EQ(answer.summary.reason, FinishReason::kLength);
  EXPECT_EQ(answer.summary.prompt_tokens, 1);
  EXPECT_EQ(answer.summary.new_tokens, 3);
}

TEST_F(EngineTest, EndsAtEndOfText) {
  GenerationRequest request = Request("\xFE", 10);
  const Answer answer = Submit(request)->Wait();
  EXPECT_EQ(answer.summary.reason, FinishReason::kEndOfText);
  EXPECT_THAT(answer.token_ids, ElementsAre(255, kFakeBos, kFakeEos));

  request.ignore_eos = true;
  EXPECT_EQ(Submit(request)->Wait().token_ids.size(), 10);

  request.ignore_eos = false;
  request.min_new_tokens = 8;
  EXPECT_GE(Submit(request)->Wait().token_ids.size(), 8);
}

TEST_F(EngineTest, StopsAtStringsAndIds) {
  GenerationRequest request = Request("A", 20);
  request.stop_strings = {"EF"};
  Answer answer = Submit(request)->Wait();
  EXPECT_EQ(answer.summary.reason, FinishReason::kStopString);
  EXPECT_EQ(answer.text, "BCD");

  request.min_new_tokens = 6;
  answer = Submit(request)->Wait();
  EXPECT_EQ(answer.summary.reason, FinishReason::kLength);

  request = Request("A", 20);
  request.stop_ids = {'D'};
  answer = Submit(request)->Wait();
  EXPECT_EQ(answer.summary.reason, FinishReason::kStopToken);
  EXPECT_EQ(answer.text, "BC");
  EXPECT_THAT(answer.token_ids, ElementsAre('B', 'C', 'D'));
}

TEST_F(EngineTest, TellsThePromptsLogProbsOnce) {
  GenerationRequest request = Request(std::string(100, 'x') + "yz", 2);
  request.prompt_log_probs = true;
  request.top_log_probs = 2;
  request.max_chunk = 7;
  const Answer answer = Submit(request)->Wait();
  ASSERT_EQ(answer.prompt_log_probs.size(), 101);
  EXPECT_EQ(answer.prompt_log_probs[98].chosen.id, 'x');
  EXPECT_EQ(answer.prompt_log_probs[99].chosen.id, 'y');
  EXPECT_EQ(answer.prompt_log_probs[100].top.front().id, 'z');
  EXPECT_GT(answer.prompt_log_probs[99].chosen.log_prob, -0.1F);
  EXPECT_LT(answer.prompt_log_probs[98].chosen.log_prob, -5.0F);
}

TEST_F(EngineTest, CapturesAPrefix) {
  GenerationRequest request = Request("hello", 0);
  request.capture = true;
  const Answer answer = Submit(request)->Wait();
  ASSERT_TRUE(answer.summary.captured.has_value());
  EXPECT_EQ(answer.summary.captured->positions, 5);
  EXPECT_EQ(answer.summary.captured->position_offset, 5);
  EXPECT_TRUE(answer.token_ids.empty());
}

TEST_F(EngineTest, RefusesWhatCanNeverFit) {
  EXPECT_THAT(Refusal(Request("", 1)).message(), HasSubstr("empty"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Refusal(Request("A", 20'000))));
  EXPECT_THAT(Refusal(Request("A", 20'000)).message(), HasSubstr("20001 positions"));
  GenerationRequest request = Request("A", 1);
  request.prompt = {kFakeVocabulary};
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(request)));
  request = Request("A", 5);
  request.min_new_tokens = 6;
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(request)));
}

TEST_F(EngineTest, AFullQueueRefusesAndRecovers) {
  model_.Hold();
  std::vector<std::shared_ptr<WaitingSink>> sinks;
  absl::Status status;
  // Some of the four rows may be in the held step already, so the exact number differs.
  while (status.ok() && sinks.size() < 20) {
    auto sink = std::make_shared<WaitingSink>();
    status = engine_->Submit(Request("A", 5), sink).status();
    if (status.ok()) sinks.push_back(sink);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("try again"));
  model_.Release();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_TRUE(Submit(Request("A", 5))->Wait().status.ok());
}

TEST_F(EngineTest, ACancelledRowLeaves) {
  GenerationRequest request = Request("A", 19'000);
  request.ignore_eos = true;
  const auto sink = Submit(request);
  sink->WaitForTokens(3);
  engine_->Cancel(last_id_);
  EXPECT_TRUE(absl::IsCancelled(sink->Wait().status));
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.running_rows, 0);
  EXPECT_EQ(stats.free_pages, stats.total_pages);
}

TEST_F(EngineTest, ADeadlineEndsARow) {
  GenerationRequest request = Request("A", 19'000);
  request.ignore_eos = true;
  request.deadline = absl::FromUnixSeconds(1010);
  const auto sink = Submit(request);
  sink->WaitForTokens(3);
  seconds_ = 1010;
  const Answer answer = sink->Wait();
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status)) << answer.status;
  EXPECT_EQ(answer.summary.total_time, absl::Seconds(10));
}

TEST_F(EngineTest, DrainLetsRunningRequestsEnd) {
  const auto sink = Submit(Request("A", 50));
  engine_->Drain(absl::FromUnixSeconds(2000));
  EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_TRUE(absl::IsUnavailable(Refusal(Request("A", 1))));
}

TEST_F(EngineTest, DrainEndsWhatIsLeftAtTheDeadline) {
  GenerationRequest request = Request("A", 19'000);
  request.ignore_eos = true;
  const auto sink = Submit(request);
  engine_->Drain(absl::FromUnixSeconds(1000));
  EXPECT_TRUE(absl::IsUnavailable(sink->Wait().status));
}

TEST_F(EngineTest, ManyThreadsSubmitAndCancel) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto sink = std::make_shared<WaitingSink>();
        const auto id = engine_->Submit(Request("A", 10 + i), sink);
        if (!id.ok()) continue;
        if (i % 3 == 0) engine_->Cancel(*id);
        const Answer answer = sink->Wait();
        EXPECT_TRUE(answer.status.ok() || absl::IsCancelled(answer.status)) << answer.status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(engine_->stats().free_pages, 1300);
}

TEST(EngineOptionsTest, AreChecked) {
  const FakeModel model;
  const FakeTokenizer tokenizer({});
  const auto start = [&](const EngineOptions& options) {
    return Engine::Start(&model, &tokenizer, options, &absl::Now).status();
  };
  EXPECT_THAT(start({}).message(), HasSubstr("pages"));
  EXPECT_THAT(start({.threads = 0, .pages = 10}).message(), HasSubstr("threads"));
  EXPECT_THAT(start({.max_rows = 32, .step_tokens = 16, .pages = 10}).message(),
              HasSubstr("step_tokens"));
}

}  // namespace
}  // namespace prefixd
