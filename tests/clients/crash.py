#!/usr/bin/env python3
"""Nothing acknowledged is lost and nothing is counted twice, whenever the server dies.

A random system of services is traced over raw OTLP by several connections. The server is killed with
SIGKILL at random moments and started again on the same data; what it had not acknowledged is sent again.
Some parts of traces come rounds late, some batches come twice, some spans never come. An oracle that knows
every trace tells at the end what each trace must hold, what each flow must count, and what each node and edge
of the System Graph.

crash.py [--seed N] [--rounds N] [--traces N]: rounds of load ended by a kill, traces in each.
"""

import argparse
import collections
import datetime
import http.client
import queue
import random
import sys
import threading
import time

import harness
from harness import expect, expect_equal

harness.use_demo_python()

import telemetry
from telemetry import CLIENT, INTERNAL, MS, PRODUCER, SERVER, Span

CONNECTIONS = 4
IDLE = "1s"


# ---- the system that is traced ------------------------------------------------------------------


class Call:
    """A call of an endpoint: what happens inside, group after group; the steps of a group run at once.

    Every name occurs once in a system: of the rules about repetition only that for equal siblings applies.
    """

    def __init__(self, service: str, method: str, route: str):
        self.service = service
        self.method = method
        self.route = route
        self.groups: list[list] = []

    @property
    def operation(self) -> str:
        return f"{self.method} {self.route}"

    def nodes(self) -> list[tuple[str, str, str]]:
        own = [("api_endpoint", self.operation, self.service)]
        for group in self.groups:
            own += in_canonical_order(step.nodes() for step in group)
        return own


def in_canonical_order(subtrees) -> list[tuple[str, str, str]]:
    """Of steps that run at once the order is chance: by path string instead, as bytes, then by services."""
    ordered = sorted(
        subtrees, key=lambda nodes: (harness.path_string(nodes).encode(), [node[2] for node in nodes])
    )
    return [node for nodes in ordered for node in nodes]


class Query:
    def __init__(self, service: str, database: str):
        self.service = service
        self.database = database

    def nodes(self):
        return [("database", self.database, self.service)]


class Publish:
    def __init__(self, service: str, topic: str):
        self.service = service
        self.topic = topic

    def nodes(self):
        return [("topic", self.topic, self.service)]


class Variant:
    """One thing that an entry does: a tree, and the flow of its traces. `may_fail`: spans may have errors."""

    def __init__(self, environment: str, entry: Call, may_fail: bool):
        self.environment = environment
        self.entry = entry
        self.may_fail = may_fail
        self.expected = telemetry.ExpectedFlow(environment, entry.service, entry.operation, entry.nodes())


class System:
    def __init__(self, rng: random.Random, families: int):
        self.rng = rng
        self.names = 0
        self.variants: list[Variant] = []
        for number in range(families):
            self.add_family(rng.choice(["", "staging", "production"]), f"front-{number}")

    def fresh(self, word: str) -> str:
        self.names += 1
        return f"{word}{self.names}"

    def call(self, service: str, depth: int) -> Call:
        made = Call(service, self.rng.choice(["GET", "POST", "PUT"]), f"/api/{self.fresh('things')}/:id")
        for _ in range(self.rng.randint(0, 2) if depth else 2):
            made.groups.append([self.step(service, depth) for _ in range(self.rng.randint(1, 3))])
        return made

    def step(self, service: str, depth: int):
        dice = self.rng.random()
        if depth < 2 and dice < 0.6:
            return self.call(self.fresh("service-"), depth + 1)
        if dice < 0.8:
            return Query(service, self.fresh("base"))
        return Publish(service, self.fresh("events."))

    def add_family(self, environment: str, service: str) -> None:
        """Two variants: one that asks the database first, and one that found all in its cache.

        Only the longer one fails: an error in the shorter would make it a cut-off outcome of the longer.
        """
        hit = self.call(service, 0)
        # Its last group is one call, so that a lost span right above it leaves the path as it is.
        hit.groups.append([self.call(self.fresh("service-"), 2)])
        miss = Call(hit.service, hit.method, hit.route)
        miss.groups = [[Query(service, self.fresh("base"))], *hit.groups]
        self.variants += [Variant(environment, miss, True), Variant(environment, hit, False)]


# ---- one trace ----------------------------------------------------------------------------------


class Trace:
    """The spans of one run of a variant. `shape` says what is odd about it.

    "plain"     an entry without a parent, all there
    "browser"   the caller does not export: the entry's parent never comes; as good as whole
    "hole"      the INTERNAL span above the entry's last call never comes: partial, but of a known path
    "torn"      the SERVER span of a call never comes though spans below it do: partial, of no known path
    "test"      below a test runner: counts in `test_count` only
    """

    def __init__(self, rng: random.Random, variant: Variant, shape: str):
        self.rng = rng
        self.ids = telemetry.Ids(rng)
        self.variant = variant
        self.shape = shape
        self.trace_id = self.ids.trace()
        self.spans: list[Span] = []
        self.fails = variant.may_fail and rng.random() < 0.3
        self.start = time.time_ns() - rng.randrange(5 * 60_000) * MS
        self.never_sent: Span | None = None
        self.entry = self.build()
        if self.never_sent is not None:
            self.spans.remove(self.never_sent)
        if self.fails:
            rng.choice([span for span in self.spans if span.kind == SERVER]).error = True

    def span(self, parent_id: bytes, service: str, name: str, kind: int, start: int, attributes) -> Span:
        made = Span(
            trace_id=self.trace_id,
            span_id=self.ids.span(),
            parent_id=parent_id,
            service=service,
            name=name,
            kind=kind,
            start=start,
            end=start,
            attributes=attributes,
            environment=self.variant.environment,
        )
        self.spans.append(made)
        return made

    def some(self, low_us: int, high_us: int) -> int:
        return self.rng.randint(low_us, high_us) * 1000

    def build(self) -> Span:
        call = self.variant.entry
        if self.shape == "test":
            run = self.span(
                b"", "runner", "execution.run", INTERNAL, self.start, {"testmesh.execution.id": "e-1"}
            )
            step = self.span(run.span_id, "runner", "execution.step", CLIENT, self.start + 1000, {})
            entry = self.serve(call, step.span_id, step.start + self.some(10, 200))
            step.end = entry.end + 1000
            run.end = step.end + 1000
            return entry
        parent = self.ids.span() if self.shape == "browser" else b""
        return self.serve(call, parent, self.start, is_entry=True)

    def serve(self, call: Call, parent_id: bytes, start: int, is_entry: bool = False) -> Span:
        path = call.route.replace(":id", str(self.rng.randint(1, 10**6)))
        served = self.span(
            parent_id,
            call.service,
            call.operation,
            SERVER,
            start,
            telemetry.http_server(self.rng, call.method, call.route, path, 200),
        )
        now = start
        for number, group in enumerate(call.groups):
            parent = served
            wrapped = is_entry and number == len(call.groups) - 1
            if wrapped:
                parent = self.span(
                    served.span_id, call.service, "last things", INTERNAL, now + self.some(20, 50), {}
                )
                now = parent.start
                if self.shape == "hole":
                    self.never_sent = parent
            # All begin within 0.2 ms, none takes less than 3; the next group begins when the last has ended.
            began = now + self.some(50, 500)
            ends = []
            for step in group:
                for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
                    ends.append(self.take(step, parent, began + self.some(0, 200), is_entry and wrapped))
            now = max(ends) + self.some(50, 500)
            if wrapped:
                parent.end = now
                now += self.some(10, 20)
        served.end = max(now, start + 3 * MS) + self.some(10, 2000)
        return served

    def take(self, step, parent: Span, start: int, torn_here: bool) -> int:
        """One step below `parent`; when it was over."""
        if isinstance(step, Query):
            statement = self.rng.choice(["SELECT 1", f"INSERT INTO t VALUES ({self.rng.randint(1, 10**9)})"])
            attributes = {
                "db.system.name": "postgresql",
                "db.namespace": step.database,
                "db.query.text": statement,
            }
            if self.rng.random() < 0.5:
                attributes = {"db.system": "postgresql", "db.name": step.database, "db.statement": statement}
            made = self.span(parent.span_id, step.service, "SELECT", CLIENT, start, attributes)
            made.end = start + self.some(3000, 9000)
        elif isinstance(step, Publish):
            attributes = {
                "messaging.system": "kafka",
                "messaging.destination.name": step.topic,
                "messaging.operation.type": "send",
            }
            made = self.span(parent.span_id, step.service, f"{step.topic} send", PRODUCER, start, attributes)
            made.end = start + self.some(3000, 9000)
        else:
            attributes = telemetry.http_client(self.rng, step.method, step.service, "/", 200)
            made = self.span(parent.span_id, parent.service, step.method, CLIENT, start, attributes)
            served = self.serve(step, made.span_id, start + self.some(10, 300))
            made.end = served.end + self.some(10, 300)
            if self.shape == "torn" and torn_here and self.never_sent is None:
                self.never_sent = served
                inner = self.span(served.span_id, step.service, "inside", INTERNAL, served.start + 1000, {})
                inner.end = inner.start + 1000
        return made.end

    def count(self) -> int:
        """Adds itself to what its flow must say; how many partial traces of no flow it makes."""
        expected = self.variant.expected
        if self.shape == "test":
            expected.test_count += 1
        elif self.shape == "torn":
            return 1
        else:
            error = any(span.error for span in self.spans)
            expected.add(self.entry.start, self.entry.end - self.entry.start, error)
        return 0

    def add_to_graph(self, graph: "Graph") -> None:
        by_id = {span.span_id: span for span in self.spans}
        above = {span.parent_id for span in self.spans}
        for span in self.spans:
            if span.service == "runner":
                continue
            parent = by_id.get(span.parent_id)
            if parent is not None and parent.service == "runner":
                parent = None
            service = ("service", span.service, span.service)
            if parent is None or parent.service != span.service:
                graph.add(service, span)
                if parent is not None:
                    graph.add((("service", parent.service, parent.service), "calls", service), span)
            told = span.attributes
            database = told.get("db.namespace") or told.get("db.name")
            if span.kind == SERVER:
                graph.add_use(service, "exposes", ("api_endpoint", span.name, span.service), span)
            elif database:
                statement = told.get("db.query.text") or told.get("db.statement")
                reads = "writes" if statement.startswith("INSERT") else "reads"
                graph.add_use(service, reads, ("database", database, None), span)
            elif span.kind == PRODUCER:
                topic = told["messaging.destination.name"]
                graph.add_use(service, "publishes", ("topic", topic, None), span)
            elif span.kind == CLIENT and span.span_id not in above:
                peer = told.get("server.address") or told.get("net.peer.name")
                graph.add_use(service, "calls", ("external", peer, None), span)

    def parts(self) -> list[list[Span]]:
        """As exporters split a trace: by service, now and then in the middle."""
        by_service = collections.defaultdict(list)
        for span in self.spans:
            by_service[span.service].append(span)
        parts = []
        for spans in by_service.values():
            self.rng.shuffle(spans)
            cut = self.rng.randint(1, len(spans)) if self.rng.random() < 0.3 else len(spans)
            parts += [part for part in (spans[:cut], spans[cut:]) if part]
        return parts


class Graph:
    """Nodes (type, name, service) and edges (source, type, target) -> [spans, errors, ns together]."""

    def __init__(self):
        self.counts = collections.defaultdict(lambda: [0, 0, 0])

    def add(self, what, span: Span) -> None:
        counts = self.counts[what]
        counts[0] += 1
        counts[1] += span.error
        counts[2] += span.end - span.start

    def add_use(self, service, use: str, what, span: Span) -> None:
        self.add(what, span)
        self.add((service, use, what), span)

    @staticmethod
    def told(answer: dict) -> dict:
        found = {}
        nodes = {node["id"]: (node["type"], node["name"], node["service"]) for node in answer["nodes"]}
        shown = [(nodes[node["id"]], node) for node in answer["nodes"]]
        shown += [((nodes[edge["source"]], edge["type"], nodes[edge["target"]]), edge) for edge in answer["edges"]]
        for what, one in shown:
            expect(what not in found, f"{what} is there twice")
            total = round(one["avg_duration_ms"] * one["call_count"] * MS)
            found[what] = [one["call_count"], one["error_count"], total]
        return found


# ---- sending ------------------------------------------------------------------------------------


class Batch:
    def __init__(self, rng: random.Random, spans: list[Span]):
        self.spans = spans
        message = telemetry.request_of(spans)
        if rng.random() < 0.3:
            self.body, self.content_type = harness.otlp_json(message), "application/json"
        else:
            self.body, self.content_type = message.SerializeToString(), "application/x-protobuf"


class Sender:
    """Sends batches over several connections until all are acknowledged or the server is gone."""

    def __init__(self, server: harness.Server, batches: list[Batch]):
        self.server = server
        self.todo: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        for batch in batches:
            self.todo.put(batch)
        self.lock = threading.Lock()
        self.acknowledged: list[Batch] = []
        self.unacknowledged: list[Batch] = []
        self.problems: list[str] = []
        self.progress = threading.Condition(self.lock)
        self.threads = [threading.Thread(target=self.send) for _ in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.otlp_port, timeout=30)
        while True:
            try:
                batch = self.todo.get_nowait()
            except queue.Empty:
                return
            try:
                status = harness.post_traces(connection, batch.body, batch.content_type, "/v1/traces")
            except (OSError, http.client.HTTPException):
                with self.lock:  # the server is gone, or cut us off: nobody knows whether it has these
                    self.unacknowledged.append(batch)
                connection.close()
                if self.server.process.poll() is not None:
                    return
                continue
            with self.lock:
                if status == 200:
                    self.acknowledged.append(batch)
                    self.progress.notify_all()
                else:
                    self.unacknowledged.append(batch)
                    if status not in (429, 503):
                        self.problems.append(
                            f"a batch of {len(batch.spans)} spans as {batch.content_type}: {status}"
                        )

    def wait_for(self, acknowledged: int) -> None:
        """Until that many batches are acknowledged, or nothing is left to send."""
        with self.lock:
            while len(self.acknowledged) < acknowledged and any(thread.is_alive() for thread in self.threads):
                self.progress.wait(0.05)

    def finish(self) -> None:
        for thread in self.threads:
            thread.join()
        while True:
            try:
                self.unacknowledged.append(self.todo.get_nowait())
            except queue.Empty:
                break
        expect_equal("batches refused", self.problems, [])


# ---- the test -----------------------------------------------------------------------------------


class Crash:
    def __init__(self, server: harness.Server, seed: int, rounds: int, traces: int):
        self.server = server
        self.rng = random.Random(seed)
        self.rounds = rounds
        self.traces_per_round = traces
        self.system = System(self.rng, families=6)
        self.traces: list[Trace] = []
        self.partial = 0
        self.acknowledged: dict[bytes, dict[bytes, Span]] = collections.defaultdict(dict)
        self.sent: list[Batch] = []  # acknowledged once, some come again
        self.unsent: list[Batch] = []  # not acknowledged
        self.late: list[list[Span]] = []  # parts that wait for a later round
        self.resent = 0

    def new_batches(self) -> list[Batch]:
        parts, kept = [], []
        for part in self.late:
            (parts if self.rng.random() < 0.5 else kept).append(part)
        self.late = kept
        for _ in range(self.traces_per_round):
            shape = self.rng.choices(["plain", "browser", "hole", "torn", "test"], [70, 12, 8, 5, 5])[0]
            trace = Trace(self.rng, self.rng.choice(self.system.variants), shape)
            self.traces.append(trace)
            self.partial += trace.count()
            for part in trace.parts():
                (self.late if self.rng.random() < 0.06 else parts).append(part)
        return self.cut(parts)

    def cut(self, parts: list[list[Span]]) -> list[Batch]:
        """Parts of several traces in a batch, near each other in time but in no order."""
        batches = []
        window = []
        for part in parts:
            window.append(part)
            if len(window) >= 60:
                batches += self.cut_window(window)
                window = []
        return batches + self.cut_window(window)

    def cut_window(self, window: list[list[Span]]) -> list[Batch]:
        self.rng.shuffle(window)
        batches = []
        while window:
            size = self.rng.randint(1, 12)
            batches.append(Batch(self.rng, [span for part in window[:size] for span in part]))
            window = window[size:]
        return batches

    def duplicates(self) -> list[Batch]:
        """Whole batches again, as they were, and some of their spans in another batch."""
        if not self.sent:
            return []
        again = self.rng.sample(self.sent, min(len(self.sent), 8))
        mixed = [span for batch in self.rng.sample(self.sent, min(len(self.sent), 8)) for span in batch.spans]
        mixed = self.rng.sample(mixed, min(len(mixed), 50))
        return [*again, Batch(self.rng, mixed)]

    def send(self, batches: list[Batch], kill_after: int | None) -> None:
        """Sends; kills the server when so many batches are acknowledged, and up to 20 ms later."""
        sender = Sender(self.server, batches)
        if kill_after is not None:
            sender.wait_for(kill_after)
            time.sleep(self.rng.uniform(0, 0.02))
            self.server.kill()
        sender.finish()
        self.unsent = sender.unacknowledged
        self.resent += len(self.unsent)
        for batch in sender.acknowledged:
            self.sent.append(batch)
            for span in batch.spans:
                self.acknowledged[span.trace_id][span.span_id] = span

    def round_of_load(self) -> None:
        batches = self.unsent + self.new_batches() + self.duplicates()
        self.rng.shuffle(batches)
        self.send(batches, kill_after=self.rng.randrange(len(batches)))
        self.server.start()
        self.acknowledged_are_there(sample=60)

    def acknowledged_are_there(self, sample: int) -> None:
        api = harness.Api(self.server.port)
        for trace_id in self.rng.sample(sorted(self.acknowledged), min(sample, len(self.acknowledged))):
            stored = {span["span_id"] for span in api.trace_spans(trace_id.hex())}
            lost = {span_id.hex() for span_id in self.acknowledged[trace_id]} - stored
            expect_equal(
                f"acknowledged spans of trace {trace_id.hex()} that are gone after the kill", lost, set()
            )

    def load_with_kills(self) -> None:
        for _ in range(self.rounds):
            self.round_of_load()
        # Now everything, late parts too, and no kill. Overload may refuse some: again.
        batches = self.unsent + self.cut(self.late) + self.duplicates()
        self.late = []
        deadline = time.monotonic() + 120
        while batches:
            expect(time.monotonic() < deadline, f"{len(batches)} batches are still not acknowledged")
            self.send(batches, kill_after=None)
            batches = self.unsent
            if batches:
                time.sleep(1)  # what Retry-After asks for at least
        spans = sum(len(trace.spans) for trace in self.traces)
        expect_equal("spans acknowledged", sum(map(len, self.acknowledged.values())), spans)
        print(
            f"    {len(self.traces)} traces, {spans} spans, {len(self.sent)} batches acknowledged, "
            f"{self.resent} sent again after {self.rounds} kills",
            flush=True,
        )

    def every_trace_has_exactly_its_spans(self) -> None:
        api = harness.Api(self.server.port)
        for trace in self.traces:
            stored = api.trace_spans(trace.trace_id.hex())
            expect_equal(
                f"spans of trace {trace.trace_id.hex()} ({trace.shape})",
                sorted(map(told, stored)),
                sorted(map(facts, trace.spans)),
            )

    def flows_are_exact(self) -> None:
        def check() -> list[dict]:
            api = harness.Api(self.server.port)
            page = api.get("/telemetry/flows", limit=1000)
            found = {}
            for flow in page["flows"]:
                path = harness.path_string(harness.graph_path(flow))
                found[(flow["environment"], flow["entry_service"], flow["entry_operation"], path)] = flow
            expected = {
                variant.expected.key: variant.expected
                for variant in self.system.variants
                if variant.expected.durations_ns
            }
            counts = {key: (flow["occurrence_count"], flow["test_count"]) for key, flow in found.items()}
            wanted = {key: (len(flow.durations_ns), flow.test_count) for key, flow in expected.items()}
            wrong = [
                f"{' '.join(key)}: expected {wanted.get(key)}, found {counts.get(key)}"
                for key in sorted(counts.keys() | wanted.keys())
                if counts.get(key) != wanted.get(key)
            ]
            expect(not wrong, "(occurrences, test traces) of\n  " + "\n  ".join(wrong))
            expect_equal("number of flows", len(page["flows"]), len(expected))
            expect_equal("partial_traces", page["partial_traces"], self.partial)
            for key, flow in found.items():
                expected[key].check(flow)
            return page["flows"]

        harness.eventually("the flows are as the oracle's", check, 90, 0.5)

    def graph_is_exact(self) -> None:
        expected = Graph()
        for trace in self.traces:
            trace.add_to_graph(expected)

        def check() -> None:
            found = Graph.told(harness.Api(self.server.port).get("/graph"))
            wrong = [
                f"{what}: expected {expected.counts.get(what)}, found {found.get(what)}"
                for what in sorted(found.keys() | expected.counts.keys(), key=str)
                if found.get(what) != expected.counts.get(what)
            ]
            expect(not wrong, "[spans, errors, ns] of\n  " + "\n  ".join(wrong[:20]))

        harness.eventually("the graph is as the oracle's", check, 90, 0.5)
        print(f"    {len(expected.counts)} nodes and edges", flush=True)

    def histograms_are_exact(self) -> None:
        api = harness.Api(self.server.port)
        expected = {variant.expected.key: variant.expected for variant in self.system.variants}
        for flow in api.flows():
            oracle = expected[
                (
                    flow["environment"],
                    flow["entry_service"],
                    flow["entry_operation"],
                    harness.path_string(harness.graph_path(flow)),
                )
            ]
            series = api.get(f"/telemetry/flows/{flow['id']}/histogram")
            kind = "minutes" if "minutes" in series else "hours"
            buckets = series[kind]
            what = f"histogram of {flow['name']}"
            expect_equal(
                f"{what}: all counts", sum(bucket["count"] for bucket in buckets), len(oracle.durations_ns)
            )
            expect_equal(f"{what}: all errors", sum(bucket["errors"] for bucket in buckets), oracle.errors)
            if kind == "minutes":
                counts = {
                    minute_of(bucket["start"]): (bucket["count"], bucket["errors"])
                    for bucket in buckets
                    if bucket["count"]
                }
                wanted = {
                    minute: (count, oracle.minute_errors[minute]) for minute, count in oracle.minutes.items()
                }
                expect_equal(f"{what}: by minute", counts, wanted)

    def after_a_clean_stop(self) -> None:
        self.server.stop()
        self.server.start()
        self.flows_are_exact()
        self.graph_is_exact()

    def after_a_last_kill(self) -> None:
        self.server.kill()
        self.server.start()
        self.flows_are_exact()
        self.graph_is_exact()
        self.histograms_are_exact()
        self.every_trace_has_exactly_its_spans()

    def all_again_changes_nothing(self) -> None:
        """Every batch a second time, to a server that has closed and counted their traces."""
        self.send(list(self.sent), kill_after=None)
        expect_equal("batches not acknowledged", len(self.unsent), 0)
        # A trace of a new flow, sent after all that: once it is counted, so is whatever would be counted twice.
        marker = Variant("", Call("marker", "GET", "/marker/:id"), False)
        self.system.variants.append(marker)
        trace = Trace(self.rng, marker, "plain")
        trace.count()
        self.traces.append(trace)
        self.send([Batch(self.rng, trace.spans)], kill_after=None)
        self.flows_are_exact()
        self.graph_is_exact()
        self.histograms_are_exact()
        self.every_trace_has_exactly_its_spans()


def facts(span: Span):
    return (
        span.span_id.hex(),
        span.parent_id.hex(),
        span.service,
        span.name,
        span.start,
        span.end,
        sorted(span.attributes.items()),
    )


def told(span: dict):
    attributes = sorted(span["attributes"].items())
    return (
        span["span_id"],
        span.get("parent_span_id") or "",
        span["service"],
        span["name"],
        nanoseconds(span["start_time"]),
        nanoseconds(span["end_time"]),
        attributes,
    )


def nanoseconds(time_text: str) -> int:
    """RFC 3339 in UTC with up to nine digits of a fraction."""
    date, _, rest = time_text.partition(".")
    fraction = rest.rstrip("Z")
    seconds = datetime.datetime.strptime(date.rstrip("Z") + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    return int(seconds) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def minute_of(time_text: str) -> int:
    return nanoseconds(time_text) // (60_000 * MS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--traces", type=int, default=200)
    options = parser.parse_args()
    harness.prepare()
    seed = harness.seed_from(sys.argv)
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", IDLE) as server:
        crash = Crash(server, seed, options.rounds, options.traces)
        if tally.run("crash: acknowledged spans are there after each kill", crash.load_with_kills):
            tally.run("crash: every trace has exactly its spans", crash.every_trace_has_exactly_its_spans)
            if tally.run("crash: the flows are exactly the oracle's", crash.flows_are_exact):
                tally.run("crash: the graph is exactly the oracle's", crash.graph_is_exact)
                tally.run("crash: the histograms add up", crash.histograms_are_exact)
                tally.run("crash: the same after a clean stop", crash.after_a_clean_stop)
                tally.run("crash: the same after a kill at rest", crash.after_a_last_kill)
                tally.run("crash: sending all of it again changes nothing", crash.all_again_changes_nothing)
        server.keep |= tally.failed > 0
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
