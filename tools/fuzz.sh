#!/bin/bash
# fuzz.sh FOLDER SECONDS: runs every fuzzer of the folder for that long, from
# the corpus that fuzz/corpus/<name> (with or without _fuzz) holds and the one
# earlier runs grew.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
seconds=$2
found=0
failed=0
for fuzzer in "$folder"/*_fuzz; do
  [ -x "$fuzzer" ] || continue
  found=$((found + 1))
  name=$(basename "$fuzzer")
  grown=build/fuzz/corpus/$name
  mkdir -p "$grown" build/fuzz/crashes
  seeds=()
  for corpus in "fuzz/corpus/$name" "fuzz/corpus/${name%_fuzz}"; do
    [ -d "$corpus" ] && seeds+=("$corpus")
  done
  echo "== $name for $seconds s"
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
       -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" "$grown" "${seeds[@]}" \
       >"build/fuzz/$name.log" 2>&1; then
    failed=$((failed + 1))
    tail -n 40 "build/fuzz/$name.log"
  else
    grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "build/fuzz/$name.log"
  fi
done
if [ $found = 0 ]; then
  echo "no fuzzer was built in $folder" >&2
  exit 1
fi
echo "$((found - failed)) fuzzers clean, $failed failed"
[ $failed = 0 ]
