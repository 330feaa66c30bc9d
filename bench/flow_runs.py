#!/usr/bin/env python3
"""Many flows at once: what a server that runs them takes, and what a step costs beyond its action.

Starts one server to act on and one that runs the flows, gives the latter N flows of ten HTTP steps each at a
time, and prints steps a second, the processor time of a step and the peak memory of the server that runs them.

    bench/flow_runs.py [--flows 100] [--rounds 3]
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/clients"))

from harness import DEFAULT_WORKSPACE, Server, prepare  # noqa: E402

STEPS = 10


def processor_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=100, help="at a time (100)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    options = parser.parse_args()
    prepare()
    with Server() as target, Server("--run-concurrency", str(options.flows)) as runner:
        steps = "".join(
            f"    - {{id: s{i}, action: http_request, config: {{url: '{target.url}/healthz'}}, assert: [status == 200]}}\n"
            for i in range(STEPS)
        )
        flow = f"flow:\n  name: Ten steps\n  steps:\n{steps}"
        executions = f"{runner.url}/api/v1/workspaces/{DEFAULT_WORKSPACE}/executions"

        def call(url: str, body: dict | None = None) -> dict:
            request = urllib.request.Request(url, json.dumps(body).encode() if body else None)
            request.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

        rates, costs, waits = [], [], []
        for _ in range(options.rounds):
            before, started = processor_seconds(runner.process.pid), time.monotonic()
            ids = [call(executions, {"flow": flow})["id"] for _ in range(options.flows)]
            ended: dict[str, dict] = {}
            while len(ended) < len(ids):
                time.sleep(0.02)
                for one in call(f"{executions}?limit={options.flows}")["executions"]:
                    if one["status"] not in ("pending", "running"):
                        ended[one["id"]] = one
            seconds = time.monotonic() - started
            if {one["status"] for one in ended.values()} != {"passed"}:
                sys.exit(f"not all passed: {[one for one in ended.values() if one['status'] != 'passed'][:1]}")
            rates.append(options.flows * STEPS / seconds)
            costs.append((processor_seconds(runner.process.pid) - before) / (options.flows * STEPS) * 1e6)
            alone = f"{executions}/{call(executions, {'flow': flow})['id']}"
            while call(alone)["status"] in ("pending", "running"):
                time.sleep(0.02)
            steps_done = call(f"{alone}/steps")["steps"]
            first, last = (datetime.datetime.fromisoformat(steps_done[i]["started_at"][:26] + "+00:00") for i in (0, -1))
            wall_ms = (last - first).total_seconds() * 1000 + steps_done[-1]["duration_ms"]
            waits.append((wall_ms - sum(step["result"]["duration_ms"] for step in steps_done)) / STEPS)
        print(f"{options.flows} flows of {STEPS} steps at a time, {options.rounds} rounds (medians)")
        print(f"  steps a second                        {statistics.median(rates):,.0f}")
        print(f"  processor time of the server a step   {statistics.median(costs):,.0f} us")
        print(f"  of a lone flow, a step beyond its call {statistics.median(waits) * 1000:,.0f} us")
        print(f"  peak memory of the server             {peak_mib(runner.process.pid):,.0f} MiB")


if __name__ == "__main__":
    main()
