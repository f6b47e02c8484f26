#include "tests/server/raw_call.h"

#include <chrono>
#include <vector>

#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/identity.h"

namespace prefixd {
namespace {

using google::protobuf::UnknownFieldSet;

}  // namespace

RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::string& request) {
  const grpc::Slice slice(request);
  const grpc::ByteBuffer message(&slice, 1);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.AddMetadata(kUserMetadataKey, "ada");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(50));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, method, message, &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  RawAnswer result;
  call->Finish(&answer, &result.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (result.status.ok() && answer.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      result.bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  return result;
}

bool IsServing(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  // HealthCheckRequest = service:1; HealthCheckResponse = status:1, SERVING = 1.
  UnknownFieldSet request;
  request.AddLengthDelimited(1, service);
  std::string bytes;
  request.SerializeToString(&bytes);
  const RawAnswer answer = RawCall(channel, "/grpc.health.v1.Health/Check", bytes);
  UnknownFieldSet response;
  return answer.status.ok() && response.ParseFromString(answer.bytes) &&
         response.field_count() == 1 && response.field(0).varint() == 1;
}

}  // namespace prefixd
