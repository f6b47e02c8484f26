#include "tests/server/prefixd_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

extern char** environ;

namespace prefixd {
namespace {

std::string ProgramPath() {
  const char* folder = std::getenv("PREFIXD_BIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/prefixd";
}

std::vector<std::string> ServingArguments(const std::string& model, const std::string& precision,
                                          const TempDirectory& directory,
                                          std::vector<std::string> arguments) {
  std::vector<std::string> all = {
      "--model",     model,         "--precision",          precision,   "--listen",
      "127.0.0.1:0", "--port-file", directory.File("port"), "--threads", "2"};
  if (std::find(arguments.begin(), arguments.end(), "--data") == arguments.end()) {
    arguments.insert(arguments.end(), {"--data", directory.File("data")});
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace

PrefixdProgram::PrefixdProgram(const std::vector<std::string>& arguments) {
  int pipe_fds[2];
  EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  log_fd_ = pipe_fds[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
  std::string path = ProgramPath();
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {path.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), environ) != 0) {
    ADD_FAILURE() << "cannot start " << path;
    pid_ = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[1]);
}

PrefixdProgram::~PrefixdProgram() {
  if (pid_ > 0) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) {
      kill(pid_, SIGKILL);
      Wait();
    } else {
      pid_ = -1;
      Wait();
      ADD_FAILURE() << "the program had ended with status " << status << ":\n" << log_;
    }
  }
  close(log_fd_);
}

bool PrefixdProgram::WaitForLog(const std::string& text) {
  while (log_.find(text) == std::string::npos) {
    if (!ReadSome()) return false;
  }
  return true;
}

void PrefixdProgram::Signal(int signal) {
  ASSERT_GT(pid_, 0) << "it does not run";  // kill would take -1 for every process
  kill(pid_, signal);
}

int PrefixdProgram::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  if (pid_ <= 0 || waitpid(std::exchange(pid_, -1), &status, 0) <= 0) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool PrefixdProgram::ReadSome() {
  char buffer[4096];
  const ssize_t size = read(log_fd_, buffer, sizeof(buffer));
  if (size <= 0) return false;
  log_.append(buffer, static_cast<size_t>(size));
  return true;
}

ServingProgram::ServingProgram(const std::string& model, const std::string& precision,
                               std::vector<std::string> arguments)
    : program_(ServingArguments(model, precision, directory_, std::move(arguments))) {
  EXPECT_TRUE(program_.WaitForLog("serving address=")) << program_.log();
  EXPECT_TRUE(program_.WaitForLog("port-file written")) << program_.log();
  std::ifstream(directory_.File("port")) >> address_;
}

}  // namespace prefixd
