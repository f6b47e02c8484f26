#include "server/request_translation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "google/protobuf/text_format.h"
#include "tests/server/fake_model.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

v1::GenerateRequest Request(const std::string& text) {
  v1::GenerateRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

absl::StatusOr<GenerationRequest> Translate(const v1::GenerateRequest& request) {
  return TranslateParameters(request, FakeModel().config());
}

TEST(TranslateParametersTest, HasDefaults) {
  const GenerationRequest result = Translate({}).value();
  EXPECT_EQ(result.max_new_tokens, 128);
  EXPECT_EQ(result.sampling.temperature, 0.0F);
  EXPECT_EQ(result.sampling.top_p, 1.0F);
  EXPECT_EQ(result.sampling.repetition_penalty, 1.0F);
  EXPECT_FALSE(result.log_probs);
}

TEST(TranslateParametersTest, TakesEverythingOver) {
  const GenerationRequest result = Translate(Request(R"pb(
                                     max_new_tokens: 9
                                     min_new_tokens: 2
                                     ignore_eos: true
                                     sampling {
                                       temperature: 0.5
                                       top_k: 4
                                       top_p: 0.25
                                       min_p: 0.125
                                       repetition_penalty: 1.5
                                       presence_penalty: -1
                                       frequency_penalty: 2
                                       seed: 7
                                       logit_bias { key: 9 value: -100 }
                                       logit_bias { key: 3 value: 0.5 }
                                     }
                                     stop_strings: "x"
                                     stop_token_ids: 257
                                     log_probs { generated: true prompt: true top_count: 20 })pb"))
                                       .value();
  EXPECT_EQ(result.max_new_tokens, 9);
  EXPECT_EQ(result.min_new_tokens, 2);
  EXPECT_TRUE(result.ignore_eos);
  EXPECT_EQ(result.sampling.temperature, 0.5F);
  EXPECT_EQ(result.sampling.top_k, 4);
  EXPECT_EQ(result.sampling.top_p, 0.25F);
  EXPECT_EQ(result.sampling.min_p, 0.125F);
  EXPECT_EQ(result.sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(result.sampling.presence_penalty, -1.0F);
  EXPECT_EQ(result.sampling.frequency_penalty, 2.0F);
  EXPECT_EQ(result.sampling.seed, 7u);
  EXPECT_THAT(result.sampling.logit_bias, ElementsAre(Pair(3, 0.5F), Pair(9, -100.0F)));
  EXPECT_THAT(result.stop_strings, ElementsAre("x"));
  EXPECT_THAT(result.stop_ids, ElementsAre(257));
  EXPECT_TRUE(result.log_probs);
  EXPECT_TRUE(result.prompt_log_probs);
  EXPECT_EQ(result.top_log_probs, 20);
}

TEST(TranslateParametersTest, NamesWhatIsOutOfRange) {
  using Change = std::function<void(v1::GenerateRequest&)>;
  const auto sampling = [](auto set, auto value) -> Change {
    return [=](v1::GenerateRequest& request) { (request.mutable_sampling()->*set)(value); };
  };
  using S = v1::SamplingParameters;
  const std::vector<std::pair<std::string, Change>> cases = {
      {"max_new_tokens", [](auto& r) { r.set_max_new_tokens(-1); }},
      {"min_new_tokens", [](auto& r) { r.set_min_new_tokens(-1); }},
      {"min_new_tokens", [](auto& r) { r.set_min_new_tokens(129); }},
      {"sampling.temperature", sampling(&S::set_temperature, -0.1F)},
      {"sampling.temperature", sampling(&S::set_temperature, 100.5F)},
      {"sampling.temperature", sampling(&S::set_temperature, kNan)},
      {"sampling.top_k", sampling(&S::set_top_k, -1)},
      {"sampling.top_p", sampling(&S::set_top_p, 0.0F)},
      {"sampling.top_p", sampling(&S::set_top_p, 1.5F)},
      {"sampling.top_p", sampling(&S::set_top_p, kNan)},
      {"sampling.min_p", sampling(&S::set_min_p, 1.01F)},
      {"sampling.min_p", sampling(&S::set_min_p, kNan)},
      {"sampling.repetition_penalty", sampling(&S::set_repetition_penalty, 0.0F)},
      {"sampling.repetition_penalty", sampling(&S::set_repetition_penalty, kInfinity)},
      {"sampling.repetition_penalty", sampling(&S::set_repetition_penalty, kNan)},
      {"sampling.presence_penalty", sampling(&S::set_presence_penalty, -2.5F)},
      {"sampling.presence_penalty", sampling(&S::set_presence_penalty, kNan)},
      {"sampling.frequency_penalty", sampling(&S::set_frequency_penalty, kInfinity)},
      {"sampling.logit_bias[5]",
       [](auto& r) { (*r.mutable_sampling()->mutable_logit_bias())[5] = 101.0F; }},
      {"sampling.logit_bias[5]",
       [](auto& r) { (*r.mutable_sampling()->mutable_logit_bias())[5] = kNan; }},
      {"sampling.logit_bias",
       [](auto& r) { (*r.mutable_sampling()->mutable_logit_bias())[258] = 1.0F; }},
      {"sampling.logit_bias",
       [](auto& r) {
         for (int i = 0; i < 1025; ++i) (*r.mutable_sampling()->mutable_logit_bias())[i] = 1.0F;
       }},
      {"stop_strings",
       [](auto& r) {
         for (int i = 0; i < 17; ++i) r.add_stop_strings(std::string(1, 'x'));
       }},
      {"stop_strings[0]", [](auto& r) { r.add_stop_strings(std::string()); }},
      {"stop_strings[0]", [](auto& r) { r.add_stop_strings(std::string(257, 'x')); }},
      {"stop_token_ids",
       [](auto& r) {
         for (int i = 0; i < 65; ++i) r.add_stop_token_ids(1);
       }},
      {"stop_token_ids", [](auto& r) { r.add_stop_token_ids(-1); }},
      {"stop_token_ids", [](auto& r) { r.add_stop_token_ids(258); }},
      {"log_probs.top_count", [](auto& r) { r.mutable_log_probs()->set_top_count(21); }},
      {"log_probs.top_count", [](auto& r) { r.mutable_log_probs()->set_top_count(-1); }},
  };
  for (const auto& [field, change] : cases) {
    v1::GenerateRequest request;
    change(request);
    const absl::Status status = Translate(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << request.ShortDebugString();
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

absl::StatusOr<std::vector<int32_t>> Prompt(const v1::GenerateRequest& request,
                                            std::vector<int32_t> prefix_ids,
                                            bool after_captured = false) {
  return TranslatePrompt(request, FakeModel().config(), FakeTokenizer(std::move(prefix_ids)),
                         after_captured);
}

TEST(TranslatePromptTest, PutsTheModelsTokensBeforeAText) {
  const v1::GenerateRequest request = Request("text: 'ab'");
  EXPECT_THAT(Prompt(request, {}).value(), ElementsAre('a', 'b'));
  EXPECT_THAT(Prompt(request, {kFakeBos}).value(), ElementsAre(kFakeBos, 'a', 'b'));
  EXPECT_THAT(Prompt(request, {kFakeBos}, true).value(), ElementsAre('a', 'b'))
      << "a captured prefix holds them";
  EXPECT_THAT(Prompt(Request("token_ids { ids: 9 }"), {kFakeBos}).value(), ElementsAre(9))
      << "ids are the caller's own";
}

TEST(TranslatePromptTest, ReadsSpecialTokensUnlessToldOtherwise) {
  EXPECT_THAT(Prompt(Request("text: '<eos>'"), {}).value(), ElementsAre(kFakeEos));
  EXPECT_EQ(Prompt(Request("text: '<eos>' special_tokens_as_text: true"), {}).value().size(), 5u);
}

TEST(TranslatePromptTest, AnEmptyPromptIsBos) {
  for (const char* empty : {"text: ''", "token_ids {}"}) {
    EXPECT_THAT(Prompt(Request(empty), {}).value(), ElementsAre(kFakeBos)) << empty;
    EXPECT_EQ(Prompt(Request(empty), {}, true).status().code(), absl::StatusCode::kInvalidArgument);
  }
  ModelConfig without_bos = FakeModel().config();
  without_bos.bos_id.reset();
  const absl::Status status =
      TranslatePrompt(Request("text: ''"), without_bos, FakeTokenizer({}), false).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("empty"));
}

TEST(TranslatePromptTest, RefusesNoPromptAndForeignIds) {
  EXPECT_EQ(Prompt({}, {}).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* ids : {"token_ids { ids: -1 }", "token_ids { ids: 1 ids: 258 }"}) {
    const absl::Status status = Prompt(Request(ids), {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << ids;
    EXPECT_THAT(std::string(status.message()), HasSubstr("token_ids"));
  }
}

}  // namespace
}  // namespace prefixd
