#!/usr/bin/env python3
"""Random systems with a known truth through the real server: what it finds must be that truth.

For each system the program known_truth (beside the server's build) plans traces, sends their spans shuffled over
requests and connections, late, doubled and with holes, and writes down what must be found. Here the server is
started, with --kill also killed at random moments, asked over REST, and compared:

  flows           one for each true behaviour, under the hash of its true path, counted exactly
  partial_traces  exactly the traces that lost spans made unrecognisable
  graph           every node and edge, its calls and its errors, exactly

run.py [--seed N] [--systems N] [--traces N] [--kill] [--system SEED]…

The last line is "N passed, N failed", a system each; the exit status is 1 when one failed.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/clients"))

import harness  # noqa: E402
from harness import expect, expect_equal  # noqa: E402

PROGRAM = pathlib.Path(
    os.environ.get("TESTMESH_KNOWN_TRUTH", harness.ROOT / "build/release/known_truth/testmesh_known_truth")
)
IDLE = "1s"
PATIENCE = 1800  # seconds for one system
LIVES = (0.3, 6)  # seconds from being ready until it is killed; checkpoints are 5 apart
MOST_KILLS = 8  # in one system
PROBLEMS_SHOWN = 3


# ---- one system against one server --------------------------------------------------------------


def announce(server: harness.Server, endpoint: pathlib.Path) -> None:
    """Tells the sender where the server is now."""
    written = endpoint.with_suffix(".new")
    written.write_text(server.url)
    written.replace(endpoint)


def metric(server: harness.Server, name: str) -> float:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise harness.Failure(f"/metrics has no {name}")


def wait_until_complete(server: harness.Server) -> None:
    def complete():
        expect_equal("queued bytes", metric(server, "testmesh_queued_bytes"), 0)
        expect_equal("open traces", metric(server, "testmesh_open_traces"), 0)

    harness.eventually("every trace is complete", complete, 120, 0.1)


def create_workspace(server: harness.Server, workspace: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        "POST",
        "/api/v1/workspaces",
        json.dumps({"id": workspace, "name": "known truth"}),
        {"Content-Type": "application/json"},
    )
    expect_equal("POST /workspaces", connection.getresponse().status, 201)
    connection.close()


class System:
    def __init__(self, server: harness.Server, seed: int, traces: int, kill: bool):
        self.server, self.seed, self.traces, self.kill = server, seed, traces, kill
        # The same system in two runs on one server must not meet itself.
        self.workspace = str(uuid.UUID(int=random.Random(f"{seed} {time.time()}").getrandbits(128), version=4))
        self.kills = 0

    def command(self, *more: str) -> list[str]:
        return [str(PROGRAM), "--seed", str(self.seed), "--traces", str(self.traces), *more]

    def run(self) -> None:
        create_workspace(self.server, self.workspace)
        expectation = self.server.folder / f"expected-{self.seed}.json"
        endpoint = self.server.folder / "endpoint"
        announce(self.server, endpoint)
        started = time.monotonic()
        flags = ["--endpoint-file", str(endpoint), "--workspace", self.workspace, "--expect", str(expectation)]
        sender = subprocess.Popen([*harness.DIE_WITH_PARENT, *self.command(*flags)], stdin=subprocess.DEVNULL)
        try:
            status = self.wait_for(sender, endpoint)
        finally:
            sender.kill()
        expect_equal("exit status of known_truth", status, 0)
        wait_until_complete(self.server)
        self.seconds = time.monotonic() - started
        self.expected = json.loads(expectation.read_text())
        self.api = harness.Api(self.server.port, self.workspace)

    def wait_for(self, sender: subprocess.Popen, endpoint: pathlib.Path) -> int:
        """Its exit status; until then the server is killed at random moments, if it is to be."""
        rng = random.Random(self.seed)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            may_kill = self.kill and self.kills < MOST_KILLS
            try:
                return sender.wait(rng.uniform(*LIVES) if may_kill else PATIENCE)
            except subprocess.TimeoutExpired:
                if may_kill:
                    self.server.kill()
                    self.kills += 1
                    self.server.start()
                    announce(self.server, endpoint)
        raise harness.Failure(f"known_truth has not ended after {PATIENCE} s")

    # ---- comparing ----

    def compare(self) -> list[str]:
        """What is wrong, a sentence each, with its smallest example."""
        problems = list(self.expected["problems"])
        return problems + self.compare_flows() + self.compare_samples() + self.compare_graph()

    def compare_flows(self) -> list[str]:
        listed = self.api.flows()
        found = {flow_key(flow, flow["fingerprint"]): flow for flow in listed}
        wanted = {flow_key(flow, fingerprint(flow["path"])): flow for flow in self.expected["flows"]}
        self.flows_found, self.extra, self.missing, self.wrong = len(listed), 0, 0, 0
        self.partial_found = self.api.get("/telemetry/flows", limit=1)["partial_traces"]
        problems = []
        for key in wanted.keys() - found.keys():
            self.missing += 1
            flow = wanted[key]
            problems.append(
                f"no flow for the {flow['count']} traces of {describe(flow)}\n{self.explain(flow['example'])}"
            )
        for key in found.keys() - wanted.keys():
            self.extra += 1
            flow = found[key]
            problems.append(
                f"a flow that no behaviour has, {flow['occurrence_count']} traces: {flow['environment']!r} "
                f"{flow['name']}, path {path_of(flow)}\n{self.explain(self.example_of(flow))}"
            )
        for key in found.keys() & wanted.keys():
            problems += self.compare_flow(found[key], wanted[key])
        if self.partial_found != self.expected["partial_traces"]:
            problems.append(
                f"partial_traces: expected {self.expected['partial_traces']}, found {self.partial_found}"
            )
        return problems

    def compare_flow(self, found: dict, wanted: dict) -> list[str]:
        wrong = []
        errors = round(found["error_rate"] * found["occurrence_count"])
        for what, is_there, should_be in (
            ("occurrence_count", found["occurrence_count"], wanted["count"]),
            ("test_count", found["test_count"], wanted["tests"]),
            ("traces with an error", errors, wanted["errors"]),
            ("path", path_of(found), wanted["path"]),
        ):
            if is_there != should_be:
                wrong.append(f"{what} of {describe(wanted)}: expected {should_be}, found {is_there}")
        self.wrong += bool(wrong)
        if wrong:
            wrong[-1] += "\n" + self.explain_difference(found, wanted)
        return wrong

    def compare_samples(self) -> list[str]:
        """Single traces: all that arrived of each is stored, under its path."""
        wrong = []
        for sample in self.expected["samples"]:
            trace = self.api.get(f"/telemetry/traces/{sample['trace_id']}", missing_ok=True)
            found = None if trace is None else (len(trace["spans"]), trace_path(trace))
            if found != (sample["spans"], sample["path"]):
                wrong.append(f"a trace: found {found}\n{self.explain(sample['trace_id'])}")
        return wrong

    def compare_graph(self) -> list[str]:
        graph = self.api.get("/graph")
        names = {node["id"]: node_key(node) for node in graph["nodes"]}
        found_nodes = {node_key(node): counts(node) for node in graph["nodes"]}
        found_edges = {
            (names[edge["source"]], edge["type"], names[edge["target"]]): counts(edge) for edge in graph["edges"]
        }
        wanted = self.expected["graph"]
        wanted_nodes = {tuple(node["key"]): counts(node) for node in wanted["nodes"]}
        wanted_edges = {
            (tuple(edge["source"]), edge["type"], tuple(edge["target"])): counts(edge) for edge in wanted["edges"]
        }
        self.graph_nodes, self.graph_edges = len(wanted_nodes), len(wanted_edges)
        problems = []
        if len(found_nodes) != len(graph["nodes"]) or len(found_edges) != len(graph["edges"]):
            problems.append("the graph has two nodes or edges of one key")
        for what, found, expected in (
            ("graph node", found_nodes, wanted_nodes),
            ("graph edge", found_edges, wanted_edges),
        ):
            for key in sorted(found.keys() | expected.keys(), key=str):
                if found.get(key) != expected.get(key):
                    problems.append(
                        f"{what} {show_key(key)}: expected (calls, errors) {expected.get(key)}, "
                        f"found {found.get(key)}"
                    )
        self.graph_wrong = len(problems)
        return problems

    # ---- explaining ----

    def explain_difference(self, found: dict, wanted: dict) -> str:
        """A trace that counts in one of the two only."""
        if not hasattr(self, "assigned"):
            file = self.server.folder / f"assigned-{self.seed}.tsv"
            subprocess.run(self.command("--assign", str(file)), check=True)
            self.assigned = [line.split("\t") for line in file.read_text().splitlines()]
        key = [wanted[part] for part in ("environment", "entry_service", "entry_operation", "path")]
        should = {line[0] for line in self.assigned if line[2:] == key and line[1] != "test"}
        traces = self.api.every(f"/telemetry/flows/{found['id']}/traces", "traces")
        does = {trace["trace_id"] for trace in traces if not trace["is_test_generated"]}
        for only, text in ((should - does, "counts in it and is not there"), (does - should, "is not of it")):
            if only:
                return f"  {len(only)} of its traces: each {text}, as this one\n{self.explain(min(only))}"
        return "  (its traces are the right ones)"

    def example_of(self, flow: dict) -> str | None:
        """The trace of the flow with the fewest spans."""
        traces = self.api.get(f"/telemetry/flows/{flow['id']}/traces", limit=200)["traces"]
        return min(traces, key=lambda t: t["span_count"])["trace_id"] if traces else None

    def explain(self, trace_id: str | None) -> str:
        if trace_id is None:
            return "  (its traces are not listed)"
        told = subprocess.run(
            self.command("--explain", trace_id), capture_output=True, text=True, check=False
        ).stdout
        trace = self.api.get(f"/telemetry/traces/{trace_id}", missing_ok=True)
        got = "the server does not have it"
        if trace is not None:
            got = f"{len(trace['spans'])} spans, path {trace_path(trace)}"
        return f"  {told.rstrip()}\n  found: {got}".replace("\n", "\n  ")


def fingerprint(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def flow_key(flow: dict, hashed: str) -> tuple:
    return flow["environment"] or "", flow["entry_service"], flow["entry_operation"], hashed


def trace_path(trace: dict) -> str:
    return harness.path_string([(node["type"], node["identifier"]) for node in trace["path"]])


def path_of(flow: dict) -> str:
    return harness.path_string(harness.graph_path(flow))


def describe(flow: dict) -> str:
    return f"{flow['environment']!r} {flow['entry_service']} -> {flow['entry_operation']}, path {flow['path']}"


def node_key(node: dict) -> tuple:
    system = node["properties"].get("system") if node["type"] == "database" else None
    return node["type"], node["name"], node["service"] or "", system or ""


def show_key(key: tuple) -> str:
    if len(key) == 3:
        return f"{show_key(key[0])} -{key[1]}-> {show_key(key[2])}"
    return ":".join(str(part) for part in key if part)


def counts(thing: dict) -> tuple:
    return thing["call_count"], thing["error_count"]


# ---- all systems --------------------------------------------------------------------------------

COLUMNS = (
    "seed services behaviours traces tests spans late twice lost damaged flows true extra missing wrong partial "
    "nodes edges graph-wrong kills resent seconds verdict"
).split()


def row(system: System, verdict: str) -> list:
    e = system.expected
    return [
        system.seed,
        e["services"],
        e["behaviours"],
        e["traces"],
        e["tests"],
        e["spans"],
        e["late"],
        e["duplicates"],
        e["lost"],
        e["damaged"],
        system.flows_found,
        e["true_flows"],
        system.extra,
        system.missing,
        system.wrong,
        system.partial_found,
        system.graph_nodes,
        system.graph_edges,
        system.graph_wrong,
        system.kills,
        e["resent_requests"],
        f"{system.seconds:.1f}",
        verdict,
    ]


def print_row(cells: list) -> None:
    print(" ".join(f"{cell!s:>{max(len(name), 8)}}" for name, cell in zip(COLUMNS, cells)), flush=True)


def check(system: System) -> bool:
    try:
        system.run()
        problems = system.compare()
    except harness.Failure as failure:
        print(f"FAIL system {system.seed}: {failure}", flush=True)
        return False
    print_row(row(system, "FAIL" if problems else "ok"))
    for problem in problems[:PROBLEMS_SHOWN]:
        print("    " + problem.replace("\n", "\n    "))
    if problems:
        if len(problems) > PROBLEMS_SHOWN:
            print(f"    … and {len(problems) - PROBLEMS_SHOWN} more")
        print(f"    repeat: {pathlib.Path(sys.argv[0]).name} --system {system.seed} --traces {system.traces}")
    return not problems


def run(seeds: list[int], traces: int, kill: bool) -> int:
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"{PROGRAM} is missing: build it, or name another in TESTMESH_KNOWN_TRUTH")
    failed, totals = 0, {}
    with harness.Server("--trace-idle-timeout", IDLE) as server:
        print_row(COLUMNS)
        for seed in seeds:
            system = System(server, seed, traces, kill)
            if not check(system):
                failed += 1
                server.keep = True
            for name in ("traces", "spans", "damaged", "late", "duplicates", "lost", "partial_traces"):
                totals[name] = totals.get(name, 0) + getattr(system, "expected", {}).get(name, 0)
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in totals.items()))
    print(f"{len(seeds) - failed} passed, {failed} failed", flush=True)
    return failed != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="of the systems' seeds; printed, random when not given")
    parser.add_argument("--systems", type=int, default=20)
    parser.add_argument("--traces", type=int, default=50_000, help="of each system")
    parser.add_argument("--kill", action="store_true", help="kill -9 the server at random moments")
    parser.add_argument("--system", type=int, action="append", help="this system only, by its own seed")
    options = parser.parse_args()
    harness.prepare()
    if options.system:
        return run(options.system, options.traces, options.kill)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed} (repeat with --seed {seed})", flush=True)
    rng = random.Random(seed)
    return run([rng.randrange(2**32) for _ in range(options.systems)], options.traces, options.kill)


if __name__ == "__main__":
    sys.exit(main())
