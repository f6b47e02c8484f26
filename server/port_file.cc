#include "server/port_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/str_cat.h"

namespace prefixd {

absl::Status WritePortFile(const std::string& path, const std::string& address) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << address << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(
        StrCat("cannot write ", path, " of --port-file: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace prefixd
