#include "tests/server/test_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"
#include "base/sha256.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "prefix_store/sqlite_repository.h"
#include "server/identity.h"
#include "server/prefix_resolver.h"

namespace prefixd {
namespace {

constexpr size_t kChunkBytes = 1000;

}  // namespace

void Answer::Add(const v1::GenerateResponse& piece) {
  ++messages;
  text += piece.text();
  token_ids.insert(token_ids.end(), piece.token_ids().begin(), piece.token_ids().end());
  log_probs.insert(log_probs.end(), piece.log_probs().begin(), piece.log_probs().end());
  prompt_log_probs.insert(prompt_log_probs.end(), piece.prompt_log_probs().begin(),
                          piece.prompt_log_probs().end());
  if (piece.has_summary()) summary = piece.summary();
}

TestServer::TestServer(TestServerOptions options) : tokenizer_(options.prefix_ids) {
  model_.SetBos(options.bos_id);
  repository_ = OpenSqliteRepository(directory_.File("prefixes.sqlite")).value();
  cache_ = std::make_unique<ResidentCache>(options.prefix_memory,
                                           MakePrefixLoader(repository_.get(), &model_));
  engine_ = Engine::Start(&model_, &tokenizer_, options.engine, [] { return absl::Now(); }).value();
  options.server.listen = "127.0.0.1:0";
  server_ = Server::Start({.model = &model_,
                           .tokenizer = &tokenizer_,
                           .engine = engine_.get(),
                           .repository = repository_.get(),
                           .cache = cache_.get()},
                          options.server)
                .value();
  channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  generation_ = v1::GenerationService::NewStub(channel_);
  admin_ = v1::PrefixAdminService::NewStub(channel_);
}

TestServer::~TestServer() { model_.Release(); }

Answer TestServer::Generate(const v1::GenerateRequest& request, const std::string& user) {
  grpc::ClientContext context;
  SetCaller(context, user);
  Answer answer;
  const auto reader = generation_->Generate(&context, request);
  v1::GenerateResponse piece;
  while (reader->Read(&piece)) answer.Add(piece);
  answer.status = reader->Finish();
  return answer;
}

grpc::Status TestServer::Upload(const v1::UploadPrefixRequest::Header& header,
                                const std::string& bytes, v1::Prefix* prefix,
                                const std::string& user) {
  grpc::ClientContext context;
  SetCaller(context, user);
  const auto writer = admin_->UploadPrefix(&context, prefix);
  v1::UploadPrefixRequest message;
  *message.mutable_header() = header;
  bool open = writer->Write(message);
  for (size_t sent = 0; open && sent < bytes.size(); sent += kChunkBytes) {
    message.set_chunk(bytes.substr(sent, kChunkBytes));
    open = writer->Write(message);
  }
  writer->WritesDone();
  return writer->Finish();
}

std::string TestServer::MustUpload(const std::string& task, int shift, const std::string& user) {
  const std::string bytes = Serialized(FakePrefix(shift));
  v1::Prefix prefix;
  const grpc::Status status =
      Upload(HeaderFor("users/" + user + "/tasks/" + task, bytes), bytes, &prefix, user);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return prefix.name();
}

v1::GetStatusResponse TestServer::GetStatus() {
  grpc::ClientContext context;
  v1::GetStatusResponse response;
  EXPECT_TRUE(generation_->GetStatus(&context, {}, &response).ok());
  return response;
}

void SetCaller(grpc::ClientContext& context, const std::string& user) {
  context.AddMetadata(kUserMetadataKey, user);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(50));
}

v1::GenerateRequest TextRequest(const std::string& text, int max_new_tokens) {
  v1::GenerateRequest request;
  request.set_text(text);
  request.set_max_new_tokens(max_new_tokens);
  return request;
}

PrefixFile FakePrefix(int shift, int positions) {
  const FakeModel model;
  PrefixFile file;
  file.tensor.shape = model.prefix_shape();
  file.tensor.positions = positions;
  file.tensor.position_offset = positions;
  file.tensor.values.resize(positions * file.tensor.shape.values_per_position());
  file.tensor.values.front() = static_cast<float>(shift);
  file.model_fingerprint = model.fingerprint();
  return file;
}

std::string Serialized(const PrefixFile& file) { return SerializePrefixFile(file).value(); }

v1::UploadPrefixRequest::Header HeaderFor(const std::string& parent, const std::string& bytes) {
  v1::UploadPrefixRequest::Header header;
  header.set_parent(parent);
  header.set_sha256(Sha256Hex(bytes));
  return header;
}

}  // namespace prefixd
