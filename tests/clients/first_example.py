#!/usr/bin/env python3
"""The first example of what TestMesh is for, over raw OTLP: 247 orders through a shop give exactly one flow.

A gateway that names no route or path calls order-service, which asks user-service, then one to four times at
once product-service, and publishes order.created. The spans come split over requests at random, in any order,
as protobuf and as JSON, over several connections, with old and new attribute names and routes spelled as each
framework does.
"""

import hashlib
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

TRACES = 247
CONNECTIONS = 4
NODES = [
    ("service", "api-gateway", "api-gateway"),
    ("api_endpoint", "POST /api/v1/orders", "order-service"),
    ("api_endpoint", "GET /api/v1/users/:id", "user-service"),
    ("api_endpoint", "GET /api/v1/products/:id", "product-service"),
    ("topic", "order.created", "order-service"),
]
PATH = (
    "service:api-gateway->api_endpoint:POST /api/v1/orders->api_endpoint:GET /api/v1/users/:id"
    "->api_endpoint:GET /api/v1/products/:id->topic:order.created"
)


def any_spelling(rng: random.Random, route: str) -> str:
    return route.replace(":id", rng.choice([":id", "{id}", "<id>", "<int:id>", "[id]"]))


class Order:
    """One trace. `products` is how often product-service was called, `failed` whether any span has status error."""

    def __init__(self, rng: random.Random, start: int):
        self.rng = rng
        self.ids = telemetry.Ids(rng)
        self.trace_id = self.ids.trace()
        self.spans: list[Span] = []
        self.products = rng.randint(1, 4)
        self.failed = rng.random() < 0.08
        self.start = start
        self.build()
        self.entry = self.spans[0]

    def span(self, parent: Span | None, service: str, name: str, kind: int, start: int, attributes) -> Span:
        made = Span(
            trace_id=self.trace_id,
            span_id=self.ids.span(),
            parent_id=parent.span_id if parent else b"",
            service=service,
            name=name,
            kind=kind,
            start=start,
            end=start,
            attributes=attributes,
        )
        self.spans.append(made)
        return made

    def pause(self, low_ms: float, high_ms: float) -> int:
        return round(self.rng.uniform(low_ms, high_ms) * MS)

    def build(self) -> None:
        gateway = self.span(None, "api-gateway", "gateway", SERVER, self.start, {})
        call = self.span(
            gateway,
            "api-gateway",
            "POST",
            CLIENT,
            gateway.start + self.pause(0.1, 2),
            telemetry.http_client(self.rng, "POST", "order-service", "/api/v1/orders", 201),
        )
        order = self.span(
            call,
            "order-service",
            "POST /api/v1/orders",
            SERVER,
            call.start + self.pause(0.1, 2),
            telemetry.http_server(self.rng, "POST", "/api/v1/orders", "/api/v1/orders", 201),
        )
        parent = order
        if self.rng.random() < 0.5:  # more code inside the service, as middleware is
            parent = self.span(order, "order-service", "request handler", INTERNAL, order.start + 10_000, {})

        now = self.ask(parent, "user-service", "/api/v1/users/:id", order.start + self.pause(0.1, 1), False)
        began = now + self.pause(0.2, 1)
        failing = self.rng.randrange(self.products) if self.failed else None
        # All begin within 0.3 ms and none takes less than 5: they overlap, whichever begins first.
        now = max(
            self.ask(
                parent,
                "product-service",
                "/api/v1/products/:id",
                began + self.pause(0, 0.3),
                number == failing,
            )
            for number in range(self.products)
        )
        publish = self.span(
            parent,
            "order-service",
            "order.created publish",
            PRODUCER,
            now + self.pause(0.2, 1),
            {
                "messaging.system": "kafka",
                "messaging.destination.name": "order.created",
                "messaging.operation.type": "send",
                "messaging.kafka.message.key": str(self.rng.randrange(1000)),
            },
        )
        publish.end = publish.start + self.pause(0.5, 3)
        parent.end = publish.end + self.pause(0.1, 0.5)
        order.end = max(parent.end, publish.end) + self.pause(0.1, 0.5)
        call.end = order.end + self.pause(0.1, 2)
        slow = self.rng.lognormvariate(0, 1.2) * 20  # a long tail, for the percentile
        gateway.end = call.end + self.pause(0.1, 1) + round(slow * MS)

    def ask(self, parent: Span, service: str, route: str, start: int, fails: bool) -> int:
        """A CLIENT span in the parent's service and its SERVER span; when the call was over."""
        path = route.replace(":id", str(self.rng.randint(1, 99999)))
        status = 500 if fails else 200
        call = self.span(
            parent,
            parent.service,
            "GET",
            CLIENT,
            start,
            telemetry.http_client(self.rng, "GET", service, path, status),
        )
        spelled = any_spelling(self.rng, route)
        served = self.span(
            call,
            service,
            f"GET {spelled}",
            SERVER,
            start + self.pause(0.1, 0.5),
            telemetry.http_server(self.rng, "GET", spelled, path, status),
        )
        served.end = served.start + self.pause(5, 20)
        call.end = served.end + self.pause(0.1, 0.5)
        served.error = call.error = fails
        return call.end


def requests_of(rng: random.Random, orders: list[Order]) -> list[list[Span]]:
    """All spans, shuffled, cut into requests of one to sixty."""
    spans = [span for order in orders for span in order.spans]
    rng.shuffle(spans)
    cut = []
    while spans:
        size = rng.randint(1, 60)
        cut.append(spans[:size])
        spans = spans[size:]
    return cut


def send_all(rng: random.Random, server: harness.Server, requests: list[list[Span]]) -> None:
    todo = queue.SimpleQueue()
    for spans in requests:
        message = telemetry.request_of(spans)
        if rng.random() < 0.5:
            body, content_type = harness.otlp_json(message), "application/json"
        else:
            body, content_type = message.SerializeToString(), "application/x-protobuf"
        port = rng.choice([server.port, server.otlp_port])
        todo.put((body, content_type, port, rng.choice(["/v1/traces", "/otlp/v1/traces"])))
    problems = []

    def sender() -> None:
        connections = {
            port: http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            for port in (server.port, server.otlp_port)
        }
        while True:
            try:
                body, content_type, port, path = todo.get_nowait()
            except queue.Empty:
                return
            try:
                status = harness.post_traces(connections[port], body, content_type, path)
                if status in (429, 503):
                    todo.put((body, content_type, port, path))
                    time.sleep(1)  # what Retry-After asks for at least
                elif status != 200:
                    problems.append(f"POST {path} as {content_type}: {status}")
            except (OSError, http.client.HTTPException) as error:
                problems.append(f"POST {path} as {content_type}: {type(error).__name__}: {error}")
                connections[port].close()

    threads = [threading.Thread(target=sender) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_equal("requests that failed", problems, [])


class Example:
    def __init__(self, server: harness.Server, seed: int):
        self.server = server
        self.rng = random.Random(seed)
        self.api = harness.Api(server.port)
        now = time.time_ns()
        self.orders = [Order(self.rng, now - (TRACES - number) * 40 * MS) for number in range(TRACES)]
        self.expected = telemetry.ExpectedFlow("", "api-gateway", "gateway", NODES)
        for order in self.orders:
            self.expected.add(order.entry.start, order.entry.end - order.entry.start, order.failed)
        self.flow = None

    def all_are_accepted(self) -> None:
        send_all(self.rng, self.server, requests_of(self.rng, self.orders))

    def every_span_is_stored(self) -> None:
        for order in self.orders:
            stored = {span["span_id"] for span in self.api.trace_spans(order.trace_id.hex())}
            expect_equal(
                f"spans of trace {order.trace_id.hex()}", stored, {span.span_id.hex() for span in order.spans}
            )

    def exactly_one_flow(self) -> None:
        def all_counted() -> dict:
            flows = self.api.get("/telemetry/flows")
            counts = [
                (flow["name"], harness.path_string(harness.graph_path(flow)), flow["occurrence_count"])
                for flow in flows["flows"]
            ]
            expect_equal("flows", counts, [("api-gateway -> gateway", PATH, TRACES)])
            expect_equal("total", flows["total"], 1)
            expect_equal("partial_traces", flows["partial_traces"], 0)
            return flows["flows"][0]

        self.flow = harness.eventually("one flow of all traces", all_counted, 60)

    def the_fingerprint(self) -> None:
        expect_equal("fingerprint", self.flow["fingerprint"], hashlib.sha256(PATH.encode()).hexdigest())

    def the_statistics(self) -> None:
        self.expected.check(self.flow)
        self.expected.check(self.api.flow(self.flow["id"]))

    def calls_per_trace(self) -> None:
        nodes = self.api.flow(self.flow["id"])["nodes"]
        expect_equal("nodes", [(node["type"], node["identifier"], node["service"]) for node in nodes], NODES)
        for node in nodes:
            product = node["identifier"] == "GET /api/v1/products/:id"
            calls = [order.products if product else 1 for order in self.orders]
            mean = sum(calls) / len(calls)
            found = node["calls_per_trace"]
            expect(
                abs(found["mean"] - mean) < 1e-9,
                f"calls_per_trace.mean of {node['identifier']}: expected {mean}, found {found}",
            )
            expect_equal(f"calls_per_trace.max of {node['identifier']}", found["max"], max(calls))

    def it_survives_a_restart(self) -> None:
        self.server.stop()
        self.server.start()
        self.api = harness.Api(self.server.port)
        self.exactly_one_flow()
        self.the_statistics()


def main() -> int:
    harness.prepare()
    seed = harness.seed_from(sys.argv)
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", "2s") as server:
        example = Example(server, seed)
        if tally.run("first example: every request is accepted", example.all_are_accepted):
            tally.run("first example: every span is stored", example.every_span_is_stored)
            if tally.run("first example: 247 traces are exactly one flow", example.exactly_one_flow):
                tally.run(
                    "first example: its fingerprint is the SHA-256 of its path", example.the_fingerprint
                )
                tally.run(
                    "first example: average, p95, error rate and risk are right", example.the_statistics
                )
                tally.run("first example: calls per trace are right", example.calls_per_trace)
                tally.run("first example: all of it survives a restart", example.it_survives_a_restart)
        server.keep |= tally.failed > 0
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
