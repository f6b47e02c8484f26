// What the tests of the model share: models from disk, and one row at a time through a runner.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/model_files.h"

namespace prefixd {

inline std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline std::string GoldenPath(const std::string& path) {
  return Environment("PREFIXD_SOURCE_DIR") + "/tests/golden/" + path;
}

struct TestModel {
  ModelFiles files;
  std::unique_ptr<Model> model;
};

// `max_positions`, if given, replaces the file's: rotation has no end.
inline TestModel LoadTestModel(const std::string& path, Precision precision,
                               int max_positions = 0) {
  auto files = OpenModelFiles(path);
  if (!files.ok()) ADD_FAILURE() << files.status();
  if (max_positions > 0) files->config.max_positions = max_positions;
  auto model = Model::Load(files->config, *files->tensors, precision);
  if (!model.ok()) ADD_FAILURE() << model.status();
  return {*std::move(files), *std::move(model)};
}

// A runner with room for one row, which always has pages 0, 1, ….
class SingleRow {
 public:
  SingleRow(const Model& model, int threads, int pages = 40, int step_tokens = 512)
      : vocabulary_(model.config().vocabulary), pages_(pages), team_(threads) {
    std::iota(pages_.begin(), pages_.end(), 0);
    auto runner = model.NewRunner(
        {.pages = pages, .max_step_tokens = step_tokens, .max_step_logits = step_tokens}, &team_);
    if (!runner.ok()) ADD_FAILURE() << runner.status();
    runner_ = *std::move(runner);
  }

  // Runs tokens behind the `cached` first ones; returns their last `count` rows of logits.
  std::vector<float> Run(std::span<const int32_t> tokens, int cached, int count) {
    const RowInput row{tokens, cached, prefixes_, pages_, count};
    const auto logits = runner_->Forward({&row, 1});
    if (!logits.ok()) {
      ADD_FAILURE() << logits.status();
      return std::vector<float>(vocabulary_, 0.0F);
    }
    return {logits->begin(), logits->end()};
  }

  // The likeliest continuation.
  std::vector<int32_t> Greedy(std::vector<int32_t> prompt, int count) {
    std::vector<int32_t> answer;
    std::vector<int32_t> next = prompt;
    int cached = 0;
    while (static_cast<int>(answer.size()) < count) {
      const std::vector<float> logits = Run(next, cached, 1);
      cached += static_cast<int>(next.size());
      next = {
          static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
      answer.push_back(next.front());
    }
    return answer;
  }

  // The same, if it is `expected`, by one pass over both: much faster where steps are slow.
  std::vector<int32_t> GreedyAlong(std::vector<int32_t> prompt,
                                   const std::vector<int32_t>& expected) {
    prompt.insert(prompt.end(), expected.begin(), expected.end() - 1);
    const std::vector<float> logits = Run(prompt, 0, static_cast<int>(expected.size()));
    std::vector<int32_t> answer;
    for (auto row = logits.begin(); row != logits.end(); row += vocabulary_) {
      answer.push_back(static_cast<int32_t>(std::max_element(row, row + vocabulary_) - row));
    }
    return answer;
  }

  void set_prefixes(std::vector<const PrefixSegment*> prefixes) { prefixes_ = std::move(prefixes); }
  ModelRunner& runner() { return *runner_; }
  const std::vector<int>& pages() const { return pages_; }

 private:
  const int vocabulary_;
  std::vector<int> pages_;
  WorkerTeam team_;
  std::unique_ptr<ModelRunner> runner_;
  std::vector<const PrefixSegment*> prefixes_;
};

}  // namespace prefixd
