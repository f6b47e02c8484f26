#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/base/temp_directory.h"

namespace prefixd {
namespace {

using testing::HasSubstr;

absl::StatusOr<std::optional<ServerOptions>> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "prefixd");
  return ParseServerFlags(static_cast<int>(arguments.size()), arguments.data());
}

ServerOptions MustParse(std::vector<const char*> arguments) {
  const auto parsed = Parse(std::move(arguments));
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->value() : ServerOptions();
}

TEST(FlagsTest, HasDefaults) {
  const ServerOptions options = MustParse({"--model", "m.gguf"});
  EXPECT_EQ(options.model, "m.gguf");
  EXPECT_EQ(options.listen, "127.0.0.1:50051");
  EXPECT_EQ(options.precision, "fp16");
  EXPECT_EQ(options.kv_memory, int64_t{1} << 30);
  EXPECT_EQ(options.prefix_memory, int64_t{512} << 20);
  EXPECT_GE(options.threads, 1);
  EXPECT_TRUE(CheckServerOptions(options).ok());
}

TEST(FlagsTest, ReadsBytesWithASuffix) {
  const ServerOptions options =
      MustParse({"--model", "m", "--kv-memory", "2GiB", "--prefix-memory=3mb"});
  EXPECT_EQ(options.kv_memory, int64_t{2} << 30);
  EXPECT_EQ(options.prefix_memory, 3'000'000);
}

TEST(FlagsTest, ReadsAFile) {
  const TempDirectory directory;
  const std::string path = directory.File("prefixd.conf");
  std::ofstream(path) << "model = \"m.gguf\"\nkv-memory = \"64MiB\"\nmax-rows = 7\n";
  const ServerOptions options = MustParse({"--config", path.c_str(), "--max-rows", "8"});
  EXPECT_EQ(options.model, "m.gguf");
  EXPECT_EQ(options.kv_memory, 64 << 20);
  EXPECT_EQ(options.max_rows, 8) << "the command line goes first";
}

TEST(FlagsTest, ReadsTheFileThatIsShipped) {
  const char* const source = std::getenv("PREFIXD_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const std::string path = std::string(source) + "/deploy/prefixd.conf";
  const ServerOptions options = MustParse({"--config", path.c_str()});
  EXPECT_EQ(options.model, "/var/lib/prefixd/model.gguf");
  EXPECT_EQ(options.step_tokens, 128);
  EXPECT_EQ(options.shutdown_grace, absl::Seconds(30));
  EXPECT_TRUE(CheckServerOptions(options).ok());
}

TEST(FlagsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(Parse({}).ok()) << "--model is required";
  EXPECT_FALSE(Parse({"--model", "m", "--colour", "red"}).ok());
  EXPECT_FALSE(Parse({"--model", "m", "--precision", "fp8"}).ok());
  EXPECT_FALSE(Parse({"--model", "m", "--kv-memory", "2 bananas"}).ok());
  EXPECT_FALSE(Parse({"--model", "m", "--max-rows", "many"}).ok());

  const TempDirectory directory;
  const std::string path = directory.File("prefixd.conf");
  std::ofstream(path) << "model = \"m.gguf\"\ncolour = \"red\"\n";
  EXPECT_FALSE(Parse({"--config", path.c_str()}).ok());
}

TEST(FlagsTest, PrintsHelpAndVersion) {
  testing::internal::CaptureStdout();
  const auto version = Parse({"--version"});
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("prefixd "));
  ASSERT_TRUE(version.ok());
  EXPECT_FALSE(version->has_value());

  testing::internal::CaptureStdout();
  EXPECT_TRUE(Parse({"--help"}).ok());
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("--insecure-listen-anywhere"));
}

absl::Status CheckListening(const std::string& listen, bool anywhere = false) {
  ServerOptions options;
  options.listen = listen;
  options.insecure_listen_anywhere = anywhere;
  return CheckServerOptions(options);
}

TEST(FlagsTest, ListensOnLoopbackUnlessToldOtherwise) {
  for (const char* loopback : {"127.0.0.1:0", "127.8.8.8:65535", "localhost:1", "[::1]:50051"}) {
    EXPECT_TRUE(CheckListening(loopback).ok()) << loopback;
  }
  for (const char* open : {"0.0.0.0:50051", "[::]:50051", "10.0.0.7:1", "example.org:1"}) {
    const absl::Status status = CheckListening(open);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << open;
    EXPECT_THAT(std::string(status.message()), HasSubstr("not authenticated"));
    EXPECT_TRUE(CheckListening(open, true).ok()) << open;
  }
  for (const char* malformed :
       {"", ":", "50051", "127.0.0.1", ":50051", "127.0.0.1:65536", "127.0.0.1:-1", "::1:50051",
        "[::1:50051", "127.0.0.1:http", "[127.0.0.1]:1"}) {
    EXPECT_EQ(CheckListening(malformed, true).code(), absl::StatusCode::kInvalidArgument)
        << malformed;
  }
}

TEST(FlagsTest, ChecksRanges) {
  const auto refused = [](auto change) {
    ServerOptions options;
    change(options);
    return CheckServerOptions(options).code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](ServerOptions& o) { o.threads = 0; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.max_rows = 0; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.max_queue = 0; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.step_tokens = o.max_rows - 1; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.kv_memory = 0; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.prefix_memory = -1; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.max_upload = 0; }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.shutdown_grace = absl::Seconds(-1); }));
  EXPECT_TRUE(refused([](ServerOptions& o) { o.transfer_idle = absl::ZeroDuration(); }));
}

}  // namespace
}  // namespace prefixd
