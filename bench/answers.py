#!/usr/bin/env python3
"""Fills the real server with many flows and a large graph, and prints how long its answers take.

10,000 flows in one workspace, 2,000 nodes and 10,000 edges in another; every answer is read whole over one
kept connection. Everything printed also goes to build/bench/answers.json.
"""
import argparse
import http.client
import json
import pathlib
import shutil
import sys
import tempfile
import time

from measure import ROOT, Server

DEFAULT = "00000000-0000-4000-8000-000000000001"
GRAPH = "00000000-0000-4000-8000-00000000bbbb"
TARGET_MS = 50
FLOWS, ENTRY_SERVICES = 10_000, 100
SERVICES, ENDPOINTS, DATABASES = 400, 1_300, 300  # 2,000 nodes
CALLEES, TABLES = 15, 7  # of each service: 6,000 + 1,300 + 2,800 = 10,100 edges
SERVER, CLIENT = 2, 3
MS = 1_000_000
TRACES_A_REQUEST = 500


def text(key, value):
    return {"key": key, "value": {"stringValue": value}}


class Traces:
    """OTLP/JSON of whole traces, with ids and times that repeat in every run."""

    def __init__(self, start):
        self.start = start
        self.spans = self.traces = 0
        self.by_service = {}

    def span(self, service, name, kind, parent, begin_ms, ms, error=False, **attributes):
        self.spans += 1
        made = {"traceId": f"{self.traces:032x}", "spanId": f"{self.spans:016x}", "name": name, "kind": kind,
                "startTimeUnixNano": str(self.start + self.traces * 3 * MS + int(begin_ms * MS)),
                "endTimeUnixNano": str(self.start + self.traces * 3 * MS + int((begin_ms + ms) * MS)),
                "attributes": [text(key.replace("__", "."), value) for key, value in attributes.items()]}
        if parent:
            made["parentSpanId"] = parent["spanId"]
        if error:
            made["status"] = {"code": 2}
        self.by_service.setdefault(service, []).append(made)
        return made

    def take(self):
        request = {"resourceSpans": [
            {"resource": {"attributes": [text("service.name", service)]}, "scopeSpans": [{"spans": spans}]}
            for service, spans in self.by_service.items()]}
        self.by_service = {}
        return json.dumps(request, separators=(",", ":")).encode()


def flow_trace(out, number):
    """Flow `number`: an endpoint of its own, a second service and its database."""
    out.traces += 1
    entry, other = f"entry-{number % ENTRY_SERVICES}", f"worker-{number % 37}"
    route, ms = f"/area{number // ENTRY_SERVICES}/items/:id", 20 + number * 7 % 800
    failed = (number + out.traces) % 13 == 0
    root = out.span(entry, "GET", SERVER, None, 0, ms, failed, http__request__method="GET", http__route=route)
    call = out.span(entry, "POST", CLIENT, root, 1, ms - 2, http__request__method="POST", server__address=other)
    work = out.span(other, "POST", SERVER, call, 2, ms - 4, http__request__method="POST",
                    http__route=f"/work/{number % 11}")
    out.span(other, "SELECT", CLIENT, work, 3, ms / 4, db__system__name="postgresql", db__namespace="work",
             db__operation__name="SELECT")


def graph_trace(out, number):
    """Call `number`: one pair of services, one endpoint, one database."""
    out.traces += 1
    caller, turn = number % SERVICES, number // SERVICES
    callee = (caller + 1 + turn) % SERVICES
    endpoints = ENDPOINTS // SERVICES + (callee < ENDPOINTS % SERVICES)
    table = turn % TABLES
    root = out.span(f"service-{caller}", "run", SERVER, None, 0, 30)
    call = out.span(f"service-{caller}", "GET", CLIENT, root, 1, 28, http__request__method="GET",
                    server__address=f"service-{callee}")
    work = out.span(f"service-{callee}", "GET", SERVER, call, 2, 26, number % 17 == 0, http__request__method="GET",
                    http__route=f"/endpoint{turn % endpoints}/:id")
    out.span(f"service-{callee}", "query", CLIENT, work, 3, 5, db__system__name="postgresql",
             db__namespace=f"database-{(callee * TABLES + table) % DATABASES}",
             db__operation__name="INSERT" if table % 2 else "SELECT")


class Rest:
    def __init__(self, server, workspace):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=120)
        self.workspace = workspace

    def send(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        response = self.connection.getresponse()
        content = response.read()
        if response.status not in (200, 201):
            raise SystemExit(f"{method} {path}: {response.status} {content[:300]!r}")
        return content

    def ask(self, below, method="GET", body=None):
        return self.send(method, f"/api/v1/workspaces/{self.workspace}{below}", body)

    def json(self, below):
        return json.loads(self.ask(below))

    def post(self, body):
        self.send("POST", "/v1/traces", body, {"X-Workspace-ID": self.workspace})


def fill(rest, make, count, rounds):
    out = Traces(time.time_ns() - 3_600_000 * MS)
    for _ in range(rounds):
        for number in range(count):
            make(out, number)
            if number % TRACES_A_REQUEST == TRACES_A_REQUEST - 1 or number == count - 1:
                rest.post(out.take())
    return out.spans


def wait_for(what, enough, seconds=300):
    deadline = time.monotonic() + seconds
    while not enough():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come about within {seconds} s")
        time.sleep(0.5)


def timed(rest, label, below, count):
    size, took = 0, []
    for _ in range(count + 2):
        begun = time.perf_counter()
        size = len(rest.ask(below))
        took.append((time.perf_counter() - begun) * 1e3)
    took = sorted(took[2:])  # the first two warm up
    p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
    print(f"{label:52} {size:>10,} {p50:>9.1f} {p95:>9.1f}  {'' if p50 <= TARGET_MS else 'over the target'}", flush=True)
    return {"label": label, "bytes": size, "p50_ms": p50, "p95_ms": p95}


def measure_flows(server, count):
    rest = Rest(server, DEFAULT)
    spans = fill(rest, flow_trace, FLOWS, rounds=3)
    wait_for(f"{FLOWS} flows", lambda: rest.json("/telemetry/flows?limit=1")["total"] == FLOWS)
    print(f"\n{FLOWS:,} flows ({spans:,} spans), server memory {server.memory_mb('VmRSS'):.0f} MB")
    flows = "/telemetry/flows"
    return [timed(rest, label, below, count) for label, below in [
        ("flows", flows),
        ("flows, 1000 a page", flows + "?limit=1000"),
        ("flows by p95", flows + "?sort=p95_duration_ms"),
        ("flows of a service", flows + "?service=worker-5"),
        ("flows whose name contains a text", flows + "?q=ITEMS"),
        ("coverage", "/telemetry/coverage"),
        ("coverage, 1000 a page", "/telemetry/coverage?limit=1000"),
    ]]


def measure_graph(server, count):
    rest = Rest(server, GRAPH)
    rest.send("POST", "/api/v1/workspaces", json.dumps({"id": GRAPH, "name": "graph"}))
    fill(rest, graph_trace, SERVICES * CALLEES, rounds=2)
    nodes, edges = SERVICES + ENDPOINTS + DATABASES, SERVICES * (CALLEES + TABLES) + ENDPOINTS

    def complete():
        # Counts of a trace come with the trace: two of each call.
        graph = rest.json("/graph")
        return (len(graph["nodes"]), len(graph["edges"])) == (nodes, edges) and \
            sum(edge["call_count"] for edge in graph["edges"] if edge["type"] == "calls") == 2 * SERVICES * CALLEES
    wait_for(f"a graph of {nodes} nodes and {edges} edges", complete)
    print(f"\n{nodes:,} nodes, {edges:,} edges, server memory {server.memory_mb('VmRSS'):.0f} MB")
    node = rest.json("/graph?service=service-7")["nodes"][0]["id"]
    results = [timed(rest, label, below, count) for label, below in [
        ("graph", "/graph"),
        ("graph around a service", "/graph?service=service-7"),
        ("one node", f"/graph/nodes/{node}"),
        ("graph as DOT", "/graph?format=dot"),
        ("graph as Mermaid", "/graph?format=mermaid"),
    ]]
    layer = {"nodes": [{"type": "service", "name": f"service-{i}", "properties": {"owner": f"team {i % 9}", "replicas": 3}}
                       for i in range(SERVICES)],
             "edges": [{"source": {"type": "service", "name": f"service-{i}"}, "type": "depends_on",
                        "target": {"type": "service", "name": f"service-{(i + turn) % SERVICES}"}}
                       for i in range(SERVICES) for turn in (1, 2, 3)]}
    rest.ask("/graph/layers/infra", "PUT", json.dumps(layer))
    results.append(timed(rest, f"graph with a layer of {SERVICES} nodes, {3 * SERVICES} edges", "/graph", count))
    results.append(timed(rest, "declared, never seen", "/graph?declared=true&seen=false", count))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "build/release/testmesh"))
    parser.add_argument("--count", type=int, default=50, help="answers that are measured, of each kind")
    parser.add_argument("--folder", help="where the data goes (default: a temporary one); removed at the end")
    arguments = parser.parse_args()
    base = tempfile.mkdtemp(prefix="testmesh-bench-", dir=arguments.folder)
    results = {}
    try:
        server = Server(arguments.binary, pathlib.Path(base) / "data", "--trace-idle-timeout", "2s")
        try:
            results["memory_mb_empty"] = server.memory_mb("VmRSS")
            print(f"server memory {results['memory_mb_empty']:.0f} MB empty; target {TARGET_MS} ms")
            print(f"\n{'answer':52} {'bytes':>10} {'p50 ms':>9} {'p95 ms':>9}")
            for name, step in (("flows", measure_flows), ("graph", measure_graph)):
                results[name] = step(server, arguments.count)
                results[f"memory_mb_after_{name}"] = server.memory_mb("VmRSS")
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    out = ROOT / "build/bench/answers.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nserver memory {results['memory_mb_after_graph']:.0f} MB at the end; all figures: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
