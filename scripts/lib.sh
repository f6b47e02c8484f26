# shellcheck shell=bash disable=SC2034
# Functions that the scripts share. Source it; it changes to the repository's root.

caller_folder="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
root="$PWD"

readonly torch_version=2.13.0
readonly model_version=0.1.2
readonly model_file=SmolLM2-135M-Instruct.Q4_1.gguf
readonly buf_version=1.75.0

say() { echo "prefixd: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# A path that the caller gave, whatever folder a script works in.
absolute() {
  case "$1" in
    /*) echo "$1" ;;
    *) echo "$caller_folder/$1" ;;
  esac
}

cache="$(absolute "${PREFIXD_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/prefixd}")"

# Where the parts are that the build and the server need: what the user names, else the cache.
readonly default_libtorch="$cache/libtorch-$torch_version"
readonly default_model="$cache/smollm2-$model_version/$model_file"
PREFIXD_LIBTORCH="$(absolute "${PREFIXD_LIBTORCH:-$default_libtorch}")"
PREFIXD_MODEL="$(absolute "${PREFIXD_MODEL:-$default_model}")"
export PREFIXD_LIBTORCH PREFIXD_MODEL PREFIXD_CACHE="$cache"

buf_path() {
  if [[ -x "$cache/buf-$buf_version/buf" ]]; then
    echo "$cache/buf-$buf_version/buf"
  else
    command -v buf || die "buf is missing: run scripts/bootstrap"
  fi
}

# Packages of the set `all`, and of `dev` too with an argument `dev`.
wanted_packages() {
  awk -v dev="${1:-}" '!/^#/ && ($2 == "all" || $2 == dev) { print $1 }' scripts/packages.txt
}

missing_packages() {
  local installed
  installed="$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' 2>/dev/null |
    awk '$2 == "installed" { print $1 }')"
  comm -23 <(wanted_packages "$@" | sort -u) <(sort -u <<<"$installed")
}

# Jobs for a build: one per core, and 2 GiB of free memory for each (what a file with tensors needs).
build_jobs() {
  local cores free_kib limit used
  cores="$(nproc)"
  free_kib="$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)"
  # A container's limit, where there is one.
  if [[ -r /sys/fs/cgroup/memory.max && -r /sys/fs/cgroup/memory.current ]]; then
    limit="$(</sys/fs/cgroup/memory.max)"
    used="$(</sys/fs/cgroup/memory.current)"
    if [[ "$limit" != max && $(((limit - used) / 1024)) -lt "$free_kib" ]]; then
      free_kib=$(((limit - used) / 1024))
    fi
  fi
  local by_memory=$((free_kib / (2 * 1024 * 1024)))
  local jobs=$((cores < by_memory ? cores : by_memory))
  echo $((jobs > 1 ? jobs : 1))
}
