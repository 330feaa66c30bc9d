#!/usr/bin/env python3
"""What the System Graph costs: the same load with `serve --graph on` and `off`, in turns.

Each round starts a server on an empty folder for one, then for the other, and sends both the same spans.
Compared is the median over the rounds of spans a second, and of the server's CPU time per span until all
traces are complete and saved: that alone says little of how busy the machine is with other things.
"""
import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import measure


def one_run(binary, folder, graph, spans, seed):
    server = measure.Server(binary, folder, "--graph", graph)
    try:
        started = server.cpu_seconds()
        result = measure.run_json([measure.LOAD, "--endpoint", server.otlp_url, "--seconds", 600, "--output", "json",
                                   "--spans-per-request", 500, "--connections", 24, "--depth", 1, "--total-spans",
                                   spans, "--seed", seed], 700)
        deadline = time.monotonic() + measure.SETTLE_LIMIT
        while server.metric("testmesh_open_spans") > 0:
            if time.monotonic() > deadline:
                raise SystemExit("the server does not complete its traces")
            time.sleep(0.2)
        saved = server.metric("testmesh_checkpoints_total")
        while server.metric("testmesh_checkpoints_total") < saved + 2 and time.monotonic() < deadline:
            time.sleep(0.2)
            if time.monotonic() > deadline - measure.SETTLE_LIMIT + 15:
                break  # all was saved before
        sent = result["spans_acknowledged"]
        return {"spans_per_second": result["spans_per_second"],
                "cpu_ns_per_span": (server.cpu_seconds() - started) * 1e9 / sent,
                "shards_ns_per_span": sum(used for name, used in server.threads().items()
                                          if name.startswith("shard-")) * 1e9 / sent,
                "memory_mb": server.memory_mb("VmRSS")}
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(measure.ROOT / "build/release/testmesh"))
    parser.add_argument("--load", help="the load generator, if it is not the one in build/bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spans", type=int, default=2_000_000, help="in each run")
    arguments = parser.parse_args()
    if arguments.load:
        measure.LOAD = pathlib.Path(arguments.load)
    base = pathlib.Path(tempfile.mkdtemp(prefix="testmesh-graph-cost-"))
    runs = {"off": [], "on": []}
    print(f"{'round':>5} {'graph':>6} {'spans/s':>12} {'cpu ns':>9} {'shards ns':>10} {'MB':>7}")
    try:
        for number in range(arguments.rounds):
            # Each is first every other time.
            for graph in ("off", "on") if number % 2 == 0 else ("on", "off"):
                run = one_run(arguments.binary, base / f"{number}-{graph}", graph, arguments.spans, number + 1)
                runs[graph].append(run)
                print(f"{number:>5} {graph:>6} {run['spans_per_second']:>12,.0f} {run['cpu_ns_per_span']:>9.0f} "
                      f"{run['shards_ns_per_span']:>10.0f} {run['memory_mb']:>7.0f}", flush=True)
                shutil.rmtree(base / f"{number}-{graph}", ignore_errors=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    for name in ("spans_per_second", "cpu_ns_per_span", "shards_ns_per_span", "memory_mb"):
        off, on = (statistics.median(run[name] for run in runs[graph]) for graph in ("off", "on"))
        print(f"{name:20} off {off:12,.1f}   on {on:12,.1f}   {100 * (on / off - 1):+.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
