#include "tests/client/fake_server.h"

#include "base/sha256.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/server_builder.h"

namespace prefixd {
namespace {

grpc::Status NotFound(const std::string& name) {
  return {grpc::StatusCode::NOT_FOUND, "there is no " + name};
}

std::string UserOf(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("x-prefixd-user");
  if (found == context.client_metadata().end()) return "";
  return {found->second.data(), found->second.size()};
}

std::string TaskOf(const std::string& name) { return name.substr(0, name.find("/versions/")); }

}  // namespace

grpc::Status BusyStatus(const std::string& message, int seconds) {
  google::protobuf::Duration delay;
  delay.set_seconds(seconds);
  google::protobuf::UnknownFieldSet retry_info;
  retry_info.AddLengthDelimited(1, delay.SerializeAsString());
  google::protobuf::Any detail;
  detail.set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  retry_info.SerializeToString(detail.mutable_value());
  google::protobuf::UnknownFieldSet status;
  status.AddVarint(1, grpc::StatusCode::RESOURCE_EXHAUSTED);
  status.AddLengthDelimited(2, message);
  status.AddLengthDelimited(3, detail.SerializeAsString());
  std::string details;
  status.SerializeToString(&details);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, message, details};
}

FakeServer::FakeServer() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(static_cast<v1::GenerationService::Service*>(this));
  builder.RegisterService(static_cast<v1::PrefixAdminService::Service*>(this));
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

std::string FakeServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

std::string FakeServer::active_version(const std::string& task_name) {
  MutexLock lock(&mutex_);
  const Stored* stored = Find(task_name);
  return stored == nullptr ? "" : stored->prefix.name();
}

v1::GenerateRequest FakeServer::last_request() const {
  MutexLock lock(&mutex_);
  return last_request_;
}

std::string FakeServer::last_user() const {
  MutexLock lock(&mutex_);
  return last_user_;
}

int FakeServer::generating() const {
  MutexLock lock(&mutex_);
  return generating_;
}

void FakeServer::WaitForGenerating(int count) {
  MutexLock lock(&mutex_);
  while (generating_ != count) changed_.Wait(&mutex_);
}

grpc::Status FakeServer::Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                                  GenerateWriter* writer) {
  const std::string user = UserOf(*context);
  {
    MutexLock lock(&mutex_);
    last_request_ = *request;
    last_user_ = user;
    ++generating_;
    changed_.SignalAll();
  }
  const grpc::Status status =
      on_generate ? on_generate(context, *request, writer) : Echo(*request, user, writer);
  MutexLock lock(&mutex_);
  --generating_;
  changed_.SignalAll();
  return status;
}

grpc::Status FakeServer::Echo(const v1::GenerateRequest& request, const std::string& user,
                              GenerateWriter* writer) {
  v1::GenerateSummary summary;
  {
    MutexLock lock(&mutex_);
    for (const std::string& task : request.tasks()) {
      const std::string name = "users/" + user + "/tasks/" + task;
      const Stored* stored = Find(name);
      if (stored == nullptr) return NotFound(name);
      summary.add_prefix_versions(stored->prefix.name());
    }
  }
  v1::GenerateResponse first;
  first.set_text("echo: ");
  first.add_token_ids(7);
  if (request.log_probs().generated()) {
    first.add_log_probs()->mutable_token()->set_log_prob(-0.1f);
  }
  if (request.log_probs().prompt()) {
    first.add_prompt_log_probs()->mutable_token()->set_log_prob(-1.7182817f);
  }
  writer->Write(first);
  v1::GenerateResponse last;
  last.set_text(request.text());
  summary.set_finish_reason(v1::FINISH_REASON_END_OF_TEXT);
  summary.set_prompt_tokens(3);
  summary.set_new_tokens(1);
  summary.set_seed(request.sampling().seed());
  summary.mutable_total_duration()->set_nanos(12'500'000);
  *last.mutable_summary() = summary;
  writer->Write(last);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                                  v1::TokenizeResponse* response) {
  for (unsigned char byte : request->text()) response->add_token_ids(byte);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Detokenize(grpc::ServerContext*, const v1::DetokenizeRequest* request,
                                    v1::DetokenizeResponse* response) {
  for (int id : request->token_ids()) response->mutable_text()->push_back(static_cast<char>(id));
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetModel(grpc::ServerContext*, const v1::GetModelRequest*,
                                  v1::GetModelResponse* response) {
  response->set_display_name("Fake 1M");
  response->set_architecture("llama");
  response->set_layers(2);
  response->add_eos_token_ids(2);
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                   v1::GetStatusResponse* response) {
  response->set_running_rows(generating());
  response->set_tokens_per_second(12.5);
  MutexLock lock(&mutex_);
  response->set_resident_prefixes(static_cast<int>(prefixes_.size()));
  return grpc::Status::OK;
}

v1::Prefix FakeServer::Add(const std::string& parent, const std::string& bytes, v1::Prefix prefix,
                           bool activate) {
  const int version = ++versions_[parent];
  prefix.set_name(parent + "/versions/" + std::to_string(version));
  prefix.set_active(activate || version == 1);
  prefix.set_size_bytes(bytes.size());
  prefix.set_sha256(Sha256Hex(bytes));
  if (prefix.active()) {
    if (Stored* before = Find(parent)) before->prefix.set_active(false);
  }
  prefixes_[prefix.name()] = {prefix, bytes};
  return prefix;
}

FakeServer::Stored* FakeServer::Find(const std::string& name) {
  for (auto& [key, stored] : prefixes_) {
    if (key == name || (TaskOf(key) == name && stored.prefix.active())) return &stored;
  }
  return nullptr;
}

grpc::Status FakeServer::UploadPrefix(grpc::ServerContext*,
                                      grpc::ServerReader<v1::UploadPrefixRequest>* reader,
                                      v1::Prefix* response) {
  v1::UploadPrefixRequest message;
  if (!reader->Read(&message)) return {grpc::StatusCode::INVALID_ARGUMENT, "no header"};
  const v1::UploadPrefixRequest::Header header = message.header();
  if (header.description() == "refuse at once") {
    return {grpc::StatusCode::FAILED_PRECONDITION, "made for another model"};
  }
  std::string bytes;
  while (reader->Read(&message)) bytes += message.chunk();
  if (Sha256Hex(bytes) != header.sha256()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "wrong checksum"};
  }
  v1::Prefix prefix;
  prefix.set_description(header.description());
  prefix.set_origin(v1::PREFIX_ORIGIN_UPLOADED);
  if (header.format() == v1::PREFIX_FORMAT_PEFT) prefix.add_warnings(header.peft_config_json());
  MutexLock lock(&mutex_);
  *response = Add(header.parent(), bytes, prefix, !header.no_activate());
  return grpc::Status::OK;
}

grpc::Status FakeServer::CapturePrefix(grpc::ServerContext*,
                                       const v1::CapturePrefixRequest* request,
                                       v1::Prefix* response) {
  v1::Prefix prefix;
  prefix.set_description(request->description());
  prefix.set_origin(v1::PREFIX_ORIGIN_CAPTURED);
  prefix.set_positions(static_cast<int>(request->text().size()));
  MutexLock lock(&mutex_);
  *response = Add(request->parent(), request->text(), prefix, !request->no_activate());
  return grpc::Status::OK;
}

// Two at a time, whatever page_size says; the token is the last name.
grpc::Status FakeServer::ListPrefixes(grpc::ServerContext*, const v1::ListPrefixesRequest* request,
                                      v1::ListPrefixesResponse* response) {
  MutexLock lock(&mutex_);
  for (const auto& [name, stored] : prefixes_) {
    if (!name.starts_with(request->parent() + "/") || name <= request->page_token()) continue;
    if (response->prefixes_size() == 2) {
      response->set_next_page_token(response->prefixes(1).name());
      break;
    }
    *response->add_prefixes() = stored.prefix;
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetPrefix(grpc::ServerContext*, const v1::GetPrefixRequest* request,
                                   v1::Prefix* response) {
  MutexLock lock(&mutex_);
  const Stored* stored = Find(request->name());
  if (stored == nullptr) return NotFound(request->name());
  *response = stored->prefix;
  return grpc::Status::OK;
}

grpc::Status FakeServer::ActivateVersion(grpc::ServerContext*,
                                         const v1::ActivateVersionRequest* request,
                                         v1::Prefix* response) {
  MutexLock lock(&mutex_);
  Stored* stored = Find(request->name());
  if (stored == nullptr) return NotFound(request->name());
  Find(TaskOf(request->name()))->prefix.set_active(false);
  stored->prefix.set_active(true);
  *response = stored->prefix;
  return grpc::Status::OK;
}

grpc::Status FakeServer::DeletePrefix(grpc::ServerContext*, const v1::DeletePrefixRequest* request,
                                      google::protobuf::Empty*) {
  MutexLock lock(&mutex_);
  const Stored* stored = Find(request->name());
  if (stored == nullptr) return NotFound(request->name());
  if (stored->prefix.active() && request->name() == stored->prefix.name()) {
    return {grpc::StatusCode::FAILED_PRECONDITION, request->name() + " is active"};
  }
  std::erase_if(prefixes_, [&](const auto& entry) {
    return entry.first == request->name() || TaskOf(entry.first) == request->name();
  });
  return grpc::Status::OK;
}

grpc::Status FakeServer::DownloadPrefix(grpc::ServerContext*,
                                        const v1::DownloadPrefixRequest* request,
                                        grpc::ServerWriter<v1::DownloadPrefixResponse>* writer) {
  Stored copy;
  {
    MutexLock lock(&mutex_);
    const Stored* stored = Find(request->name());
    if (stored == nullptr) return NotFound(request->name());
    copy = *stored;
  }
  if (damage_downloads) copy.bytes[0] ^= 1;
  v1::DownloadPrefixResponse message;
  *message.mutable_prefix() = copy.prefix;
  writer->Write(message);
  for (size_t at = 0; at < copy.bytes.size(); at += 1000) {
    message.set_chunk(copy.bytes.substr(at, 1000));
    writer->Write(message);
  }
  return grpc::Status::OK;
}

}  // namespace prefixd
