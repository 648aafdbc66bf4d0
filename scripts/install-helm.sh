#!/bin/sh
# Builds Helm, which Debian does not have, through the Go module proxy that `go` is set up with: scripts/install-helm.sh FOLDER
# leaves FOLDER/helm. A few minutes of building the first time; go's build cache makes it seconds afterwards.
set -eu
version=v3.12.3 # the newest that Debian 12's own Go (1.19) builds
folder=${1:?where to put helm}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -x "$folder/helm" ] && [ "$(cat "$folder/helm.version" 2>/dev/null)" = $version ]; then exit 0; fi
echo "install-helm.sh: building Helm $version" >&2
GOBIN="$folder" GOFLAGS="-buildvcs=false -trimpath" go install -ldflags="-s -w" "helm.sh/helm/v3/cmd/helm@$version"
echo $version > "$folder/helm.version"
