#!/usr/bin/env python3
"""A few random systems of known truth through the server: flows, partial traces and graph must be that truth.

The whole check, with more systems and more traces, is `make truth` (bench/known_truth/run.py).

known_truth.py [--seed N]
"""

import pathlib
import random
import sys

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/known_truth"))

import run

SYSTEMS, TRACES = 3, 2000


def main() -> int:
    harness.prepare()
    rng = random.Random(harness.seed_from(sys.argv))
    return run.run([rng.randrange(2**32) for _ in range(SYSTEMS)], TRACES, kill=False)


if __name__ == "__main__":
    sys.exit(main())
