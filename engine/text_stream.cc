#include "engine/text_stream.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace prefixd {
namespace {

// Where the first completed stop string begins in `text`, or npos. Of several that end at the same
// place the longest counts.
size_t FindStop(std::string_view text, const std::vector<std::string>& stop_strings) {
  size_t first = std::string_view::npos;
  size_t first_end = std::string_view::npos;
  for (const std::string& stop : stop_strings) {
    const size_t begin = text.find(stop);
    if (begin == std::string_view::npos) continue;
    const size_t end = begin + stop.size();
    if (end < first_end || (end == first_end && begin < first)) {
      first = begin;
      first_end = end;
    }
  }
  return first;
}

// The longest end of `text` that is a proper prefix of a stop string begins here.
size_t HeldBackFrom(std::string_view text, const std::vector<std::string>& stop_strings) {
  size_t longest = 0;
  for (const std::string& stop : stop_strings) longest = std::max(longest, stop.size() - 1);
  for (size_t begin = text.size() - std::min(text.size(), longest); begin < text.size(); ++begin) {
    const std::string_view end = text.substr(begin);
    for (const std::string& stop : stop_strings) {
      if (end.size() < stop.size() && stop.starts_with(end)) return begin;
    }
  }
  return text.size();
}

// Without those that no text contains (or every text does): not UTF-8, or empty.
std::vector<std::string> Usable(std::vector<std::string> stop_strings) {
  std::erase_if(stop_strings,
                [](const std::string& stop) { return stop.empty() || !IsValidUtf8(stop); });
  return stop_strings;
}

}  // namespace

TextStream::TextStream(std::vector<std::string> stop_strings)
    : stop_strings_(Usable(std::move(stop_strings))) {}

std::string TextStream::Push(std::string_view bytes) {
  if (stopped_) return "";
  bytes_.append(bytes);
  std::string text = TakeWholeUtf8(bytes_);
  if (stop_strings_.empty()) return text;

  held_.append(text);
  CutAtStop();
  const size_t shown = stopped_ ? held_.size() : HeldBackFrom(held_, stop_strings_);
  text = held_.substr(0, shown);
  held_.erase(0, shown);
  return text;
}

std::string TextStream::PushBeforeStops(std::string_view bytes) {
  bytes_.append(bytes);
  return TakeWholeUtf8(bytes_);
}

std::string TextStream::Flush() {
  if (stopped_) return "";
  held_.append(ReplaceInvalidUtf8(bytes_));
  bytes_.clear();
  CutAtStop();
  return std::exchange(held_, "");
}

void TextStream::CutAtStop() {
  const size_t stop = FindStop(held_, stop_strings_);
  if (stop == std::string_view::npos) return;
  held_.resize(stop);
  bytes_.clear();
  stopped_ = true;
}

}  // namespace prefixd
