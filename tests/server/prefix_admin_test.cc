// Lists, activation, deletion, download: and that each sees his own alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/sha256.h"
#include "tests/server/test_server.h"

namespace prefixd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PrefixAdminTest : public testing::Test {
 protected:
  // One call of a unary method, as `user`.
  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response,
                    const std::string& user = "ada") {
    grpc::ClientContext context;
    SetCaller(context, user);
    return (server_.admin().*method)(&context, request, response);
  }

  grpc::Status Get(const std::string& name, v1::Prefix* prefix, const std::string& user = "ada") {
    v1::GetPrefixRequest request;
    request.set_name(name);
    return Call(&v1::PrefixAdminService::Stub::GetPrefix, request, prefix, user);
  }
  grpc::Status Activate(const std::string& name, const std::string& user = "ada") {
    v1::ActivateVersionRequest request;
    request.set_name(name);
    v1::Prefix prefix;
    return Call(&v1::PrefixAdminService::Stub::ActivateVersion, request, &prefix, user);
  }
  grpc::Status Delete(const std::string& name, const std::string& user = "ada") {
    v1::DeletePrefixRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return Call(&v1::PrefixAdminService::Stub::DeletePrefix, request, &empty, user);
  }
  grpc::Status List(const v1::ListPrefixesRequest& request, v1::ListPrefixesResponse* response,
                    const std::string& user = "ada") {
    return Call(&v1::PrefixAdminService::Stub::ListPrefixes, request, response, user);
  }
  grpc::Status Download(const std::string& name, v1::Prefix* prefix, std::string* bytes,
                        const std::string& user = "ada") {
    grpc::ClientContext context;
    SetCaller(context, user);
    v1::DownloadPrefixRequest request;
    request.set_name(name);
    const auto reader = server_.admin().DownloadPrefix(&context, request);
    v1::DownloadPrefixResponse piece;
    while (reader->Read(&piece)) {
      if (piece.has_prefix()) *prefix = piece.prefix();
      *bytes += piece.chunk();
    }
    return reader->Finish();
  }

  TestServer server_;
};

TEST_F(PrefixAdminTest, GetsAVersionOrTheActiveOne) {
  server_.MustUpload("task", 1);
  server_.MustUpload("task", 2);
  v1::Prefix prefix;
  ASSERT_TRUE(Get("users/ada/tasks/task/versions/1", &prefix).ok());
  EXPECT_FALSE(prefix.active());
  ASSERT_TRUE(Get("users/ada/tasks/task", &prefix).ok());
  EXPECT_EQ(prefix.name(), "users/ada/tasks/task/versions/2");
  EXPECT_TRUE(prefix.active());
  EXPECT_EQ(prefix.positions(), 3);
  EXPECT_EQ(prefix.model_fingerprint(), std::string(64, 'a'));
  EXPECT_EQ(prefix.origin(), v1::PREFIX_ORIGIN_UPLOADED);
  EXPECT_GT(prefix.create_time().seconds(), 0);
}

TEST_F(PrefixAdminTest, ListsPageByPage) {
  for (const char* task : {"b", "a", "b", "c"}) server_.MustUpload(task, 1);
  server_.MustUpload("d", 1, "bob");
  v1::ListPrefixesRequest request;
  request.set_parent("users/ada");
  request.set_page_size(3);
  v1::ListPrefixesResponse page;
  ASSERT_TRUE(List(request, &page).ok());
  std::vector<std::string> names;
  for (const v1::Prefix& prefix : page.prefixes()) names.push_back(prefix.name());
  EXPECT_THAT(names, ElementsAre("users/ada/tasks/a/versions/1", "users/ada/tasks/b/versions/1",
                                 "users/ada/tasks/b/versions/2"));
  ASSERT_FALSE(page.next_page_token().empty());
  request.set_page_token(page.next_page_token());
  ASSERT_TRUE(List(request, &page).ok());
  ASSERT_EQ(page.prefixes_size(), 1);
  EXPECT_EQ(page.prefixes(0).name(), "users/ada/tasks/c/versions/1");
  EXPECT_TRUE(page.next_page_token().empty());

  v1::ListPrefixesRequest task;
  task.set_parent("users/ada/tasks/b");
  ASSERT_TRUE(List(task, &page).ok());
  EXPECT_EQ(page.prefixes_size(), 2);
}

TEST_F(PrefixAdminTest, RefusesMalformedLists) {
  v1::ListPrefixesRequest request;
  v1::ListPrefixesResponse page;
  EXPECT_EQ(List(request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_parent("users/ada");
  request.set_page_size(-1);
  EXPECT_THAT(List(request, &page).error_message(), HasSubstr("page_size"));
  request.set_page_size(1001);
  EXPECT_THAT(List(request, &page).error_message(), HasSubstr("page_size"));
  request.set_page_size(0);
  request.set_page_token("abc");
  EXPECT_THAT(List(request, &page).error_message(), HasSubstr("page_token"));
}

TEST_F(PrefixAdminTest, DeletesVersionsAndTasks) {
  server_.MustUpload("task", 1);
  server_.MustUpload("task", 2);
  EXPECT_EQ(Delete("users/ada/tasks/task/versions/2").error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(Delete("users/ada/tasks/task/versions/1").ok());
  EXPECT_EQ(Delete("users/ada/tasks/task/versions/1").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Delete("users/ada/tasks/task").ok());
  v1::Prefix prefix;
  EXPECT_EQ(Get("users/ada/tasks/task", &prefix).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(server_.MustUpload("task", 1), "users/ada/tasks/task/versions/3")
      << "a number is never used again";
}

TEST_F(PrefixAdminTest, ADeletedPrefixLeavesTheCache) {
  server_.MustUpload("task", 1);
  v1::GenerateRequest request = TextRequest("a");
  request.add_tasks("task");
  ASSERT_TRUE(server_.Generate(request).status.ok());
  EXPECT_EQ(server_.GetStatus().resident_prefixes(), 1);
  ASSERT_TRUE(Delete("users/ada/tasks/task").ok());
  EXPECT_EQ(server_.GetStatus().resident_prefixes(), 0);
  EXPECT_EQ(server_.Generate(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(PrefixAdminTest, DownloadsWhatWasStored) {
  v1::Prefix prefix;
  std::string bytes;
  const std::string small = Serialized(FakePrefix(1));
  v1::UploadPrefixRequest::Header header = HeaderFor("users/ada/tasks/task", small);
  header.set_description("small");
  ASSERT_TRUE(server_.Upload(header, small, &prefix).ok());
  v1::Prefix told;
  ASSERT_TRUE(Download("users/ada/tasks/task", &told, &bytes).ok());
  EXPECT_EQ(told.name(), "users/ada/tasks/task/versions/1");
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), told.size_bytes());
  EXPECT_EQ(Sha256Hex(bytes), told.sha256());

  // What was downloaded can be uploaded.
  ASSERT_TRUE(server_.Upload(HeaderFor("users/bob/tasks/copy", bytes), bytes, &prefix, "bob").ok());
  EXPECT_EQ(prefix.description(), "small");
  EXPECT_EQ(prefix.sha256(), told.sha256());
}

TEST_F(PrefixAdminTest, DownloadsALargeFileInChunks) {
  const std::string uploaded = Serialized(FakePrefix(1, 19'999));
  ASSERT_GT(uploaded.size(), 600'000u);
  v1::Prefix prefix;
  ASSERT_TRUE(server_.Upload(HeaderFor("users/ada/tasks/task", uploaded), uploaded, &prefix).ok());
  std::string bytes;
  ASSERT_TRUE(Download(prefix.name(), &prefix, &bytes).ok());
  EXPECT_EQ(Sha256Hex(bytes), prefix.sha256());
}

// Every method answers for bob's prefix, which exists, as for one that does not.
TEST_F(PrefixAdminTest, AnothersPrefixIsAsIfThereWereNone) {
  server_.MustUpload("secret", 1, "bob");
  const std::string there = "users/bob/tasks/secret";
  const std::string missing = "users/bob/tasks/absent";
  v1::Prefix prefix;
  std::string bytes;
  const auto expect_alike = [&](auto call) {
    const grpc::Status forbidden = call(there);
    const grpc::Status absent = call(missing);
    EXPECT_EQ(forbidden.error_code(), grpc::StatusCode::NOT_FOUND) << forbidden.error_message();
    EXPECT_EQ(absent.error_code(), grpc::StatusCode::NOT_FOUND);
    std::string message = forbidden.error_message();
    message.replace(message.find("secret"), 6, "absent");
    EXPECT_EQ(message, absent.error_message());
    EXPECT_EQ(forbidden.error_details(), absent.error_details());
  };
  expect_alike([&](const std::string& name) { return Get(name, &prefix); });
  expect_alike([&](const std::string& name) { return Get(name + "/versions/1", &prefix); });
  expect_alike([&](const std::string& name) { return Activate(name + "/versions/1"); });
  expect_alike([&](const std::string& name) { return Delete(name); });
  expect_alike([&](const std::string& name) { return Delete(name + "/versions/1"); });
  expect_alike([&](const std::string& name) { return Download(name, &prefix, &bytes); });
  expect_alike([&](const std::string& name) {
    v1::ListPrefixesRequest request;
    request.set_parent(name);
    v1::ListPrefixesResponse response;
    return List(request, &response);
  });
  expect_alike([&](const std::string& name) {
    const std::string file = Serialized(FakePrefix(1));
    return server_.Upload(HeaderFor(name, file), file, &prefix);
  });
  expect_alike([&](const std::string& name) {
    v1::CapturePrefixRequest request;
    request.set_parent(name);
    request.set_text("x");
    return Call(&v1::PrefixAdminService::Stub::CapturePrefix, request, &prefix);
  });
  EXPECT_TRUE(bytes.empty());

  // One's own that is missing has the same words.
  std::string own = Get("users/ada/tasks/absent", &prefix).error_message();
  own.replace(own.find("ada"), 3, "bob");
  EXPECT_EQ(own, Get(missing, &prefix).error_message());
  EXPECT_TRUE(Get(there, &prefix, "bob").ok()) << "nothing of bob's has changed";
}

TEST_F(PrefixAdminTest, RefusesMalformedNames) {
  v1::Prefix prefix;
  std::string bytes;
  for (const char* name : {"", "task", "users/ada", "users/ada/tasks/a/versions/0",
                           "users/ada/tasks/a/versions/x", "users/ada/tasks/a b"}) {
    EXPECT_EQ(Get(name, &prefix).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Delete(name).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Download(name, &prefix, &bytes).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(Activate("users/ada/tasks/a").error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "a task is no version";
}

TEST_F(PrefixAdminTest, RefusesAnEmptyCapture) {
  v1::CapturePrefixRequest request;
  request.set_parent("users/ada/tasks/persona");
  v1::Prefix prefix;
  const grpc::Status status = Call(&v1::PrefixAdminService::Stub::CapturePrefix, request, &prefix);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("text"));
}

}  // namespace
}  // namespace prefixd
