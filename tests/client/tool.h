// Runs the command-line tools as processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace prefixd {

struct ToolResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

// A tool of the build's bin folder that runs, its output gathered. Not thread-safe.
class Tool {
 public:
  Tool(const std::string& name, std::vector<std::string> arguments, const std::string& input = "");
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  pid_t pid() const { return pid_; }
  ToolResult Wait();

 private:
  std::string directory_;
  pid_t pid_ = -1;
};

// A fresh directory under the test's temporary one.
std::string MakeTemporaryDirectory();

void WriteFile(const std::string& path, const std::string& bytes);
std::string ReadFile(const std::string& path);

}  // namespace prefixd
