#!/usr/bin/env bash
# Installs what the demo's services need: Node packages into demo/order-service/node_modules, Python
# packages into demo/.venv. Does nothing when both are as the lock files say.
set -euo pipefail
cd "$(dirname "$0")"

fail() { echo "demo/install.sh: $*" >&2; exit 1; }
for tool in node npm python3 sha256sum; do
  command -v "$tool" >/dev/null || fail "$tool is missing (Debian: apt-get install nodejs npm python3 python3-venv)"
done
node -e 'const [a, b] = process.versions.node.split(".").map(Number);
process.exit(a > 20 || (a === 20 && b >= 6) || (a === 18 && b >= 19) ? 0 : 1)' ||
  fail "Node $(node --version) is too old: the OpenTelemetry SDK needs 18.19 or later of 18, or 20.6 or later"

# up_to_date STAMP FILE…: whether STAMP holds the hash of FILEs, as `stamp` wrote it.
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
up_to_date() { local stamp=$1; shift; [[ -f $stamp && $(<"$stamp") == "$(hash_of "$@")" ]]; }
stamp() { local stamp=$1; shift; hash_of "$@" >"$stamp"; }

node_files=(order-service/package.json order-service/package-lock.json order-service/.npmrc)
if up_to_date order-service/node_modules/.stamp "${node_files[@]}"; then
  echo "demo: Node packages are up to date"
else
  echo "demo: installing the Node packages of order-service"
  npm --prefix order-service ci --no-progress --loglevel=error
  stamp order-service/node_modules/.stamp "${node_files[@]}"
fi

if up_to_date .venv/.stamp requirements.txt; then
  echo "demo: Python packages are up to date"
else
  echo "demo: installing the Python packages of user-service and product-service"
  python3 -m venv --clear .venv ||
    fail "python3 -m venv does not work (Debian: apt-get install python3-venv)"
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  stamp .venv/.stamp requirements.txt
fi
