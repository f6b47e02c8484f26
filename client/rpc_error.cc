#include "client/rpc_error.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/unknown_field_set.h"

namespace prefixd {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// The error model's messages (google/rpc/status.proto and error_details.proto) come with no
// library here, so their fields are read by number:
//   Status    = code:1 message:2 details:3 (repeated Any)
//   RetryInfo = retry_delay:1 (Duration)
constexpr int kStatusDetails = 3;
constexpr int kRetryDelay = 1;

bool IsBytes(const UnknownField& field, int number) {
  return field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED;
}

// The serialised RetryInfo, if there is one.
std::optional<std::string> FindRetryInfo(const std::string& serialized_status) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(serialized_status)) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    if (!IsBytes(fields.field(i), kStatusDetails)) continue;
    google::protobuf::Any detail;
    if (detail.ParseFromString(fields.field(i).length_delimited()) &&
        detail.type_url() == kRetryInfoUrl) {
      return detail.value();
    }
  }
  return std::nullopt;
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // The codes have the same numbers.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (const auto retry_info = FindRetryInfo(status.error_details())) {
    result.SetPayload(kRetryInfoUrl, absl::Cord(*retry_info));
  }
  return result;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  if (!payload) return std::nullopt;
  UnknownFieldSet fields;
  if (!fields.ParseFromString(std::string(*payload))) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    if (!IsBytes(fields.field(i), kRetryDelay)) continue;
    google::protobuf::Duration delay;
    if (!delay.ParseFromString(fields.field(i).length_delimited())) return std::nullopt;
    return absl::Seconds(delay.seconds()) + absl::Nanoseconds(delay.nanos());
  }
  return std::nullopt;
}

std::string Describe(const absl::Status& status) {
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string message(status.message());
  const bool repeats = message.empty() || absl::EqualsIgnoreCase(message, code);
  return repeats ? code : absl::StrCat(code, ": ", message);
}

}  // namespace prefixd
