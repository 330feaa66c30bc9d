#!/bin/bash
# Measures the real server (bench/measure.py, bench/answers.py, bench/flow_runs.py)
# after building it and the measuring programs. BENCH_SECONDS (60) is the length of each load,
# BENCH_SPANS (50000000) how many spans the largest store holds.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh release testmesh
tools/build.sh bench testmesh_load testmesh_lookup
python3 bench/measure.py "$@"
python3 bench/answers.py
exec python3 bench/flow_runs.py
