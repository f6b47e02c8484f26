// SQLite's C interface, with owners and absl::Status.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace prefixd {

// Bytes for a BLOB column; text is a std::string_view.
struct SqliteBlob {
  explicit SqliteBlob(std::string_view b) : bytes(b) {}
  std::string_view bytes;
};

using SqliteValue = std::variant<int64_t, std::string_view, SqliteBlob>;

// A prepared statement with its values. It must not outlive its connection.
class SqliteStatement {
 public:
  // Moves to the next row of the result; false: there is none.
  absl::StatusOr<bool> Step();

  // Columns of the present row, from 0 on. The views are valid until the next Step.
  int64_t Integer(int column) const;
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class SqliteConnection;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// A connection to one database file. Used by one thread at a time.
class SqliteConnection {
 public:
  // The file must exist (an empty one is an empty database).
  static absl::StatusOr<SqliteConnection> Open(const std::string& path);

  // A statement with its parameters ?1, ?2, … set; texts and blobs must outlive its use.
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql,
                                          std::initializer_list<SqliteValue> values = {});

  // Runs one statement to its end; rows are passed over.
  absl::Status Run(std::string_view sql, std::initializer_list<SqliteValue> values = {});

  // Runs several statements, separated by semicolons.
  absl::Status RunScript(const char* sql);

  // The single integer that `sql` gives, e.g. "PRAGMA user_version".
  absl::StatusOr<int64_t> QueryInteger(std::string_view sql);

  // What a value, and a row, may have at most.
  int64_t max_value_bytes() const;

  bool in_transaction() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
};

// A transaction for writing, rolled back at the end of its scope unless it was committed.
class SqliteTransaction {
 public:
  static absl::StatusOr<SqliteTransaction> Begin(SqliteConnection* connection);

  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();

  // What was written is durable when this returns OK, and undone otherwise.
  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteConnection* connection) : connection_(connection) {}

  SqliteConnection* connection_;  // null: moved from or committed
};

}  // namespace prefixd
