#include "tests/client/tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

extern char** environ;

namespace prefixd {

std::string MakeTemporaryDirectory() {
  std::string path = testing::TempDir() + "/prefixd_XXXXXX";
  return mkdtemp(path.data());
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tool::Tool(const std::string& name, std::vector<std::string> arguments, const std::string& input)
    : directory_(MakeTemporaryDirectory()) {
  arguments.insert(arguments.begin(), std::string(std::getenv("PREFIXD_BIN_DIR")) + "/" + name);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  WriteFile(directory_ + "/in", input);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, (directory_ + "/in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (directory_ + "/out").c_str(), O_WRONLY | O_CREAT,
                                   0600);
  posix_spawn_file_actions_addopen(&actions, 2, (directory_ + "/err").c_str(), O_WRONLY | O_CREAT,
                                   0600);
  EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
}

Tool::~Tool() { std::filesystem::remove_all(directory_); }

ToolResult Tool::Wait() {
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .out = ReadFile(directory_ + "/out"),
          .err = ReadFile(directory_ + "/err")};
}

}  // namespace prefixd
