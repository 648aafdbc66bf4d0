#!/bin/sh
# Installs what it takes to build, lint, test and demonstrate Cofferdam on Debian 12.
#
#   scripts/install-deps.sh               everything
#   scripts/install-deps.sh --build-only  what `make build` needs, no linters, no test tools
#   scripts/install-deps.sh --bench       what `make bench`, `bench-dns` and `soak` need: a build, and what they compare with
#   scripts/install-deps.sh --appliance   what `make package-test` and `make e2e-docker` need beside everything
#   scripts/install-deps.sh --check       changes nothing; lists what is missing and exits 1 if anything is
#
# Run it as root or as a user who may sudo. It can be run again at any time: what is there is left alone, and language
# toolchains (node, go, cargo, java) that were installed by other means than apt are used as they are.
set -eu

build="g++ cmake ninja-build ccache make pkg-config git ca-certificates dpkg-dev file
  libboost1.81-dev libboost-url1.81-dev libboost-json1.81-dev libssl-dev libc-ares-dev
  libnetfilter-queue-dev libnftnl-dev libmnl-dev prometheus-cpp-dev libnghttp2-dev libyaml-cpp-dev libre2-dev
  libpsl-dev libidn2-dev libcli11-dev libseccomp-dev openssl bind9-dnsutils python3 python3-pip python3-setuptools python3-wheel"
lint="clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev shellcheck"
tests="libgtest-dev libgmock-dev libbenchmark-dev
  nftables iproute2 iputils-ping procps util-linux tcpdump socat bind9-dnsutils knot-dnsutils nginx-light openssl curl wget gpg gpgconf
  gpg-agent gpgv nghttp2-client nghttp2-proxy python3 python3-venv python3-pytest python3-cryptography python3-requests python3-yaml
  python3-h2 python3-httpx python3-grpcio python3-websockets gcc musl-tools busybox dnsmasq-base python3-dnspython dnsperf iodine dns2tcp
  openssh-server openssh-client rsync postgresql-15 mariadb-server-core mariadb-client-core redis-server redis-tools prometheus python3-jsonschema
  golang-google-grpc-dev"

bench="nftables iproute2 procps bind9-dnsutils python3 python3-yaml python3-cryptography dnsperf dnsdist unbound dnsmasq nsd
  nginx-light haproxy squid-openssl sslsplit mitmproxy nghttp2-client curl openssl"
appliance="debootstrap dpkg-dev systemd-container docker.io docker-compose prometheus"

# command:package for tools that often come from elsewhere
toolchains="node:nodejs npm:npm go:golang-go java:default-jdk-headless javac:default-jdk-headless"
cargo_minimum=68  # 1.68 speaks to sparse registries; Debian's own cargo does not, cargo-web does

say() { printf '%s\n' "$*" >&2; }
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }

scope=all
mode=install
for argument in "$@"; do
  case $argument in
    --build-only) scope=build ;;
    --bench) scope=bench ;;
    --appliance) scope=appliance ;;
    --check) mode=check ;;
    -h | --help) usage; exit 0 ;;
    *) say "install-deps.sh: unknown option $argument"; usage >&2; exit 64 ;;
  esac
done

command -v apt-get >/dev/null || { say "install-deps.sh: no apt-get here; the lists of packages are in this file"; exit 69; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

has_cargo() {
  command -v cargo >/dev/null || return 1
  minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$cargo_minimum" ]
}

wanted=$build
[ $scope = all ] && wanted="$wanted $lint $tests"
[ $scope = bench ] && wanted="$wanted $bench"
[ $scope = appliance ] && wanted="$wanted $appliance"
missing=
for package in $wanted; do
  is_installed "$package" || missing="$missing $package"
done
if [ $scope = all ]; then
  for pair in $toolchains; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
  done
  has_cargo || missing="$missing cargo-web rustc-web"
fi

if [ -z "$missing" ]; then
  say "install-deps.sh: nothing is missing"
  exit 0
fi
if [ $mode = check ]; then
  say "install-deps.sh: missing:$missing"
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "install-deps.sh: neither root nor sudo"; exit 77; }
  as_root="sudo"
fi
$as_root apt-get update -qq
# Packages start their services; tests and benchmarks start their own servers on addresses of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap '$as_root rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
  $as_root chmod 755 $policy
fi
# shellcheck disable=SC2086  # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
if [ $scope = all ] && ! has_cargo; then
  say "install-deps.sh: the cargo on the PATH is older than 1.$cargo_minimum: $(command -v cargo)"
  exit 1
fi
if command -v systemctl >/dev/null; then # nor do they start with the machine
  for service in dnsdist unbound dnsmasq nsd nginx haproxy squid postgresql redis-server prometheus; do
    case " $missing " in *" $service"[-\ ]*) $as_root systemctl disable --quiet "$service" 2>/dev/null || true ;; esac
  done
  case " $missing " in *" openssh-server "*) $as_root systemctl disable --quiet ssh 2>/dev/null || true ;; esac
  case " $missing " in *" docker.io "*) $as_root systemctl disable --quiet docker.socket docker containerd 2>/dev/null || true ;; esac
fi
say "install-deps.sh: installed"
