#include "prefix_store/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace prefixd {
namespace {

constexpr int kBusyTimeoutMs = 10'000;

// What an extended result code means to the caller, and what to do about it.
absl::Status ToStatus(int code, std::string_view detail) {
  const std::string what = StrCat("SQLite: ", detail, " (code ", code, ")");
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          StrCat("the disk, or the limit set for the store, is full: free space or delete "
                 "prefixes, then try again. ",
                 what));
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(StrCat("out of memory. ", what));
    case SQLITE_IOERR:
      return absl::InternalError(
          StrCat("the disk of the store failed: see the kernel's log. ", what));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          StrCat("another program locks the store: end it, then try again. ", what));
    case SQLITE_CORRUPT:
      return absl::DataLossError(StrCat("the store is damaged: restore it from a backup. ", what));
    case SQLITE_NOTADB:
      return absl::FailedPreconditionError(
          StrCat("the store is no SQLite database: name another file. ", what));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::FailedPreconditionError(
          StrCat("the store cannot be written: give the server the rights to its file and "
                 "folder. ",
                 what));
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(StrCat("too large for SQLite. ", what));
    default:
      return absl::InternalError(what);
  }
}

absl::Status ErrorOf(sqlite3* database) {
  return ToStatus(sqlite3_extended_errcode(database), sqlite3_errmsg(database));
}

// SQLite reads a null pointer as NULL, so an empty view needs an address.
const char* AddressOf(std::string_view bytes) { return bytes.empty() ? "" : bytes.data(); }

int Bind(sqlite3_stmt* statement, int index, const SqliteValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *integer);
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return sqlite3_bind_text64(statement, index, AddressOf(*text), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  const std::string_view bytes = std::get<SqliteBlob>(value).bytes;
  return sqlite3_bind_blob64(statement, index, AddressOf(bytes), bytes.size(), SQLITE_STATIC);
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ErrorOf(sqlite3_db_handle(statement_.get()));
}

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view SqliteStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view SqliteStatement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void SqliteConnection::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

absl::StatusOr<SqliteConnection> SqliteConnection::Open(const std::string& path) {
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  SqliteConnection connection;
  connection.database_.reset(database);
  if (code != SQLITE_OK) {
    return ToStatus(code, StrCat(path, ": ", sqlite3_errstr(code)));
  }
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  return connection;
}

absl::StatusOr<SqliteStatement> SqliteConnection::Prepare(
    std::string_view sql, std::initializer_list<SqliteValue> values) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &handle,
                         nullptr) != SQLITE_OK) {
    return ErrorOf(database_.get());
  }
  SqliteStatement statement;
  statement.statement_.reset(handle);
  int index = 0;
  for (const SqliteValue& value : values) {
    if (Bind(handle, ++index, value) != SQLITE_OK) return ErrorOf(database_.get());
  }
  return statement;
}

absl::Status SqliteConnection::Run(std::string_view sql,
                                   std::initializer_list<SqliteValue> values) {
  PREFIXD_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql, values));
  while (true) {
    PREFIXD_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return absl::OkStatus();
  }
}

absl::Status SqliteConnection::RunScript(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return ErrorOf(database_.get());
}

absl::StatusOr<int64_t> SqliteConnection::QueryInteger(std::string_view sql) {
  PREFIXD_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  PREFIXD_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return absl::InternalError(StrCat("SQLite gives no row for ", sql));
  return statement.Integer(0);
}

int64_t SqliteConnection::max_value_bytes() const {
  return sqlite3_limit(database_.get(), SQLITE_LIMIT_LENGTH, -1);
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(database_.get()) == 0;
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::Begin(SqliteConnection* connection) {
  PREFIXD_RETURN_IF_ERROR(connection->Run("BEGIN IMMEDIATE"));
  return SqliteTransaction(connection);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  // A failed statement may have ended the transaction (SQLITE_FULL, SQLITE_IOERR).
  if (connection_ != nullptr && connection_->in_transaction()) {
    connection_->Run("ROLLBACK").IgnoreError();
  }
}

absl::Status SqliteTransaction::Commit() {
  PREFIXD_RETURN_IF_ERROR(connection_->Run("COMMIT"));
  connection_ = nullptr;
  return absl::OkStatus();
}

}  // namespace prefixd
