#include "engine/sequence.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/server/fake_model.h"

namespace prefixd {
namespace {

// A preempted row runs its prompt again, but what it has told already needs no logits any more.
TEST(SequenceTest, AsksForThePromptsLogitsUntilTheyAreTold) {
  const FakeModel model;
  const FakeTokenizer tokenizer({});
  GenerationRequest request;
  request.prompt = {'a', 'b', 'c', 'd'};
  request.prompt_log_probs = true;
  Sequence sequence(request, model.config(), &tokenizer);

  const std::vector<float> logits(4 * kFakeVocabulary, 0.0F);
  ASSERT_EQ(sequence.LogitsWanted(0, 4, /*samples=*/true), 4);
  EXPECT_EQ(sequence.Advance(0, 4, /*samples=*/true, logits).prompt_log_probs.size(), 3);
  ASSERT_EQ(sequence.new_tokens(), 1);

  EXPECT_EQ(sequence.LogitsWanted(0, 3, /*samples=*/false), 0);
  EXPECT_EQ(sequence.LogitsWanted(0, 5, /*samples=*/true), 1);
}

// Preempted before its first token, it goes on where it was.
TEST(SequenceTest, TellsEachOfThePromptsLogProbsOnce) {
  const FakeModel model;
  const FakeTokenizer tokenizer({});
  GenerationRequest request;
  request.prompt = {'a', 'b', 'c', 'd'};
  request.prompt_log_probs = true;
  Sequence sequence(request, model.config(), &tokenizer);

  const std::vector<float> logits(4 * kFakeVocabulary, 0.0F);
  sequence.Advance(0, 2, /*samples=*/false, std::span(logits).first(2 * kFakeVocabulary));
  EXPECT_EQ(sequence.Advance(0, 4, /*samples=*/true, logits).prompt_log_probs.size(), 3);
}

}  // namespace
}  // namespace prefixd
