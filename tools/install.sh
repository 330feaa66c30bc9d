#!/bin/bash
# Installs what building, running and testing need and this machine lacks.
#
# install.sh [build|all]   `build` leaves out what only tests and the demo use.
#
# Safe to repeat: with everything present it asks dpkg once and ends. No server
# that a package brings is started. Works as root or through sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
started=$SECONDS

compilers="build-essential cmake ninja-build pkg-config ccache clang-19 clang-tidy-19 clang-format-19
  lld-19 llvm-19 libclang-rt-19-dev python3"
libraries="libboost1.81-dev libsimdjson-dev nlohmann-json3-dev libyaml-cpp-dev
  librocksdb-dev libzstd-dev libdeflate-dev libssl-dev libfmt-dev libspdlog-dev libcli11-dev
  libxxhash-dev prometheus-cpp-dev zlib1g-dev libre2-dev libcurl4-openssl-dev libpq-dev libmariadb-dev
  libsqlite3-dev libhiredis-dev librdkafka-dev libprotobuf-dev protobuf-compiler libabsl-dev libgrpc++-dev
  protobuf-compiler-grpc"
test_libraries="libgtest-dev libgmock-dev libbenchmark-dev"
services="postgresql-15 mariadb-server-core mariadb-client-core redis-server openjdk-17-jre-headless maven curl
  python3-venv"

wanted="$compilers $libraries $test_libraries"
if [ "$what" = all ]; then
  wanted="$wanted $services"
  # A Node or Go put there by other means is as good as Debian's.
  # Other makers' nodejs brings npm along and refuses Debian's: npm comes second.
  command -v node >/dev/null || wanted="$wanted nodejs"
  [ -x "$(command -v go || echo /usr/local/go/bin/go)" ] || wanted="$wanted golang"
fi

missing=""
for package in $wanted; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install: not root and no sudo; missing:$missing" >&2; exit 1; }
    as_root=sudo
  fi
  echo "install: adding$missing"
  # Debian starts a server when its package is installed, unless this says no.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod +x $policy
    trap '$as_root rm -f $policy' EXIT
  fi
  apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq"
  $apt update
  log=$(mktemp)
  if ! $apt install -y --no-install-recommends $missing >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "install: apt-get failed; its whole output is in $log" >&2
    exit 1
  fi
  if [ "$what" = all ] && ! command -v npm >/dev/null; then
    $apt install -y --no-install-recommends npm >>"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
  fi
  rm -f "$log"
  echo "install: packages done after $((SECONDS - started)) s"
fi

if [ "$what" = all ]; then
  for step in demo/install.sh tests/clients/install.sh; do
    [ -x $step ] || continue
    step_started=$SECONDS
    $step
    echo "install: $step done in $((SECONDS - step_started)) s"
  done
fi
echo "install: everything is there ($((SECONDS - started)) s)"
