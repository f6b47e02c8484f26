// The names of prefixes: users/{user}/tasks/{task}/versions/{version}.
//
// user and task: letters, digits, '-', '_' and '.', 1 to 63 of them, the first a letter or digit.
// version: a decimal number from 1 on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace prefixd {

// Whether `id` can be a user or a task.
bool IsResourceId(std::string_view id);

struct TaskName {
  std::string user;
  std::string task;

  bool operator==(const TaskName&) const = default;
  std::string ToString() const;  // "users/ada/tasks/support"
};

struct VersionName {
  TaskName task;
  int64_t version = 0;  // 0: the active one

  bool operator==(const VersionName&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const VersionName& name) {
    return H::combine(std::move(hash), name.task.user, name.task.task, name.version);
  }
  std::string ToString()
      const;  // "users/ada/tasks/support/versions/3"; of version 0: the task's name
};

// INVALID_ARGUMENT with the form that is expected.
absl::StatusOr<TaskName> ParseTaskName(std::string_view name);

// A version's name, or a task's (version 0: the active one).
absl::StatusOr<VersionName> ParseVersionName(std::string_view name);

// What a request names: "support", or "support/versions/3", of `user`.
absl::StatusOr<VersionName> ParseTaskReference(std::string_view user, std::string_view reference);

// "users/ada" or "users/ada/tasks/support" (task is empty for the former).
absl::StatusOr<TaskName> ParseParent(std::string_view parent);

}  // namespace prefixd
