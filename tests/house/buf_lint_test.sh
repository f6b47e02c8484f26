#!/usr/bin/env bash
# The protos keep to proto/buf.yaml.
set -euo pipefail
source "$(dirname "$0")/../../scripts/lib.sh"

buf="$(buf_path)"
"$buf" lint proto || die "buf lint found something; see above"
echo "buf lint: proto/ is clean"
