// The C++ client of prefixd: one object for one user of one server.
//
//   PREFIXD_ASSIGN_OR_RETURN(auto client, Client::Connect("127.0.0.1:50051", "ada", {}));
//   v1::GenerateRequest request;
//   request.add_tasks("support");
//   request.set_text("Where is my parcel?");
//   auto summary = client->Generate(request, [](const v1::GenerateResponse& piece) {
//     std::cout << piece.text() << std::flush;
//     return true;
//   });
//
// Requests and answers are the messages of proto/prefixd/v1, where every field is explained.
// Errors keep the server's code and message; RetryAfter() (client/rpc_error.h) tells how long a
// busy server asks to wait.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "prefixd/v1/generation_service.grpc.pb.h"
#include "prefixd/v1/prefix_admin_service.grpc.pb.h"

namespace prefixd {

struct ClientOptions {
  // The longest that one call may take, streams included; then it fails with DEADLINE_EXCEEDED.
  absl::Duration deadline = absl::InfiniteDuration();

  // How long Connect keeps trying while no server answers at the address. Zero: a refused
  // connection fails at once. An address that does not answer at all fails after ten seconds.
  absl::Duration wait_for_server = absl::ZeroDuration();
};

// What a new version of a task is made with.
struct NewVersion {
  std::string task;

  // Empty: the file's own, if it has one.
  std::string description;

  // Whether new requests use the version at once. A task's first version is active in any case.
  bool activate = true;
};

// Thread-safe. Calls block until their answer is there; any number may run at once.
class Client {
 public:
  // Gets one piece of an answer, on the caller's thread; false cancels the call.
  using PieceCallback = absl::FunctionRef<bool(const v1::GenerateResponse& piece)>;

  // Is told of an upload's progress, on the caller's thread, beginning with 0 bytes.
  using ProgressCallback = absl::FunctionRef<void(int64_t sent_bytes, int64_t total_bytes)>;

  // Connects to `address` ("host:port") and speaks for `user`, without encryption and past any
  // HTTP proxy. UNAVAILABLE when no server answers there; INVALID_ARGUMENT when `user` is empty.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& address,
                                                         const std::string& user,
                                                         const ClientOptions& options);

  // Cancels what is still running and waits for it.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& user() const { return user_; }

  // Hands over each piece as it arrives, the last one too, and returns the summary.
  absl::StatusOr<v1::GenerateSummary> Generate(const v1::GenerateRequest& request,
                                               PieceCallback on_piece);

  absl::StatusOr<v1::TokenizeResponse> Tokenize(const v1::TokenizeRequest& request);
  absl::StatusOr<v1::DetokenizeResponse> Detokenize(const v1::DetokenizeRequest& request);
  absl::StatusOr<v1::GetModelResponse> GetModel();
  absl::StatusOr<v1::GetStatusResponse> GetStatus();

  // Makes a version from a file: a directory that PEFT saved (or its adapter_model.safetensors),
  // or a prefixd safetensors file. NOT_FOUND when there is no such file. An upload that fails or
  // is cancelled leaves nothing on the server.
  absl::StatusOr<v1::Prefix> UploadPrefix(const NewVersion& version, const std::string& path,
                                          ProgressCallback on_progress);

  // Makes a version from a text: the model's own keys and values for it. With
  // `special_tokens_as_text`, "<|im_start|>" and its like are read as characters.
  absl::StatusOr<v1::Prefix> CapturePrefix(const NewVersion& version, std::string_view text,
                                           bool special_tokens_as_text = false);

  // All versions of `task`, or of all the user's tasks when it is empty.
  absl::StatusOr<std::vector<v1::Prefix>> ListPrefixes(const std::string& task);

  // Version 0 stands for the active one.
  absl::StatusOr<v1::Prefix> GetPrefix(const std::string& task, int64_t version);

  // Running requests keep the version that they began with.
  absl::StatusOr<v1::Prefix> ActivateVersion(const std::string& task, int64_t version);

  // Version 0 stands for the task with all its versions.
  absl::Status DeletePrefix(const std::string& task, int64_t version);

  // Writes a version (0: the active one) to `path` as a prefixd safetensors file. The file appears
  // under its name only once it is complete, verified and on the disk; a file that was there is
  // replaced. DATA_LOSS when the bytes do not match their checksum.
  absl::StatusOr<v1::Prefix> DownloadPrefix(const std::string& task, int64_t version,
                                            const std::string& path);

  // Cancels all calls that run now; they fail with CANCELLED, and so does every later one.
  void Cancel();

 private:
  class Call;
  class CallRegistry;

  Client(const std::shared_ptr<grpc::Channel>& channel, std::string user, absl::Duration deadline);

  // "users/ada/tasks/support", of a version above 0 with "/versions/3".
  std::string ResourceName(const std::string& task, int64_t version = 0) const;

  const std::string user_;
  const absl::Duration deadline_;
  const std::unique_ptr<v1::GenerationService::Stub> generation_;
  const std::unique_ptr<v1::PrefixAdminService::Stub> prefixes_;
  const std::unique_ptr<CallRegistry> calls_;
};

}  // namespace prefixd
