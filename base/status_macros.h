// Early returns for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expression` from this function unless it is OK.
#define PREFIXD_RETURN_IF_ERROR(expression)                                 \
  do {                                                                      \
    if (absl::Status prefixd_status = (expression); !prefixd_status.ok()) { \
      return prefixd_status;                                                \
    }                                                                       \
  } while (false)

// PREFIXD_ASSIGN_OR_RETURN(auto value, Function()); returns the error, or assigns.
#define PREFIXD_ASSIGN_OR_RETURN(declaration, expression)                                 \
  PREFIXD_ASSIGN_OR_RETURN_IMPL_(PREFIXD_CONCAT_(prefixd_result_, __LINE__), declaration, \
                                 expression)

#define PREFIXD_CONCAT_(a, b) PREFIXD_CONCAT_IMPL_(a, b)
#define PREFIXD_CONCAT_IMPL_(a, b) a##b
#define PREFIXD_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                           \
  if (!result.ok()) return std::move(result).status();                  \
  declaration = *std::move(result)
