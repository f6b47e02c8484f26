// Prefixes in a SQLite file (WAL, synchronous=FULL), the embedded default.
//
// One connection writes, a few read: in WAL mode readers do not wait for the writer. SQLite takes
// about 1 GB for one version.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prefix_store/repository.h"

namespace prefixd {

struct SqliteOptions {
  int readers = 4;        // calls that read at once; each has a connection
  int64_t max_bytes = 0;  // of the file; above it Create says RESOURCE_EXHAUSTED. 0: SQLite's 16 TB
};

// Opens the file, or makes it (mode 0600). Numbered schema migrations are applied; a file of a
// newer schema, or of another program, is refused (FAILED_PRECONDITION). One process at a time (it
// locks
// "<path>.lock"): UNAVAILABLE when another holds it.
absl::StatusOr<std::unique_ptr<PrefixRepository>> OpenSqliteRepository(
    const std::string& path, const SqliteOptions& options = {});

}  // namespace prefixd
