#!/usr/bin/env python3
"""Random traces through `testmesh analyze` and through a server: their flows must be those of a second, plain
reading of the rules (tests/discovery/reference.py).

discovery_reference.py [--seed N]
"""

import os
import pathlib
import sys

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "discovery"))
os.environ.setdefault("TESTMESH_BINARY", str(harness.BINARY))

import compare
import serving

ANALYZED, SERVED, TRACES = 60, 10, 25


def main() -> int:
    harness.prepare()
    seed = harness.seed_from(sys.argv)
    failed = compare.compare(seed, ANALYZED, TRACES, 3)
    with harness.Server("--trace-idle-timeout", "300ms") as server:
        asker = serving.Asker(server.port, seed)
        failed += compare.compare(f"served/{seed}", SERVED, TRACES, 1, asker, at_once=1)
    print(f"{ANALYZED + SERVED - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
