// The program prefixd in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "tests/base/temp_directory.h"

namespace prefixd {

class PrefixdProgram {
 public:
  // Starts $PREFIXD_BIN_DIR/prefixd with these arguments.
  explicit PrefixdProgram(const std::vector<std::string>& arguments);

  // Kills the process if it still runs.
  ~PrefixdProgram();
  PrefixdProgram(const PrefixdProgram&) = delete;
  PrefixdProgram& operator=(const PrefixdProgram&) = delete;

  // Reads its log up to a line that holds `text`. False when the log ends before.
  bool WaitForLog(const std::string& text);

  void Signal(int signal);

  // Waits for its end; the exit status, or -1 when a signal ended it.
  int Wait();

  // All of its log that was read; after Wait, all.
  const std::string& log() const { return log_; }

 private:
  bool ReadSome();

  int pid_ = -1;
  int log_fd_ = -1;
  std::string log_;
};

// The program serving a model on a port that the kernel chooses, with a store in a folder of its
// own unless the arguments hold --data.
class ServingProgram {
 public:
  ServingProgram(const std::string& model, const std::string& precision,
                 std::vector<std::string> arguments = {});

  PrefixdProgram& program() { return program_; }
  const std::string& address() const { return address_; }

 private:
  const TempDirectory directory_;
  PrefixdProgram program_;
  std::string address_;
};

}  // namespace prefixd
