#include "client/json_output.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <random>

#include "client/rpc_error.h"
#include "tests/client/fake_server.h"

namespace prefixd {
namespace {

v1::GenerateResponse Piece(const std::string& text, int id, float log_prob) {
  v1::GenerateResponse piece;
  piece.set_text(text);
  piece.add_token_ids(id);
  v1::LogProb& entry = *piece.add_log_probs();
  entry.mutable_token()->set_token_id(id);
  entry.mutable_token()->set_log_prob(log_prob);
  *entry.add_top() = entry.token();
  return piece;
}

v1::LogProbOptions Asked(bool generated, bool prompt, int top) {
  v1::LogProbOptions options;
  options.set_generated(generated);
  options.set_prompt(prompt);
  options.set_top_count(top);
  return options;
}

TEST(JsonOutputTest, GenerationIsPutTogether) {
  Generation generation;
  generation.Append(Piece("Hel", 5, -0.25f));
  v1::GenerateResponse last = Piece("lo", 6, -1.5f);
  v1::GenerateSummary& summary = *last.mutable_summary();
  summary.set_finish_reason(v1::FINISH_REASON_STOP_STRING);
  summary.set_prompt_tokens(3);
  summary.set_new_tokens(2);
  summary.add_prefix_versions("users/ada/tasks/t/versions/1");
  summary.set_seed(18446744073709551615u);
  summary.mutable_queue_duration()->set_nanos(1'500'000);
  summary.mutable_first_token_duration()->set_nanos(2'000'000);
  summary.mutable_total_duration()->set_seconds(1);
  generation.Append(last);
  EXPECT_EQ(Dump(ToJson(generation, Asked(true, false, 0))),
            R"({"text":"Hello","token_ids":[5,6],"log_probs":[-0.25,-1.5],)"
            R"("finish_reason":"stop_string","prefix_versions":["users/ada/tasks/t/versions/1"],)"
            R"("prompt_tokens":3,"new_tokens":2,"seed":18446744073709551615,)"
            R"("queue_ms":1.5,"first_token_ms":2.0,"total_ms":1000.0})");
  const Json with_top = ToJson(generation, Asked(true, true, 1));
  EXPECT_EQ(Dump(with_top["top_log_probs"]),
            R"([[{"token_id":5,"log_prob":-0.25}],[{"token_id":6,"log_prob":-1.5}]])");
  EXPECT_EQ(Dump(with_top["prompt_log_probs"]), "[]");
  EXPECT_FALSE(ToJson(generation, Asked(false, false, 0)).contains("log_probs"));
}

TEST(JsonOutputTest, LogProbsKeepTheirBits) {
  std::mt19937 random(1);
  Generation generation;
  std::vector<float> values;
  for (int i = 0; i < 10'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()) | 0x80000000u);
    if (!std::isfinite(value)) continue;
    values.push_back(value);
    generation.Append(Piece("", 0, value));
  }
  const Json read = Json::parse(Dump(ToJson(generation, Asked(true, false, 0))));
  ASSERT_EQ(read["log_probs"].size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(static_cast<float>(read["log_probs"][i].get<double>())),
              std::bit_cast<uint32_t>(values[i]));
  }
}

TEST(JsonOutputTest, PrefixHasSnakeCaseFields) {
  v1::Prefix prefix;
  prefix.set_name("users/ada/tasks/t/versions/2");
  prefix.set_active(true);
  prefix.set_positions(20);
  prefix.set_sha256("ab");
  prefix.set_origin(v1::PREFIX_ORIGIN_CAPTURED);
  prefix.mutable_create_time()->set_seconds(0);
  prefix.add_warnings("names no model");
  EXPECT_EQ(Dump(ToJson(prefix)),
            R"({"name":"users/ada/tasks/t/versions/2","active":true,"description":"",)"
            R"("positions":20,"position_offset":0,"model_fingerprint":"","size_bytes":0,)"
            R"("sha256":"ab","origin":"captured","create_time":"1970-01-01T00:00:00Z",)"
            R"("warnings":["names no model"]})");
}

TEST(JsonOutputTest, ErrorTellsWhenToTryAgain) {
  EXPECT_EQ(Dump(ToJson(absl::NotFoundError("no task"))),
            R"({"error":{"code":"NOT_FOUND","message":"no task"}})");
  EXPECT_EQ(Dump(ToJson(FromGrpcStatus(BusyStatus("full", 2)))),
            R"({"error":{"code":"RESOURCE_EXHAUSTED","message":"full","retry_after_ms":2000.0}})");
}

TEST(JsonOutputTest, ModelAndStatus) {
  v1::GetModelResponse model;
  model.add_eos_token_ids(2);
  EXPECT_EQ(ToJson(model)["bos_token_id"], nullptr);
  model.set_bos_token_id(1);
  EXPECT_EQ(ToJson(model)["bos_token_id"], 1);
  EXPECT_EQ(Dump(ToJson(model)["eos_token_ids"]), "[2]");
  v1::GetStatusResponse status;
  status.set_running_rows(4);
  status.mutable_uptime_duration()->set_seconds(2);
  EXPECT_EQ(ToJson(status)["running_rows"], 4);
  EXPECT_EQ(ToJson(status)["uptime_ms"], 2000.0);
}

TEST(JsonOutputTest, WhatIsNotUtf8IsReplaced) { EXPECT_EQ(Dump(Json("a\xff")), "\"a\uFFFD\""); }

}  // namespace
}  // namespace prefixd
