#!/bin/bash
# The known-truth check after building what it needs: TRUTH_SYSTEMS (20) random
# systems of TRUTH_TRACES (50000) traces each, then a few more under kill -9.
# TRUTH_SEED repeats a run.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/build.sh release testmesh testmesh_known_truth
seed=${TRUTH_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
failed=0
bench/known_truth/run.py --seed "$seed" --systems "${TRUTH_SYSTEMS:-20}" --traces "${TRUTH_TRACES:-50000}" || failed=1
bench/known_truth/run.py --seed "$seed" --systems 5 --traces "${TRUTH_TRACES:-50000}" --kill || failed=1
exit $failed
