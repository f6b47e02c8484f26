// A whole server in the test's process: the real engine, store and services over a fake model, on a
// port that the kernel chooses, and a client for it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "prefix_store/prefix_file.h"
#include "prefix_store/resident_cache.h"
#include "prefixd/v1/generation_service.grpc.pb.h"
#include "prefixd/v1/prefix_admin_service.grpc.pb.h"
#include "server/server.h"
#include "tests/base/temp_directory.h"
#include "tests/server/fake_model.h"

namespace prefixd {

struct TestServerOptions {
  EngineOptions engine = {
      .threads = 1, .max_rows = 4, .max_queued_rows = 16, .step_tokens = 64, .pages = 2048};
  ServerOptions server = {};
  std::vector<int32_t> prefix_ids = {};  // the tokenizer's
  std::optional<int32_t> bos_id = kFakeBos;
  int64_t prefix_memory = 1 << 20;
};

// What a call of Generate brought.
struct Answer {
  grpc::Status status;
  std::string text;
  std::vector<int32_t> token_ids;
  std::vector<v1::LogProb> log_probs;
  std::vector<v1::LogProb> prompt_log_probs;
  v1::GenerateSummary summary;
  int messages = 0;

  void Add(const v1::GenerateResponse& piece);
};

class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {});
  ~TestServer();

  FakeModel& model() { return model_; }
  Server& server() { return *server_; }
  v1::GenerationService::Stub& generation() { return *generation_; }
  v1::PrefixAdminService::Stub& admin() { return *admin_; }
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }

  Answer Generate(const v1::GenerateRequest& request, const std::string& user = "ada");

  // Sends `bytes` in chunks after `header`.
  grpc::Status Upload(const v1::UploadPrefixRequest::Header& header, const std::string& bytes,
                      v1::Prefix* prefix, const std::string& user = "ada");

  // A new version of "users/{user}/tasks/{task}" with this shift; returns its name.
  std::string MustUpload(const std::string& task, int shift, const std::string& user = "ada");

  v1::GetStatusResponse GetStatus();

 private:
  const TempDirectory directory_;
  FakeModel model_;
  const FakeTokenizer tokenizer_;
  std::unique_ptr<PrefixRepository> repository_;
  std::unique_ptr<ResidentCache> cache_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::GenerationService::Stub> generation_;
  std::unique_ptr<v1::PrefixAdminService::Stub> admin_;
};

// Names the caller's user. Every call of a test ends: it has a deadline.
void SetCaller(grpc::ClientContext& context, const std::string& user);

v1::GenerateRequest TextRequest(const std::string& text, int max_new_tokens = 4);

// A prefix file for the fake model.
PrefixFile FakePrefix(int shift, int positions = 3);
std::string Serialized(const PrefixFile& file);
v1::UploadPrefixRequest::Header HeaderFor(const std::string& parent, const std::string& bytes);

}  // namespace prefixd
