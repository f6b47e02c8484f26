// The models against transformers and PEFT: tests/golden/README.md tells what the files hold.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "base/str_cat.h"
#include "model/files/safetensors.h"
#include "tests/model/model_testing.h"

namespace prefixd {
namespace {

struct GoldenCase {
  std::string model;
  Precision precision;
};

class GoldenTest : public testing::TestWithParam<GoldenCase> {
 protected:
  GoldenTest()
      : folder_(GoldenPath("models/" + GetParam().model)),
        model_(LoadTestModel(folder_, GetParam().precision)),
        golden_(*OpenSafetensors(folder_ + "/golden.safetensors")),
        row_(*model_.model, /*threads=*/2) {}

  std::vector<float> Floats(const std::string& name) {
    return *ReadFloats(golden_.contents.tensors.at(name));
  }

  std::vector<int32_t> Ids(const std::string& name) {
    const TensorView& tensor = golden_.contents.tensors.at(name);
    std::vector<int32_t> ids(tensor.bytes.size() / sizeof(int32_t));
    std::memcpy(ids.data(), tensor.bytes.data(), tensor.bytes.size());
    return ids;
  }

  // PEFT's prefix as it lies in its file; the store's tests cover the checks around it.
  std::shared_ptr<const PrefixSegment> PeftPrefix() {
    const auto file = *OpenSafetensors(folder_ + "/peft/adapter_model.safetensors");
    const TensorView& tensor = file.contents.tensors.at("prompt_embeddings");
    const int positions = static_cast<int>(tensor.shape.front());
    return *model_.model->MakeSegment(
        {model_.model->prefix_shape(), positions, positions, *ReadFloats(tensor)});
  }

  // In fp16 a token may differ where the two best logits are closer than its rounding.
  size_t TokensToCompare(const std::vector<float>& gaps) const {
    if (GetParam().precision == Precision::kFp32) return gaps.size();
    return std::find_if(gaps.begin(), gaps.end(),
                        [](float gap) { return gap < 2 * kFp16Tolerance; }) -
           gaps.begin();
  }

  void CheckCases(const std::string& kind) {
    const bool exact = GetParam().precision == Precision::kFp32;
    for (int i = 0; i < 4; ++i) {
      const std::string name = StrCat("case", i, ".");
      const std::vector<int32_t> prompt = Ids(name + "prompt");
      const int rows = std::min<int>(8, static_cast<int>(prompt.size()));
      EXPECT_THAT(row_.Run(prompt, 0, rows),
                  testing::Pointwise(testing::FloatNear(exact ? 1e-4F : kFp16Tolerance),
                                     Floats(name + kind + "logits")))
          << name << kind;
      std::vector<int32_t> expected = Ids(name + kind + "greedy");
      expected.resize(TokensToCompare(Floats(name + kind + "gaps")));
      EXPECT_EQ(row_.Greedy(prompt, static_cast<int>(expected.size())), expected) << name << kind;
    }
  }

  static constexpr float kFp16Tolerance = 0.05F;

  const std::string folder_;
  const TestModel model_;
  const SafetensorsFile golden_;
  SingleRow row_;
};

TEST_P(GoldenTest, BareModel) { CheckCases(""); }

TEST_P(GoldenTest, WithPeftPrefix) {
  const std::shared_ptr<const PrefixSegment> prefix = PeftPrefix();
  row_.set_prefixes({prefix.get()});
  CheckCases("prefix_");
}

std::vector<GoldenCase> AllCases() {
  std::vector<GoldenCase> cases;
  for (const char* const model :
       {"gpt2_tiny", "llama_tiny", "llama3_tiny", "llama_linear_tiny", "qwen2_tiny"}) {
    for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
      cases.push_back({model, precision});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTest, testing::ValuesIn(AllCases()), [](const auto& info) {
  return StrCat(info.param.model, "_", PrecisionName(info.param.precision));
});

}  // namespace
}  // namespace prefixd
