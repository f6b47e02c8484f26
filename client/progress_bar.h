// The line that shows how far a transfer is.
#pragma once

#include <cstdint>
#include <string>

namespace prefixd {

// "[██████████░░░░░░░░░░]  50 %  1.0 of 2.0 MiB", at most `columns` wide, for a total of 0 as well.
std::string RenderProgress(int64_t done_bytes, int64_t total_bytes, int columns);

// "512 B", "1.5 KiB", "2.0 MiB", "3.2 GiB".
std::string FormatBytes(int64_t bytes);

}  // namespace prefixd
