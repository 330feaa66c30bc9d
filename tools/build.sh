#!/bin/bash
# build.sh PRESET TARGET…: configures once, builds, says how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
for tool in cmake ninja python3; do
  command -v $tool >/dev/null || { echo "$tool is missing: run 'make install' first" >&2; exit 1; }
done
started=$SECONDS
[ -f build/$preset/build.ninja ] || cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --target "$@" -- ${BUILD_JOBS:+-j "$BUILD_JOBS"}
echo "built $preset ($*) in $((SECONDS - started)) s"
