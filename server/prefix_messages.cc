#include "server/prefix_messages.h"

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "base/str_cat.h"

namespace prefixd {

v1::Prefix ToMessage(const PrefixRecord& record) {
  v1::Prefix message;
  message.set_name(record.name.ToString());
  message.set_active(record.active);
  message.set_description(record.description);
  message.set_positions(record.positions);
  message.set_position_offset(record.position_offset);
  message.set_model_fingerprint(record.model_fingerprint);
  message.set_size_bytes(record.size_bytes);
  message.set_sha256(record.sha256);
  message.set_origin(record.origin == PrefixOrigin::kCaptured ? v1::PREFIX_ORIGIN_CAPTURED
                                                              : v1::PREFIX_ORIGIN_UPLOADED);
  const timespec time = absl::ToTimespec(record.create_time);
  message.mutable_create_time()->set_seconds(time.tv_sec);
  message.mutable_create_time()->set_nanos(static_cast<int>(time.tv_nsec));
  return message;
}

std::string ToPageToken(const VersionName& last) {
  return absl::WebSafeBase64Escape(last.ToString());
}

absl::StatusOr<VersionName> ParsePageToken(std::string_view token, const TaskName& parent) {
  std::string text;
  if (absl::WebSafeBase64Unescape(ToAbsl(token), &text)) {
    absl::StatusOr<VersionName> name = ParseVersionName(text);
    if (name.ok() && name->version != 0 && name->task.user == parent.user &&
        (parent.task.empty() || name->task == parent)) {
      return name;
    }
  }
  return absl::InvalidArgumentError(
      "page_token must be the next_page_token of a list of the same parent");
}

absl::Status CheckDescription(std::string_view description) {
  if (description.size() <= kMaxDescriptionBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("description has ", description.size(),
                                           " bytes, at most ", kMaxDescriptionBytes,
                                           " are allowed"));
}

}  // namespace prefixd
