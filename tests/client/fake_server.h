// A prefixd in the test's own process: both services over memory, with the answers that a test
// asks for. Real gRPC on a loopback port that the kernel chooses.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "grpcpp/server.h"
#include "prefixd/v1/generation_service.grpc.pb.h"
#include "prefixd/v1/prefix_admin_service.grpc.pb.h"

namespace prefixd {

// Thread-safe. The handlers are set before the first call.
class FakeServer : public v1::GenerationService::Service, public v1::PrefixAdminService::Service {
 public:
  using GenerateWriter = grpc::ServerWriter<v1::GenerateResponse>;

  FakeServer();
  ~FakeServer() override;

  std::string address() const;

  // Answers Generate. Default: "echo: PROMPT" in two pieces, with log-probabilities if asked for
  // and the active versions of the tasks.
  std::function<grpc::Status(grpc::ServerContext*, const v1::GenerateRequest&, GenerateWriter*)>
      on_generate;

  // Breaks one byte of the files that it sends.
  bool damage_downloads = false;

  // "users/ada/tasks/t/versions/1" of "users/ada/tasks/t"; empty when there is none.
  std::string active_version(const std::string& task_name);

  // Of the last Generate.
  v1::GenerateRequest last_request() const;
  std::string last_user() const;

  // Calls Generate is in.
  int generating() const;
  void WaitForGenerating(int count);

 private:
  struct Stored {
    v1::Prefix prefix;
    std::string bytes;
  };

  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest*, GenerateWriter*) override;
  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest*,
                        v1::TokenizeResponse*) override;
  grpc::Status Detokenize(grpc::ServerContext*, const v1::DetokenizeRequest*,
                          v1::DetokenizeResponse*) override;
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest*,
                        v1::GetModelResponse*) override;
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse*) override;

  grpc::Status UploadPrefix(grpc::ServerContext*, grpc::ServerReader<v1::UploadPrefixRequest>*,
                            v1::Prefix*) override;
  grpc::Status CapturePrefix(grpc::ServerContext*, const v1::CapturePrefixRequest*,
                             v1::Prefix*) override;
  grpc::Status ListPrefixes(grpc::ServerContext*, const v1::ListPrefixesRequest*,
                            v1::ListPrefixesResponse*) override;
  grpc::Status GetPrefix(grpc::ServerContext*, const v1::GetPrefixRequest*, v1::Prefix*) override;
  grpc::Status ActivateVersion(grpc::ServerContext*, const v1::ActivateVersionRequest*,
                               v1::Prefix*) override;
  grpc::Status DeletePrefix(grpc::ServerContext*, const v1::DeletePrefixRequest*,
                            google::protobuf::Empty*) override;
  grpc::Status DownloadPrefix(grpc::ServerContext*, const v1::DownloadPrefixRequest*,
                              grpc::ServerWriter<v1::DownloadPrefixResponse>*) override;

  grpc::Status Echo(const v1::GenerateRequest& request, const std::string& user,
                    GenerateWriter* writer);
  v1::Prefix Add(const std::string& parent, const std::string& bytes, v1::Prefix prefix,
                 bool activate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A version's, or the active one of a task's name; null when there is none.
  Stored* Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Stored> prefixes_ ABSL_GUARDED_BY(mutex_);  // by name
  std::map<std::string, int> versions_ ABSL_GUARDED_BY(mutex_);     // made, by task's name
  v1::GenerateRequest last_request_ ABSL_GUARDED_BY(mutex_);
  std::string last_user_ ABSL_GUARDED_BY(mutex_);
  int generating_ ABSL_GUARDED_BY(mutex_) = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// RESOURCE_EXHAUSTED with a google.rpc.RetryInfo of `seconds` in its details.
grpc::Status BusyStatus(const std::string& message, int seconds);

}  // namespace prefixd
