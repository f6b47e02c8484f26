#include "server/prefix_resolver.h"

#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "prefix_store/prefix_file.h"

namespace prefixd {
namespace {

constexpr int kMaxTasks = 4;
constexpr size_t kShownDigits = 12;

absl::Status CheckUsable(const PrefixRecord& record, bool first, const Model& model) {
  if (record.origin == PrefixOrigin::kCaptured && !first) {
    return absl::InvalidArgumentError(
        StrCat("tasks: ", record.name.ToString(),
               " was captured from a text, so it can only be the first of the tasks"));
  }
  if (!record.model_fingerprint.empty() && record.model_fingerprint != model.fingerprint()) {
    return absl::FailedPreconditionError(StrCat(
        record.name.ToString(), " was made for the model ",
        std::string_view(record.model_fingerprint).substr(0, kShownDigits), "…, the server runs ",
        std::string_view(model.fingerprint()).substr(0, kShownDigits), "…"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NoSuchPrefix(const std::string& name) {
  return absl::NotFoundError(StrCat("there is no ", name, " that you may see"));
}

absl::Status HideReason(const absl::Status& status, const VersionName& name) {
  return absl::IsNotFound(status) ? NoSuchPrefix(name.ToString()) : status;
}

absl::StatusOr<ResolvedPrefixes> ResolvePrefixes(
    const Backend& backend, const std::string& user,
    const google::protobuf::RepeatedPtrField<std::string>& tasks) {
  if (tasks.size() > kMaxTasks) {
    return absl::InvalidArgumentError(
        StrCat("tasks holds ", tasks.size(), " entries, at most ", kMaxTasks, " are allowed"));
  }
  std::vector<VersionName> names;
  for (const std::string& task : tasks) {
    absl::StatusOr<VersionName> name = ParseTaskReference(user, task);
    if (!name.ok()) {
      return absl::InvalidArgumentError(StrCat("tasks: ", name.status().message()));
    }
    names.push_back(*std::move(name));
  }

  ResolvedPrefixes result;
  for (const VersionName& name : names) {
    absl::StatusOr<PrefixRecord> record = backend.repository->Get(name);
    if (!record.ok()) return HideReason(record.status(), name);
    PREFIXD_RETURN_IF_ERROR(CheckUsable(*record, result.records.empty(), *backend.model));
    absl::StatusOr<PrefixHandle> handle = backend.cache->Acquire(record->name);
    if (!handle.ok()) return HideReason(handle.status(), name);
    result.records.push_back(*std::move(record));
    result.handles.push_back(*std::move(handle));
  }
  return result;
}

ResidentCache::Loader MakePrefixLoader(const PrefixRepository* repository, const Model* model) {
  return [repository, model](const VersionName& name) -> absl::StatusOr<PrefixHandle> {
    PREFIXD_ASSIGN_OR_RETURN(const std::string bytes, repository->Read(name));
    PREFIXD_ASSIGN_OR_RETURN(const PrefixFile file, ParsePrefixFile(bytes, TargetOf(*model)));
    return model->MakeSegment(file.tensor);
  };
}

PrefixTarget TargetOf(const Model& model) {
  return {model.prefix_shape(), model.fingerprint(), model.config().max_positions};
}

}  // namespace prefixd
