// The mixed batch against one request at a time, bit for bit: random rows, prefixes, stacks, chunk
// sizes, preemptions and cancels must give each row the tokens and log-probabilities that it gets
// alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/str_cat.h"
#include "engine/engine.h"
#include "tests/engine/engine_testing.h"
#include "tests/model/model_testing.h"

namespace prefixd {
namespace {

constexpr EngineOptions kAlone{
    .threads = 1, .max_rows = 1, .max_queued_rows = 64, .step_tokens = 512, .pages = 64};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int Int(int least, int most) { return std::uniform_int_distribution(least, most)(engine_); }
  float Real() { return std::uniform_real_distribution<float>(0.0F, 1.0F)(engine_); }
  float Normal() { return std::normal_distribution<float>(0.0F, 0.7F)(engine_); }

 private:
  std::mt19937 engine_;
};

MATCHER_P(StartsWith, start, "") {
  return start.size() <= arg.size() && std::equal(start.begin(), start.end(), arg.begin());
}

class MixedBatch {
 public:
  MixedBatch(const std::string& path, int max_positions, uint32_t seed)
      : random_(seed),
        model_(LoadTestModel(path, Precision::kFp16, max_positions)),
        alone_(StartEngine(kAlone)) {
    for (const int positions : {1, 5, 16, 20, 33}) {
      const PrefixShape shape = model_.model->prefix_shape();
      PrefixTensor prefix{shape, positions, random_.Int(0, 1) * positions, {}};
      prefix.values.resize(positions * shape.values_per_position());
      for (float& value : prefix.values) value = random_.Normal();
      prefixes_.push_back(*model_.model->MakeSegment(prefix));
    }
  }

  // One random mix of up to `most_rows` requests.
  void Check(int most_rows, int most_prompt, int most_new) {
    const int rows = random_.Int(1, most_rows);
    std::vector<GenerationRequest> requests;
    for (int i = 0; i < rows; ++i) requests.push_back(RandomRequest(most_prompt, most_new));

    // Few pages, so that rows are preempted now and then.
    const int least = (most_prompt + most_new + kPageSize - 1) / kPageSize;
    const int max_rows = random_.Int(1, 32);
    const EngineOptions crowded{
        .threads = random_.Int(1, 2),
        .max_rows = max_rows,
        .max_queued_rows = 64,
        .step_tokens = std::max(max_rows, random_.Int(1, 300)),
        .pages = least + (random_.Int(0, 1) == 0 ? random_.Int(0, 3) : random_.Int(0, 3 * least)),
    };
    const std::vector<Answer> answers = RunAll(crowded, requests);
    for (int i = 0; i < rows; ++i) {
      const Answer alone = RunAlone(requests[i]);
      ASSERT_TRUE(alone.status.ok()) << alone.status;
      const Answer& answer = answers[i];
      const size_t tokens = answer.token_ids.size();
      if (answer.status.ok()) {
        ASSERT_EQ(tokens, alone.token_ids.size());
      }
      ASSERT_THAT(alone.token_ids, StartsWith(answer.token_ids)) << "row " << i << " of " << rows;
      ASSERT_THAT(alone.log_probs, StartsWith(answer.log_probs)) << "row " << i << " of " << rows;
      if (tokens > 0) CheckPromptLogProbs(answer, alone);
    }
  }

  int64_t preemptions() const { return preemptions_; }
  int cancelled() const { return cancelled_; }

 private:
  static void CheckPromptLogProbs(const Answer& answer, const Answer& alone) {
    ASSERT_EQ(answer.prompt_log_probs.size(), alone.prompt_log_probs.size());
    for (size_t i = 0; i < alone.prompt_log_probs.size(); ++i) {
      ASSERT_EQ(answer.prompt_log_probs[i].chosen.log_prob,
                alone.prompt_log_probs[i].chosen.log_prob);
    }
  }

  std::unique_ptr<Engine> StartEngine(const EngineOptions& options) {
    return *Engine::Start(model_.model.get(), model_.files.tokenizer.get(), options, &absl::Now);
  }

  GenerationRequest RandomRequest(int most_prompt, int most_new) {
    GenerationRequest request;
    request.prompt.resize(random_.Int(1, random_.Int(0, 3) == 0 ? most_prompt : most_prompt / 4));
    for (int32_t& token : request.prompt) {
      token = random_.Int(0, model_.model->config().vocabulary - 1);
    }
    for (int left = random_.Int(0, 2); left > 0; --left) {
      request.prefixes.push_back(prefixes_[random_.Int(0, static_cast<int>(prefixes_.size()) - 1)]);
    }
    if (random_.Int(0, 1) == 0) {
      request.sampling.temperature = 0.5F + random_.Real();
      request.sampling.top_p = 0.5F + random_.Real() / 2.0F;
      request.sampling.seed = random_.Int(0, 1000000);
      request.sampling.repetition_penalty = 1.0F + random_.Real();
    }
    request.max_new_tokens = random_.Int(1, most_new);
    request.ignore_eos = true;
    request.log_probs = true;
    request.prompt_log_probs = random_.Int(0, 4) == 0;
    request.max_chunk = random_.Int(0, 2) == 0 ? random_.Int(1, 40) : 0;
    return request;
  }

  std::vector<Answer> RunAll(const EngineOptions& options,
                             const std::vector<GenerationRequest>& requests) {
    const std::unique_ptr<Engine> engine = StartEngine(options);
    std::vector<std::shared_ptr<WaitingSink>> sinks;
    std::vector<Engine::RequestId> ids;
    for (const GenerationRequest& request : requests) {
      sinks.push_back(std::make_shared<WaitingSink>());
      ids.push_back(*engine->Submit(request, sinks.back()));
      // Wait now and then, so that rows join a batch that is under way.
      if (random_.Int(0, 4) == 0)
        sinks[random_.Int(0, static_cast<int>(sinks.size()) - 1)]->WaitForTokens(1);
      if (random_.Int(0, 9) == 0)
        engine->Cancel(ids[random_.Int(0, static_cast<int>(ids.size()) - 1)]);
    }
    std::vector<Answer> answers;
    for (const auto& sink : sinks) {
      answers.push_back(sink->Wait());
      if (absl::IsCancelled(answers.back().status)) ++cancelled_;
    }
    preemptions_ += engine->stats().preemptions;
    return answers;
  }

  Answer RunAlone(GenerationRequest request) {
    request.max_chunk = 0;
    const auto sink = std::make_shared<WaitingSink>();
    const auto id = alone_->Submit(std::move(request), sink);
    EXPECT_TRUE(id.ok()) << id.status();
    return sink->Wait();
  }

  Random random_;
  const TestModel model_;
  const std::unique_ptr<Engine> alone_;
  std::vector<std::shared_ptr<const PrefixSegment>> prefixes_;
  int64_t preemptions_ = 0;
  int cancelled_ = 0;
};

struct TinyModel {
  const char* name;
  int max_positions;  // 0: the file's
  int most_prompt;
  int most_new;
};

class MixedBatchTest : public testing::TestWithParam<TinyModel> {};

// 50 mixes of each of four tiny models.
TEST_P(MixedBatchTest, EachRowGetsWhatItGetsAlone) {
  const TinyModel& model = GetParam();
  MixedBatch batch(GoldenPath(StrCat("models/", model.name)), model.max_positions, 2024);
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(StrCat("mix ", round));
    ASSERT_NO_FATAL_FAILURE(batch.Check(32, model.most_prompt, model.most_new));
  }
  EXPECT_GT(batch.preemptions(), 0);
  EXPECT_GT(batch.cancelled(), 0);
}

INSTANTIATE_TEST_SUITE_P(TinyModels, MixedBatchTest,
                         testing::Values(TinyModel{"gpt2_tiny", 0, 40, 22},
                                         TinyModel{"llama_tiny", 512, 300, 40},
                                         TinyModel{"llama3_tiny", 512, 300, 40},
                                         TinyModel{"qwen2_tiny", 512, 300, 40}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RealMixedBatchTest, EachRowOfSmolLm2GetsWhatItGetsAlone) {
  MixedBatch batch(Environment("PREFIXD_TEST_MODEL"), 0, 7);
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(StrCat("mix ", round));
    ASSERT_NO_FATAL_FAILURE(batch.Check(12, 300, 12));
  }
}

}  // namespace
}  // namespace prefixd
