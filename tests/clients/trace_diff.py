#!/usr/bin/env python3
"""Traces of a small shop against each other and against their flow, over REST and on the command line.

Orders mostly go well. One is odd: it reads its items one by one, leaves a check out, sends a mail in between and the
bank fails. That is what the difference must say, from both sides, no more and no less.

trace_diff.py [--seed N]
"""

import http.client
import json
import random
import subprocess
import sys
import time

import harness
from harness import eventually, expect, expect_equal

MS = 1_000_000
SERVER, INTERNAL, CLIENT = 2, 1, 3
NORMAL = 20
MANY = 20_000
REFUSED = {
    "no `with`": ("", 400),
    "an empty `with`": ("?with=", 400),
    "a `with` that is no id": ("?with=order-1", 400),
    "an unknown trace": ("?with=" + "e" * 32, 404),
    "an unknown flow": ("?with=11111111-1111-4111-8111-111111111111", 404),
}


class Trace:
    """Spans one after the other: each call starts when the one before it has ended."""

    def __init__(self, rng: random.Random, start: int):
        self.rng = rng
        self.id = rng.randbytes(16).hex()
        self.now = start
        self.spans: list[dict] = []

    def call(self, service: str, name: str, work_ms: float, calls=(), kind: int = INTERNAL, parent: str = "", **more):
        span_id = self.rng.randbytes(8).hex()
        span = {
            "service": service,
            "traceId": self.id,
            "spanId": span_id,
            "parentSpanId": parent,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(self.now),
            "attributes": [
                {"key": key.replace("_", "."), "value": {"stringValue": value}}
                for key, value in more.items()
                if key != "error"
            ],
        }
        if more.get("error"):
            span["status"] = {"code": 2}
        self.spans.append(span)
        self.now += int(work_ms * MS) + 1  # not on a whole millisecond
        for below in calls:
            self.call(**below, parent=span_id)
        span["endTimeUnixNano"] = str(self.now)

    def request(self) -> bytes:
        of_service: dict[str, list] = {}
        for span in self.spans:
            of_service.setdefault(span["service"], []).append({k: v for k, v in span.items() if k != "service"})
        return json.dumps(
            {
                "resourceSpans": [
                    {
                        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                        "scopeSpans": [{"scope": {"name": "client-tests"}, "spans": spans}],
                    }
                    for service, spans in of_service.items()
                ]
            }
        ).encode()


def endpoint(service: str, method: str, route: str, work_ms: float, *calls, error: bool = False) -> dict:
    return {
        "service": service,
        "name": f"{method} {route}",
        "work_ms": work_ms,
        "calls": calls,
        "kind": SERVER,
        "http_request_method": method,
        "http_route": route,
        "error": error,
    }


def select(work_ms: float) -> dict:
    return {"service": "stock", "name": "SELECT items", "work_ms": work_ms, "kind": CLIENT, "db_system": "postgresql",
            "db_name": "stock"}  # fmt: skip


def normal_order(rng: random.Random, start: int) -> Trace:
    trace = Trace(rng, start)
    trace.call(
        **endpoint(
            "shop", "POST", "/orders", 5 + rng.random(),
            endpoint("users", "GET", "/users/{id}", 3 + rng.random()),
            endpoint("stock", "GET", "/items", 2, select(4 + rng.random())),
            endpoint("bank", "POST", "/payments", 20 + rng.random()),
        )
    )  # fmt: skip
    return trace


def odd_order(rng: random.Random, start: int) -> Trace:
    trace = Trace(rng, start)
    trace.call(
        **endpoint(
            "shop", "POST", "/orders", 5,
            endpoint("stock", "GET", "/items", 2, *[select(4)] * 25),
            endpoint("mail", "POST", "/mails", 8),
            endpoint("bank", "POST", "/payments", 20, error=True),
        )
    )  # fmt: skip
    return trace


def send(server: harness.Server, trace: Trace) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.otlp_port, timeout=60)
    status = harness.post_traces(connection, trace.request(), "application/json", "/v1/traces")
    connection.close()
    expect_equal("the answer to the spans", status, 200)


def changes(diff: dict) -> list[tuple]:
    return [
        (span["change"], span["service"], span["operation"], tuple(span["differs_in"]))
        for span in diff["spans"]
        if span["change"] != "same"
    ]


def command(server: harness.Server, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [harness.BINARY, "traces", "diff", *arguments, "--server", server.url],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def main() -> int:
    harness.prepare()
    rng = random.Random(harness.seed_from(sys.argv))
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", "300ms") as server:
        api = harness.Api(server.port)
        start = time.time_ns() - 60_000 * MS
        usual = [normal_order(rng, start + i * 500 * MS) for i in range(NORMAL)]
        odd = odd_order(rng, start + NORMAL * 500 * MS)
        for trace in [*usual, odd]:
            send(server, trace)
        left, right = usual[0].id, odd.id

        def diff(one: str, other: str) -> dict:
            return api.get(f"/telemetry/traces/{one}/diff", **{"with": other})

        def complete() -> None:
            for trace in (left, right):
                expect(api.get(f"/telemetry/traces/{trace}")["complete"], f"{trace} is still open")
            expect_equal("flows", len(api.flows()), 2)

        eventually("the traces are complete", complete, 30)

        def odd_against_usual() -> None:
            found = diff(left, right)
            expect_equal(
                "what differs",
                changes(found),
                [
                    ("removed", "users", "GET /users/:id", ()),
                    ("changed", "stock", "SELECT items", ("count",)),
                    ("added", "mail", "POST /mails", ()),
                    ("changed", "bank", "POST /payments", ("status",)),
                ],
            )
            items = next(span for span in found["spans"] if span["operation"] == "SELECT items")
            expect_equal("reads of the items", (items["left"]["count"], items["right"]["count"]), (1, 25))
            expect_equal("same_path", found["same_path"], False)
            total = found["right"]["duration_ms"] - found["left"]["duration_ms"]
            expect(abs(found["duration_delta_ms"] - total) < 1e-6, "duration_delta_ms is not the difference")
            for what, parts in (
                ("contributions", [part["delta_ms"] for part in found["contributions"]]),
                ("critical_delta_ms", [span["critical_delta_ms"] for span in found["spans"]]),
            ):
                expect(abs(sum(parts) - total) < 1e-6, f"{what} sum to {sum(parts)}, not to {total}")
            expect_equal("the first contribution", found["contributions"][0]["operation"], "SELECT items")
            for side in ("left", "right"):
                at = 0.0
                for segment in found["critical_path"][side]:
                    expect(abs(segment["start_ms"] - at) < 1e-6, f"the {side} critical path has a gap at {at} ms")
                    at = segment["start_ms"] + segment["duration_ms"]
                expect(abs(at - found[side]["duration_ms"]) < 1e-6, f"the {side} critical path ends at {at} ms")

        tally.run("an odd order differs from a usual one in what is odd", odd_against_usual)

        def mirrored() -> None:
            swap = {"added": "removed", "removed": "added"}
            here = sorted(changes(diff(left, right)))
            there = sorted((swap.get(change, change), *rest) for change, *rest in changes(diff(right, left)))
            expect_equal("the other way round", there, here)

        tally.run("the other way round it is the mirror", mirrored)

        def the_same() -> None:
            for one, other in ((left, left), (right, right.upper()), (left, usual[-1].id)):
                found = diff(one, other)
                expect_equal("what differs", changes(found), [])
                expect_equal("same_path", found["same_path"], True)
            expect_equal("contributions", diff(left, left)["contributions"], [])

        tally.run("a trace and itself, and two usual ones, are the same", the_same)

        def against_flow() -> None:
            flow = next(f for f in api.flows() if f["occurrence_count"] == NORMAL)
            found = diff(right, flow["id"])
            expect_equal("kind", found["kind"], "flow")
            nodes = {
                node["identifier"]: (node["change"], node["trace"] and node["trace"]["calls"], node["differs_in"])
                for node in found["nodes"]
            }
            expect_equal("GET /users/:id", nodes["GET /users/:id"], ("missing", None, []))
            expect_equal("POST /mails", nodes["POST /mails"], ("unexpected", 1, []))
            expect_equal("POST /payments", nodes["POST /payments"], ("changed", 1, ["failed"]))
            expect_equal("the items", nodes["stock"], ("changed", 25, ["more_calls"]))
            expect("slower" in nodes["GET /items"][2], f"GET /items is not slower: {nodes['GET /items']}")
            expect_equal("slower", found["slower"], True)
            # Its own slowest trace may be beyond the p95, and nothing else.
            for trace in usual:
                found = diff(trace.id, flow["id"])
                expect_equal("same_path", found["same_path"], True)
                for node in found["nodes"]:
                    expect_equal("calls", node["trace"]["calls"], 1)
                    expect(set(node["differs_in"]) <= {"slower", "self_slower"}, f"of its own flow: {node}")

        tally.run("an odd order differs from the usual flow in what is odd", against_flow)

        def refused() -> None:
            for what, (query, status) in REFUSED.items():
                path = f"{api.prefix}/telemetry/traces/{left}/diff{query}"
                expect_equal(what, server.status(server.port, "GET", path), status)

        tally.run("what is missing or malformed is refused", refused)

        def on_the_command_line() -> None:
            same = command(server, left, left)
            expect_equal("exit code of the same", (same.returncode, same.stderr), (0, ""))
            other = command(server, left, right)
            expect_equal("exit code of another", (other.returncode, other.stderr), (1, ""))
            for line in ("-   users  GET /users/:id", "~     stock  SELECT items  ×1 → ×25", "+   mail  POST /mails"):
                expect(line in other.stdout, f"{line!r} is not in\n{other.stdout}")
            expect("\x1b" not in other.stdout, "colour without a terminal")
            as_json = command(server, left, right, "--output", "json")
            expect_equal("--output json", json.loads(as_json.stdout), diff(left, right))
            flow = next(f for f in api.flows() if f["occurrence_count"] == NORMAL)
            of_flow = command(server, right, flow["id"])
            expect_equal("exit code against the flow", (of_flow.returncode, of_flow.stderr), (1, ""))
            for line in ("not in this trace", "not in the flow", "25 calls, never more than 1", "failed, usually 0 % do"):
                expect(line in of_flow.stdout, f"{line!r} is not in\n{of_flow.stdout}")
            expect_equal("exit code of an unknown trace", command(server, left, "e" * 32).returncode, 2)

        tally.run("the command line says so too", on_the_command_line)

        def many_spans() -> None:
            big = Trace(rng, start)
            pages = [endpoint("shop", "GET", f"/page{i}", 0.001) for i in range(500)]
            calls = [select(0.001) if i % 2 else pages[i % 500] for i in range(MANY)]
            big.call(**endpoint("shop", "GET", "/everything", 1, *calls))
            deep = Trace(rng, start)
            parent = ""
            for _ in range(MANY):
                deep.call("shop", "step", 0.001, parent=parent)
                parent = deep.spans[-1]["spanId"]
            for trace in (big, deep):
                send(server, trace)
                expect_equal("what differs", changes(diff(trace.id, trace.id)), [])
            rows = diff(big.id, deep.id)["spans"]
            for side, spans in (("left", MANY + 1), ("right", MANY)):
                expect_equal(f"{side} spans", sum(row[side]["count"] for row in rows if row[side]), spans)

        tally.run("wide and deep traces are compared", many_spans)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
