#include "prefix_store/sqlite_repository.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "prefix_store/sqlite.h"
#include "prefix_store/sqlite_pool.h"
#include "prefix_store/sqlite_schema.h"

namespace prefixd {
namespace {

constexpr int kOwnerOnly = 0600;
constexpr size_t kSha256Digits = 64;

// Of SQLite's limit for a row, what the row needs beside the bytes.
constexpr int64_t kRowOverhead = 64;

// The columns that ReadRecord reads, in its order.
constexpr char kSelectRecord[] =
    "SELECT t.user, t.task, v.version, v.version = t.active_version, v.description, v.positions, "
    "v.position_offset, v.model_fingerprint, v.origin, v.size_bytes, v.sha256, v.create_time "
    "FROM tasks t JOIN versions v ON v.task_id = t.id ";

// Picks one version, ?3; version 0 is the active one.
constexpr char kWhereVersion[] =
    "WHERE t.user = ?1 AND t.task = ?2 AND v.version = iif(?3 = 0, t.active_version, ?3)";

absl::Status NotFound(const VersionName& name) {
  return absl::NotFoundError(StrCat(name.ToString(), " does not exist"));
}

absl::Status Damaged(const VersionName& name, std::string_view what) {
  return absl::DataLossError(StrCat(name.ToString(), " is damaged in the store (", what,
                                    "): restore the store from a backup, or delete this "
                                    "version and upload it again"));
}

bool FitsInt(int64_t value) { return value >= 0 && value <= std::numeric_limits<int>::max(); }

// The present row of kSelectRecord. DATA_LOSS when it holds what no Create has written.
absl::StatusOr<PrefixRecord> ReadRecord(const SqliteStatement& row) {
  PrefixRecord record;
  record.name.task.user = row.Text(0);
  record.name.task.task = row.Text(1);
  record.name.version = row.Integer(2);
  record.active = row.Integer(3) != 0;
  record.description = row.Text(4);
  record.model_fingerprint = row.Text(7);
  record.size_bytes = row.Integer(9);
  record.sha256 = row.Text(10);
  record.create_time = absl::FromUnixMicros(row.Integer(11));
  const std::optional<PrefixOrigin> origin = ParseOrigin(row.Text(8));
  if (!FitsInt(row.Integer(5)) || !FitsInt(row.Integer(6)) || !origin.has_value() ||
      record.size_bytes < 0 || record.sha256.size() != kSha256Digits) {
    return Damaged(record.name, "its metadata cannot be read");
  }
  record.positions = static_cast<int>(row.Integer(5));
  record.position_offset = static_cast<int>(row.Integer(6));
  record.origin = *origin;
  return record;
}

absl::StatusOr<PrefixRecord> FindRecord(SqliteConnection* connection, const VersionName& name) {
  PREFIXD_ASSIGN_OR_RETURN(SqliteStatement statement,
                           connection->Prepare(StrCat(kSelectRecord, kWhereVersion),
                                               {name.task.user, name.task.task, name.version}));
  PREFIXD_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return NotFound(name);
  return ReadRecord(statement);
}

// Keeps a file locked against other processes.
class FileLock {
 public:
  // UNAVAILABLE when another process holds it.
  static absl::StatusOr<FileLock> Take(const std::string& path) {
    FileLock lock;
    lock.descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly);
    if (lock.descriptor_ < 0) {
      return absl::ErrnoToStatus(errno, StrCat("cannot open ", path));
    }
    if (flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, StrCat("cannot lock ", path));
    return absl::UnavailableError(StrCat("another process uses the store (it holds ", path,
                                         "): stop it, or name another file"));
  }

  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  FileLock() = default;

  int descriptor_ = -1;
};

class SqliteRepository final : public PrefixRepository {
 public:
  SqliteRepository(FileLock lock, SqliteConnection writer, std::vector<SqliteConnection> readers)
      : lock_(std::move(lock)),
        max_value_bytes_(writer.max_value_bytes()),
        writer_(std::move(writer)),
        readers_(std::move(readers)) {}

  absl::StatusOr<PrefixRecord> Create(const NewPrefix& prefix, std::string_view bytes) override;
  absl::StatusOr<PrefixRecord> Get(const VersionName& name) const override;
  absl::StatusOr<std::string> Read(const VersionName& name) const override;
  absl::StatusOr<std::vector<PrefixRecord>> List(const ListOptions& options) const override;
  absl::StatusOr<PrefixRecord> Activate(const VersionName& name) override;
  absl::Status Delete(const VersionName& name) override;

 private:
  // Gives the record its number and writes it.
  absl::Status Insert(std::string_view bytes, bool activate, PrefixRecord* record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status DeleteTask(const TaskName& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status DeleteVersion(const VersionName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  const FileLock lock_;  // released last
  const int64_t max_value_bytes_;
  Mutex write_mutex_;
  SqliteConnection writer_ ABSL_GUARDED_BY(write_mutex_);
  mutable SqlitePool readers_;
};

absl::StatusOr<PrefixRecord> NewRecord(const NewPrefix& prefix, std::string_view bytes) {
  if (!IsResourceId(prefix.task.user) || !IsResourceId(prefix.task.task) ||
      !FitsInt(prefix.positions) || !FitsInt(prefix.position_offset)) {
    return absl::InvalidArgumentError(
        StrCat(prefix.task.ToString(), " is no task's name, or its prefix has ", prefix.positions,
               " positions and offset ", prefix.position_offset));
  }
  PrefixRecord record;
  record.name.task = prefix.task;
  record.description = prefix.description;
  record.positions = prefix.positions;
  record.position_offset = prefix.position_offset;
  record.model_fingerprint = prefix.model_fingerprint;
  record.origin = prefix.origin;
  record.size_bytes = static_cast<int64_t>(bytes.size());
  record.sha256 = Sha256Hex(bytes);
  record.create_time = absl::FromUnixMicros(absl::ToUnixMicros(prefix.create_time));
  return record;
}

absl::Status CheckSize(std::string_view bytes, int64_t limit) {
  if (bytes.size() <= static_cast<uint64_t>(limit)) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("the prefix has ", bytes.size(),
                                           " bytes; a SQLite store takes at most ", limit,
                                           " for one version: use fewer positions, or f16 values"));
}

absl::StatusOr<PrefixRecord> SqliteRepository::Create(const NewPrefix& prefix,
                                                      std::string_view bytes) {
  PREFIXD_RETURN_IF_ERROR(CheckSize(bytes, max_value_bytes_ - kRowOverhead));
  PREFIXD_ASSIGN_OR_RETURN(PrefixRecord record, NewRecord(prefix, bytes));
  MutexLock lock(&write_mutex_);
  PREFIXD_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(&writer_));
  PREFIXD_RETURN_IF_ERROR(Insert(bytes, prefix.activate, &record));
  PREFIXD_RETURN_IF_ERROR(transaction.Commit());
  return record;
}

absl::Status SqliteRepository::Insert(std::string_view bytes, bool activate, PrefixRecord* record) {
  int64_t task_id = 0;
  {
    PREFIXD_ASSIGN_OR_RETURN(
        SqliteStatement statement,
        writer_.Prepare("INSERT INTO tasks (user, task, last_version) VALUES (?1, ?2, 1) "
                        "ON CONFLICT (user, task) DO UPDATE SET last_version = last_version + 1 "
                        "RETURNING id, last_version, active_version IS NULL",
                        {record->name.task.user, record->name.task.task}));
    PREFIXD_RETURN_IF_ERROR(statement.Step().status());
    task_id = statement.Integer(0);
    record->name.version = statement.Integer(1);
    record->active = activate || statement.Integer(2) != 0;
  }
  PREFIXD_RETURN_IF_ERROR(writer_.Run(
      "INSERT INTO versions (task_id, version, description, positions, position_offset, "
      "model_fingerprint, origin, size_bytes, sha256, create_time) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
      {task_id, record->name.version, record->description, int64_t{record->positions},
       int64_t{record->position_offset}, record->model_fingerprint, OriginName(record->origin),
       record->size_bytes, record->sha256, absl::ToUnixMicros(record->create_time)}));
  PREFIXD_RETURN_IF_ERROR(
      writer_.Run("INSERT INTO version_bytes (version_id, bytes) VALUES (last_insert_rowid(), ?1)",
                  {SqliteBlob(bytes)}));
  if (!record->active) return absl::OkStatus();
  return writer_.Run("UPDATE tasks SET active_version = ?2 WHERE id = ?1",
                     {task_id, record->name.version});
}

absl::StatusOr<PrefixRecord> SqliteRepository::Get(const VersionName& name) const {
  SqlitePool::Loan reader(&readers_);
  return FindRecord(reader.get(), name);
}

absl::StatusOr<std::string> SqliteRepository::Read(const VersionName& name) const {
  std::string bytes;
  std::string sha256;
  VersionName found_name = name;
  {
    SqlitePool::Loan reader(&readers_);
    PREFIXD_ASSIGN_OR_RETURN(
        SqliteStatement statement,
        reader.get()->Prepare(StrCat("SELECT v.version, v.sha256, b.bytes FROM tasks t "
                                     "JOIN versions v ON v.task_id = t.id "
                                     "LEFT JOIN version_bytes b ON b.version_id = v.id ",
                                     kWhereVersion),
                              {name.task.user, name.task.task, name.version}));
    PREFIXD_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return NotFound(name);
    found_name.version = statement.Integer(0);
    sha256 = statement.Text(1);
    if (statement.IsNull(2)) return Damaged(found_name, "its bytes are missing");
    bytes = statement.Blob(2);
  }
  if (Sha256Hex(bytes) != sha256) return Damaged(found_name, "its bytes do not match its SHA-256");
  return bytes;
}

absl::StatusOr<std::vector<PrefixRecord>> SqliteRepository::List(const ListOptions& options) const {
  const VersionName after = options.after.value_or(VersionName{});
  SqlitePool::Loan reader(&readers_);
  PREFIXD_ASSIGN_OR_RETURN(
      SqliteStatement statement,
      reader.get()->Prepare(StrCat(kSelectRecord,
                                   "WHERE t.user = ?1 AND (?2 = '' OR t.task = ?2) "
                                   "AND (t.task, v.version) > (?3, ?4) ORDER BY t.task, v.version"),
                            {options.user, options.task, after.task.task, after.version}));
  std::vector<PrefixRecord> records;
  while (static_cast<int>(records.size()) < options.limit) {
    PREFIXD_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) break;
    absl::StatusOr<PrefixRecord> record = ReadRecord(statement);
    if (record.ok()) records.push_back(*std::move(record));
  }
  return records;
}

absl::StatusOr<PrefixRecord> SqliteRepository::Activate(const VersionName& name) {
  if (name.version == 0) {
    return absl::InvalidArgumentError(
        StrCat("name a version to activate, like ", name.ToString(), "/versions/1"));
  }
  MutexLock lock(&write_mutex_);
  PREFIXD_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(&writer_));
  PREFIXD_ASSIGN_OR_RETURN(PrefixRecord record, FindRecord(&writer_, name));
  PREFIXD_RETURN_IF_ERROR(
      writer_.Run("UPDATE tasks SET active_version = ?3 WHERE user = ?1 AND task = ?2",
                  {name.task.user, name.task.task, name.version}));
  PREFIXD_RETURN_IF_ERROR(transaction.Commit());
  record.active = true;
  return record;
}

absl::Status SqliteRepository::Delete(const VersionName& name) {
  MutexLock lock(&write_mutex_);
  PREFIXD_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(&writer_));
  PREFIXD_RETURN_IF_ERROR(name.version == 0 ? DeleteTask(name.task) : DeleteVersion(name));
  return transaction.Commit();
}

absl::Status SqliteRepository::DeleteTask(const TaskName& task) {
  int64_t task_id = 0;
  {
    PREFIXD_ASSIGN_OR_RETURN(
        SqliteStatement statement,
        writer_.Prepare("UPDATE tasks SET active_version = NULL "
                        "WHERE user = ?1 AND task = ?2 AND active_version IS NOT NULL RETURNING id",
                        {task.user, task.task}));
    PREFIXD_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return NotFound({.task = task});
    task_id = statement.Integer(0);
  }
  return writer_.Run("DELETE FROM versions WHERE task_id = ?1", {task_id});
}

absl::Status SqliteRepository::DeleteVersion(const VersionName& name) {
  int64_t id = 0;
  {
    PREFIXD_ASSIGN_OR_RETURN(
        SqliteStatement statement,
        writer_.Prepare(StrCat("SELECT v.id, v.version = t.active_version FROM tasks t "
                               "JOIN versions v ON v.task_id = t.id ",
                               kWhereVersion),
                        {name.task.user, name.task.task, name.version}));
    PREFIXD_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return NotFound(name);
    if (statement.Integer(1) != 0) {
      return absl::FailedPreconditionError(
          StrCat(name.ToString(), " is the active version of its task: activate another ",
                 "version first, or delete the task"));
    }
    id = statement.Integer(0);
  }
  return writer_.Run("DELETE FROM versions WHERE id = ?1", {id});
}

// Makes the file if it is missing, readable by its owner alone (SQLite gives its companions the
// same mode).
absl::Status MakeFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, StrCat("cannot open ", path));
  close(descriptor);
  return absl::OkStatus();
}

absl::StatusOr<SqliteConnection> OpenWriter(const std::string& path, int64_t max_bytes) {
  PREFIXD_ASSIGN_OR_RETURN(SqliteConnection writer, SqliteConnection::Open(path));
  PREFIXD_RETURN_IF_ERROR(writer.RunScript("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"));
  PREFIXD_RETURN_IF_ERROR(MigrateSchema(&writer));
  PREFIXD_RETURN_IF_ERROR(writer.RunScript(
      // A large upload must not leave a log of its size behind.
      "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864;"));
  if (max_bytes > 0) {
    PREFIXD_ASSIGN_OR_RETURN(const int64_t page_bytes, writer.QueryInteger("PRAGMA page_size"));
    const int64_t pages = std::max<int64_t>(max_bytes / page_bytes, 1);
    PREFIXD_RETURN_IF_ERROR(writer.Run(StrCat("PRAGMA max_page_count = ", pages)));
  }
  return writer;
}

absl::StatusOr<std::unique_ptr<PrefixRepository>> Open(const std::string& path,
                                                       const SqliteOptions& options) {
  PREFIXD_ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(StrCat(path, ".lock")));
  PREFIXD_RETURN_IF_ERROR(MakeFile(path));
  PREFIXD_ASSIGN_OR_RETURN(SqliteConnection writer, OpenWriter(path, options.max_bytes));
  std::vector<SqliteConnection> readers;
  for (int i = 0; i < options.readers; ++i) {
    PREFIXD_ASSIGN_OR_RETURN(SqliteConnection reader, SqliteConnection::Open(path));
    PREFIXD_RETURN_IF_ERROR(reader.Run("PRAGMA query_only = ON"));
    readers.push_back(std::move(reader));
  }
  return std::make_unique<SqliteRepository>(std::move(lock), std::move(writer), std::move(readers));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PrefixRepository>> OpenSqliteRepository(
    const std::string& path, const SqliteOptions& options) {
  // SQLite takes an empty name and those beginning with ':' for databases in memory.
  if (path.empty() || path.front() == ':' || options.readers < 1 || options.max_bytes < 0) {
    return absl::InvalidArgumentError(
        "a SQLite store needs a file's path, at least one reader and no negative max_bytes");
  }
  auto repository = Open(path, options);
  if (repository.ok()) return repository;
  return absl::Status(repository.status().code(),
                      StrCat("cannot open the store ", path, ": ", repository.status().message()));
}

}  // namespace prefixd
