// The tables of the SQLite repository, and how older files become the present form.
#pragma once

#include "absl/status/status.h"
#include "prefix_store/sqlite.h"

namespace prefixd {

// Brings an empty or older file to the present schema, each numbered step in a transaction of its
// own. FAILED_PRECONDITION, changing nothing, for a file of a newer schema or of another program.
absl::Status MigrateSchema(SqliteConnection* connection);

}  // namespace prefixd
