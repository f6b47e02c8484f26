#include "prefix_store/prefix_name.h"

#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

constexpr size_t kMaxIdBytes = 63;
constexpr size_t kMaxQuotedBytes = 256;
constexpr char kIdForm[] =
    "user and task are 1 to 63 letters, digits, '-', '_' and '.', the first a letter or digit";

absl::Status Malformed(std::string_view text, std::string_view form) {
  return absl::InvalidArgumentError(
      StrCat("\"", absl::CHexEscape(ToAbsl(text.substr(0, kMaxQuotedBytes))),
             "\" does not have the form ", form, " (", kIdForm, ")"));
}

// A version's number, in its one spelling; 0 when `text` is none.
int64_t VersionNumber(std::string_view text) {
  int64_t number = 0;
  if (text.empty() || text.front() < '1' || text.front() > '9') return 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

// Reads users/{user}, …/tasks/{task} and …/versions/{version}; false when `name` is none of them.
// What is not named stays empty.
bool ParseName(std::string_view name, VersionName* result) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(name), '/');
  const size_t size = parts.size();
  if (size != 2 && size != 4 && size != 6) return false;
  if (parts[0] != "users" || !IsResourceId(parts[1])) return false;
  result->task.user = parts[1];
  if (size == 2) return true;
  if (parts[2] != "tasks" || !IsResourceId(parts[3])) return false;
  result->task.task = parts[3];
  if (size == 4) return true;
  result->version = VersionNumber(parts[5]);
  return parts[4] == "versions" && result->version != 0;
}

}  // namespace

bool IsResourceId(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || !absl::ascii_isalnum(id.front())) return false;
  for (const char c : id) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

std::string TaskName::ToString() const { return StrCat("users/", user, "/tasks/", task); }

std::string VersionName::ToString() const {
  return version == 0 ? task.ToString() : StrCat(task.ToString(), "/versions/", version);
}

absl::StatusOr<TaskName> ParseTaskName(std::string_view name) {
  VersionName parsed;
  if (!ParseName(name, &parsed) || parsed.task.task.empty() || parsed.version != 0) {
    return Malformed(name, "users/{user}/tasks/{task}");
  }
  return parsed.task;
}

absl::StatusOr<VersionName> ParseVersionName(std::string_view name) {
  VersionName parsed;
  if (!ParseName(name, &parsed) || parsed.task.task.empty()) {
    return Malformed(name,
                     "users/{user}/tasks/{task}/versions/{version} or users/{user}/tasks/{task}");
  }
  return parsed;
}

absl::StatusOr<VersionName> ParseTaskReference(std::string_view user, std::string_view reference) {
  VersionName parsed;
  if (!ParseName(StrCat("users/", user, "/tasks/", reference), &parsed) ||
      parsed.task.user != user) {
    return Malformed(reference, "{task} or {task}/versions/{version}");
  }
  return parsed;
}

absl::StatusOr<TaskName> ParseParent(std::string_view parent) {
  VersionName parsed;
  if (!ParseName(parent, &parsed) || parsed.version != 0) {
    return Malformed(parent, "users/{user} or users/{user}/tasks/{task}");
  }
  return parsed.task;
}

}  // namespace prefixd
