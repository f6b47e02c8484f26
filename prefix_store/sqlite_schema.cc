#include "prefix_store/sqlite_schema.h"

#include <cstdint>
#include <iterator>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

// "pfxd": tells our files from those of other programs.
constexpr int64_t kApplicationId = 0x70667864;

// Step n leads from user_version n to n + 1. A released step never changes.
constexpr const char* kMigrations[] = {
    // A task's row outlives its versions: last_version must never be forgotten. active_version is
    // null exactly when the task has no version. Times are in microseconds since 1970. Bytes stand
    // apart from the metadata, so that a listing reads few pages.
    R"sql(
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  user TEXT NOT NULL,
  task TEXT NOT NULL,
  last_version INTEGER NOT NULL,
  active_version INTEGER,
  UNIQUE (user, task),
  FOREIGN KEY (id, active_version) REFERENCES versions (task_id, version)
    DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE versions (
  id INTEGER PRIMARY KEY,
  task_id INTEGER NOT NULL REFERENCES tasks (id),
  version INTEGER NOT NULL,
  description TEXT NOT NULL,
  positions INTEGER NOT NULL,
  position_offset INTEGER NOT NULL,
  model_fingerprint TEXT NOT NULL,
  origin TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  create_time INTEGER NOT NULL,
  UNIQUE (task_id, version)
) STRICT;

CREATE TABLE version_bytes (
  version_id INTEGER PRIMARY KEY REFERENCES versions (id) ON DELETE CASCADE,
  bytes BLOB NOT NULL
) STRICT;
)sql",
};
constexpr int64_t kSchemaVersion = std::size(kMigrations);

// Our file's schema version; 0 for an empty file.
absl::StatusOr<int64_t> SchemaVersion(SqliteConnection* connection) {
  PREFIXD_ASSIGN_OR_RETURN(const int64_t application,
                           connection->QueryInteger("PRAGMA application_id"));
  PREFIXD_ASSIGN_OR_RETURN(const int64_t version, connection->QueryInteger("PRAGMA user_version"));
  PREFIXD_ASSIGN_OR_RETURN(const int64_t tables,
                           connection->QueryInteger("SELECT count(*) FROM sqlite_schema"));
  const bool empty = application == 0 && version == 0 && tables == 0;
  if (application != kApplicationId && !empty) {
    return absl::FailedPreconditionError(
        "the file is the database of another program: name another file for the store");
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        StrCat("the store was written by a newer prefixd (its schema is ", version,
               ", this program knows ", kSchemaVersion, "): run that version or a later one"));
  }
  return version;
}

}  // namespace

absl::Status MigrateSchema(SqliteConnection* connection) {
  PREFIXD_ASSIGN_OR_RETURN(int64_t version, SchemaVersion(connection));
  for (; version < kSchemaVersion; ++version) {
    PREFIXD_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(connection));
    PREFIXD_RETURN_IF_ERROR(connection->RunScript(kMigrations[version]));
    PREFIXD_RETURN_IF_ERROR(connection->Run(StrCat("PRAGMA application_id = ", kApplicationId)));
    PREFIXD_RETURN_IF_ERROR(connection->Run(StrCat("PRAGMA user_version = ", version + 1)));
    PREFIXD_RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

}  // namespace prefixd
