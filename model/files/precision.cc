#include <string_view>

#include "base/str_cat.h"
#include "model/model.h"

namespace prefixd {

std::string_view PrecisionName(Precision precision) {
  return precision == Precision::kFp32 ? "fp32" : "fp16";
}

absl::StatusOr<Precision> ParsePrecision(std::string_view name) {
  for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
    if (name == PrecisionName(precision)) return precision;
  }
  return absl::InvalidArgumentError(
      StrCat("there is no precision \"", name, "\": use fp32 or fp16"));
}

}  // namespace prefixd
