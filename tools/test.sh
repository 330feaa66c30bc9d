#!/bin/bash
# Builds the release and runs every check once: unit tests, layers, client
# programs, the demo. Goes on after a failure; the last line, alone, is
# "N passed, N failed".
#
# Each program in tests/clients (a .py file with a __main__) is one check: exit
# 0 passed, 77 skipped (it says why), else failed. It may print a line
# "N passed, N failed" of its own, which is then taken instead. It and
# demo/run.sh find the server in $TESTMESH_BINARY.
set -uo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
results=build/test-results
rm -rf $results
mkdir -p $results
export TESTMESH_BINARY="$PWD/build/release/testmesh"
jobs=${BUILD_JOBS:-$(nproc)}

record() { echo "$1 $2 $3 $4" >>$results/counts; }  # name passed failed skipped

if tools/build.sh release all; then
  record layers 1 0 0  # part of the build, which fails with it
else
  record build 0 1 0
fi

if [ -f build/release/CTestTestfile.cmake ]; then
  mkdir -p $results/gtest
  GTEST_OUTPUT="xml:$PWD/$results/gtest/" GTEST_BRIEF=1 \
    ctest --preset release -j "$jobs" --output-junit "$PWD/$results/ctest.xml"
fi

run_script() {  # name limit command…
  local name=$1 limit=$2 log=$results/$1.log began=$SECONDS code counts
  shift 2
  echo "== $name"
  timeout -k 10 "$limit" "$@" 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
  if [ "$code" = 77 ]; then
    record "$name" 0 0 1
  elif [ -n "$counts" ]; then
    read -r passed _ failed _ <<<"$counts"
    [ "$code" != 0 ] && [ "$failed" = 0 ] && failed=1
    record "$name" "$passed" "$failed" 0
  else
    record "$name" $((code == 0)) $((code != 0)) 0
  fi
  echo "== $name: exit $code after $((SECONDS - began)) s"
}

for script in tests/clients/*.py; do
  if [ -f "$script" ] && grep -q '^if __name__ == "__main__"' "$script"; then
    run_script "clients-$(basename "$script" .py)" 600 python3 "$script"
  fi
done
if [ -x demo/run.sh ]; then
  run_script demo 300 demo/run.sh --once
fi

echo "every check took $((SECONDS - started)) s"
tools/count_tests.py $results
