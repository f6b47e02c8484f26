// StrCat for std::string_view.
//
// Debian builds abseil with a string_view class of its own, which std::string_view does not convert
// to. These two are the bridge; the project uses std::string_view everywhere else.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace prefixd {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace internal {

template <class T>
const T& StrCatPiece(const T& piece) {
  return piece;
}
inline absl::string_view StrCatPiece(std::string_view piece) { return ToAbsl(piece); }

}  // namespace internal

// absl::StrCat that takes std::string_view too.
template <class... Pieces>
std::string StrCat(const Pieces&... pieces) {
  return absl::StrCat(internal::StrCatPiece(pieces)...);
}

}  // namespace prefixd
