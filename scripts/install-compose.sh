#!/bin/sh
# Builds Docker Compose 2, which Debian 12 does not have, through the Go module proxy that `go` is set up with:
# scripts/install-compose.sh FOLDER leaves FOLDER/docker-compose, a plugin of the docker command. Several minutes of building the first time.
set -eu
version=v2.29.7 # Go 1.21 builds it
folder=${1:?where to put docker-compose}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -x "$folder/docker-compose" ] && [ "$(cat "$folder/docker-compose.version" 2>/dev/null)" = $version ]; then exit 0; fi
case $(go env GOVERSION) in
  go1.1[0-9]* | go1.20*) echo "install-compose.sh: needs Go 1.21 or later, this is $(go env GOVERSION)" >&2; exit 1 ;;
esac
echo "install-compose.sh: building Docker Compose $version" >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
GOBIN="$scratch" GOFLAGS="-buildvcs=false -trimpath" go install \
  -ldflags="-s -w -X github.com/docker/compose/v2/internal.Version=$version" "github.com/docker/compose/v2/cmd@$version"
mv "$scratch/cmd" "$folder/docker-compose"
echo $version > "$folder/docker-compose.version"
