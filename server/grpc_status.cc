#include "server/grpc_status.h"

#include <string>
#include <string_view>

#include "base/str_cat.h"
#include "base/utf8.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/unknown_field_set.h"

namespace prefixd {
namespace {

using google::protobuf::UnknownFieldSet;

// Clients accept 8 KiB of metadata; the message travels twice, percent-encoded once.
constexpr size_t kMaxMessageBytes = 1024;

constexpr int kRetryAfterSeconds = 1;

// The error model's messages come with no library that Debian packages, so their few fields are
// written by number:
//   google.rpc.Status    = code:1 (int32) message:2 (string) details:3 (Any)*
//   google.rpc.RetryInfo = retry_delay:1 (Duration)
std::string StatusWithRetryInfo(int code, const std::string& message) {
  google::protobuf::Duration delay;
  delay.set_seconds(kRetryAfterSeconds);
  UnknownFieldSet retry_info;
  delay.SerializeToString(retry_info.AddLengthDelimited(1));

  google::protobuf::Any detail;
  detail.set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  retry_info.SerializeToString(detail.mutable_value());

  UnknownFieldSet status;
  status.AddVarint(1, code);
  status.AddLengthDelimited(2, message);
  detail.SerializeToString(status.AddLengthDelimited(3));
  std::string bytes;
  status.SerializeToString(&bytes);
  return bytes;
}

std::string Shortened(std::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  return ReplaceInvalidUtf8(message.substr(0, kMaxMessageBytes)) + " …";
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message = Shortened(ToStd(status.message()));
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    std::string details = StatusWithRetryInfo(code, message);
    return grpc::Status(code, std::move(message), std::move(details));
  }
  return grpc::Status(code, std::move(message));
}

}  // namespace prefixd
