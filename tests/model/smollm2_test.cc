// The real model: PEFT's greedy text, and a text that is captured against the same text as a
// prompt.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/files/safetensors.h"
#include "tests/model/model_testing.h"

namespace prefixd {
namespace {

class SmolLm2Test : public testing::TestWithParam<Precision> {
 protected:
  SmolLm2Test()
      : model_(LoadTestModel(Environment("PREFIXD_TEST_MODEL"), GetParam())),
        row_(*model_.model, /*threads=*/2) {}

  std::vector<int32_t> Encode(const std::string& text) {
    return *model_.files.tokenizer->Encode(text, SpecialTokens::kParse);
  }

  std::vector<int32_t> Greedy(const std::vector<int32_t>& prompt,
                              const std::vector<int32_t>& expected) {
    return GetParam() == Precision::kFp32 ? row_.GreedyAlong(prompt, expected)
                                          : row_.Greedy(prompt, static_cast<int>(expected.size()));
  }

  const TestModel model_;
  SingleRow row_;
};

TEST_P(SmolLm2Test, GivesPeftsGreedyText) {
  const auto file = *OpenSafetensors(GoldenPath("smollm2/peft/adapter_model.safetensors"));
  const TensorView& tensor = file.contents.tensors.at("prompt_embeddings");
  const int positions = static_cast<int>(tensor.shape.front());
  const auto prefix = *model_.model->MakeSegment(
      {model_.model->prefix_shape(), positions, positions, *ReadFloats(tensor)});

  std::ifstream stream(GoldenPath("smollm2/golden.json"));
  const nlohmann::json golden = nlohmann::json::parse(stream);
  for (const nlohmann::json& golden_case : golden["cases"]) {
    const auto prompt = golden_case["prompt_ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(Encode(golden_case["prompt"]), prompt);
    for (const std::string kind : {"plain", "prefix"}) {
      row_.set_prefixes(kind == "prefix" ? std::vector<const PrefixSegment*>{prefix.get()}
                                         : std::vector<const PrefixSegment*>{});
      auto expected = golden_case[kind]["greedy_ids"].get<std::vector<int32_t>>();
      expected.resize(golden_case[kind]["safe_tokens"].get<size_t>());
      EXPECT_EQ(Greedy(prompt, expected), expected) << kind << ": " << golden_case["prompt"];
    }
  }
}

TEST_P(SmolLm2Test, ACapturedPrefixEqualsItsTextBeforeThePrompt) {
  const std::vector<int32_t> text =
      Encode("<|im_start|>system\nAnswer in one short sentence, as a sailor would.<|im_end|>\n");
  const std::vector<int32_t> prompt =
      Encode("<|im_start|>user\nWhere do whales sleep?<|im_end|>\n<|im_start|>assistant\n");
  std::vector<int32_t> both = text;
  both.insert(both.end(), prompt.begin(), prompt.end());
  const std::vector<float> expected_logits = row_.Run(both, 0, static_cast<int>(prompt.size()));
  const std::vector<int32_t> expected = row_.Greedy(both, 12);

  row_.Run(text, 0, 0);
  const int positions = static_cast<int>(text.size());
  const auto captured =
      *model_.model->MakeSegment(row_.runner().ReadPages(row_.pages(), positions, positions));
  row_.set_prefixes({captured.get()});
  const std::vector<float> logits = row_.Run(prompt, 0, static_cast<int>(prompt.size()));
  EXPECT_EQ(Greedy(prompt, expected), expected);
  if (GetParam() == Precision::kFp16) {
    EXPECT_EQ(logits, expected_logits);
  } else {
    EXPECT_THAT(logits, testing::Pointwise(testing::FloatNear(1e-3F), expected_logits));
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, SmolLm2Test,
                         testing::Values(Precision::kFp32, Precision::kFp16),
                         [](const auto& info) { return std::string(PrecisionName(info.param)); });

}  // namespace
}  // namespace prefixd
