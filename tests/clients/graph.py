#!/usr/bin/env python3
"""The System Graph of a small shop, as traffic shows it and as documents declare it.

Orders go through a shop whose services are of all ages; an oracle that made the spans says what every node and
edge must count, also after late spans, a restart and `kill -9`. Then an OpenAPI document, a compose file and
layers are put over it, good ones and bad ones.

graph.py [--seed N] [--traces N]
"""

import argparse
import base64
import http.client
import json
import math
import random
import sys
import time

import harness

harness.use_demo_python()

import telemetry
from harness import eventually, expect, expect_equal
from telemetry import CLIENT, MS, PRODUCER, SERVER, Span

CONSUMER = telemetry.trace_pb2.Span.SPAN_KIND_CONSUMER
IDLE = "1s"
OTHER = "00000000-0000-4000-8000-0000000000aa"
PATIENCE = 60
REFUSAL_SECONDS = 10  # for what must not be worked through


# ---- what the graph must be ---------------------------------------------------------------------


def service(name: str):
    return ("service", name, name)


def endpoint(owner: str, operation: str):
    return ("api_endpoint", operation, owner)


def resource(kind: str, name: str):
    return (kind, name, None)


class Traffic:
    def __init__(self):
        self.spans: list[Span] = []

    def check(self, what: str, found: dict, times: bool) -> None:
        n = len(self.spans)
        errors = sum(span.error for span in self.spans)
        durations = sorted(span.end - span.start for span in self.spans)
        expect_equal(f"{what}: call_count", found["call_count"], n)
        expect_equal(f"{what}: error_count", found["error_count"], errors)
        expect(found["seen"] is True, f"{what} is not seen")
        for field, expected, tolerance in (
            ("error_rate", errors / n if n else 0, 1e-12),
            ("avg_duration_ms", sum(durations) / n / MS if n else 0, 1e-9),
            ("p95_duration_ms", durations[math.ceil(0.95 * n) - 1] / MS if n else 0, 0.01),
        ):
            expect(
                math.isclose(found[field], expected, rel_tol=tolerance, abs_tol=1e-15),
                f"{what}: {field}: expected {expected!r}, found {found[field]!r}",
            )
        if n and times:
            starts = [span.start for span in self.spans]
            expect_equal(f"{what}: first_seen_at", found["first_seen_at"], rfc3339(min(starts)))
            expect_equal(f"{what}: last_seen_at", found["last_seen_at"], rfc3339(max(starts)))


def rfc3339(nanos: int) -> str:
    seconds, fraction = divmod(nanos, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09}Z"


class Oracle:
    """Every node and edge, with the spans that count in it."""

    def __init__(self):
        self.nodes: dict[tuple, Traffic] = {}
        self.edges: dict[tuple, Traffic] = {}
        self.exact_times = True  # until a span moves

    def node(self, key, span: Span | None = None) -> None:
        traffic = self.nodes.setdefault(key, Traffic())
        if span:
            traffic.spans.append(span)

    def edge(self, source, kind: str, target, span: Span) -> None:
        self.node(source)
        self.node(target)
        self.edges.setdefault((source, kind, target), Traffic()).spans.append(span)

    def check(self, graph: dict) -> None:
        """Raises harness.Failure where the graph as the server tells it differs."""
        by_id = {node["id"]: node for node in graph["nodes"]}
        expect_equal("distinct ids of nodes", len(by_id), len(graph["nodes"]))
        nodes = {key_of(node): node for node in graph["nodes"]}
        edges = {
            (key_of(by_id[edge["source"]]), edge["type"], key_of(by_id[edge["target"]])): edge
            for edge in graph["edges"]
        }
        expect_equal("edges told once", len(edges), len(graph["edges"]))
        expect_equal("the nodes", in_order(nodes), in_order(self.nodes))
        expect_equal("the edges", in_order(edges), in_order(self.edges))
        for key, traffic in self.nodes.items():
            traffic.check(f"node {key}", nodes[key], self.exact_times)
        for key, traffic in self.edges.items():
            traffic.check(f"edge {key}", edges[key], self.exact_times)
        expect_equal("not_counted", graph["not_counted"], 0)


def key_of(node: dict):
    return (node["type"], node["name"], node["service"])


def in_order(keys) -> list[str]:
    return sorted(repr(key) for key in keys)


# ---- the shop -----------------------------------------------------------------------------------


class Trace:
    """Spans as they are made, and what each of them shows."""

    def __init__(self, rng: random.Random, ids: telemetry.Ids, oracle: Oracle, start: int):
        self.rng, self.ids, self.oracle = rng, ids, oracle
        self.trace_id = ids.trace()
        self.clock = start
        self.spans: list[Span] = []

    def span(self, parent: Span | None, owner: str, name: str, kind: int, **attributes) -> Span:
        """Begins after everything before it; 5 % of those that serve fail."""
        self.clock += self.rng.randint(1, 3 * MS)
        made = Span(
            trace_id=self.trace_id,
            span_id=self.ids.span(),
            parent_id=parent.span_id if parent else b"",
            service=owner,
            name=name,
            kind=kind,
            start=self.clock,
            end=self.clock + self.rng.randint(MS, 40 * MS),
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
            error=kind in (SERVER, CONSUMER) and self.rng.random() < 0.05,
        )
        self.spans.append(made)
        return made

    def entry(self, owner: str, method: str, route: str) -> Span:
        made = self.span(None, owner, method, SERVER, **telemetry.http_server(self.rng, method, route, route, 200))
        self.serve(made, None, method, route)
        return made

    def call(self, parent: Span, target: str, method: str, route: str) -> Span:
        """A CLIENT span and its SERVER span, which is the one that counts."""
        path = route.replace(":id", str(self.rng.randrange(10**6)))
        out = self.span(
            parent, parent.service, method, CLIENT, **telemetry.http_client(self.rng, method, target, path, 200)
        )
        spelled = route.replace(":id", self.rng.choice([":id", "{id}", "<int:id>", "[id]"]))
        made = self.span(out, target, method, SERVER, **telemetry.http_server(self.rng, method, spelled, path, 200))
        self.serve(made, parent.service, method, route)
        return made

    def serve(self, span: Span, caller: str | None, method: str, route: str) -> None:
        owner = service(span.service)
        self.oracle.node(owner, span)
        if caller:
            self.oracle.edge(service(caller), "calls", owner, span)
        operation = endpoint(span.service, f"{method} {route}")
        self.oracle.node(operation, span)
        self.oracle.edge(owner, "exposes", operation, span)

    def use(self, parent: Span, kind: str, name: str, edge: str, span_name: str, span_kind=CLIENT, **attributes) -> Span:
        """A span that touches a database, a topic or a peer that sends no spans."""
        made = self.span(parent, parent.service, span_name, span_kind, **attributes)
        self.oracle.node(resource(kind, name), made)
        self.oracle.edge(service(parent.service), edge, resource(kind, name), made)
        return made

    def consume(self, published: Span, topic: str, owner: str) -> Span:
        made = self.span(
            published, owner, f"{topic} process", CONSUMER,
            messaging__system="kafka", messaging__destination__name=topic, messaging__operation__type="process",
        )
        self.oracle.node(service(owner), made)
        self.oracle.node(resource("topic", topic), made)
        self.oracle.edge(resource("topic", topic), "consumes", service(owner), made)
        return made


def order(trace: Trace) -> None:
    """POST /orders: the user is looked up once or several times, the order stored and announced, a mail sent."""
    gateway = trace.entry("gateway", "POST", "/api/orders")
    orders = trace.call(gateway, "orders", "POST", "/orders")
    for _ in range(trace.rng.randint(1, 3)):
        users = trace.call(orders, "users", "GET", "/users/:id")
        trace.use(users, "database", "people", "reads", "SELECT people",
                  db__system="mysql", db__name="people", db__statement="select * from people where id = ?")
    trace.use(orders, "database", "orders", "writes", "INSERT orders", db__system__name="postgresql",
              db__namespace="orders", db__operation__name="INSERT", db__query__text="INSERT INTO orders VALUES (?)")
    published = trace.use(orders, "topic", "order.created", "publishes", "order.created publish", PRODUCER,
                          messaging__system="kafka", messaging__destination__name="order.created",
                          messaging__operation__type="send")
    mailer = trace.consume(published, "order.created", "mailer")
    trace.use(mailer, "database", "redis", "reads", "GET", db__system__name="redis", db__namespace="0",
              db__operation__name="GET")
    trace.use(mailer, "external", "mail.example.com", "calls", "POST",
              **telemetry.http_client(trace.rng, "POST", "mail.example.com", "/send", 202))


def browse(trace: Trace) -> None:
    gateway = trace.entry("gateway", "GET", "/api/orders/:id")
    orders = trace.call(gateway, "orders", "GET", "/orders/:id")
    trace.use(orders, "database", "orders", "reads", "SELECT orders", db__system__name="postgresql",
              db__namespace="orders", db__operation__name="SELECT")


# ---- the server ---------------------------------------------------------------------------------


class Shop:
    """A server, the traffic it was sent, and what its graph must be."""

    def __init__(self, server: harness.Server, rng: random.Random):
        self.server, self.rng = server, rng
        self.ids = telemetry.Ids(rng)
        self.oracle = Oracle()
        self.start = time.time_ns() - 600_000 * MS

    def trace(self, oracle: Oracle | None = None) -> Trace:
        self.start += 50 * MS
        return Trace(self.rng, self.ids, oracle or self.oracle, self.start)

    def make(self, count: int, oracle: Oracle | None = None) -> list[Span]:
        spans = []
        for _ in range(count):
            trace = self.trace(oracle)
            (order if self.rng.random() < 0.6 else browse)(trace)
            spans += trace.spans
        return spans

    def send(self, spans: list[Span], workspace: str = "") -> None:
        """Spans of one trace together in order, as they would from one fast client, 200 a request."""
        for begin in range(0, len(spans), 200):
            body = telemetry.request_of(spans[begin : begin + 200]).SerializeToString()
            headers = {"Content-Type": "application/x-protobuf"}
            if workspace:
                headers["X-Workspace-ID"] = workspace
            status, answer = self.ask("POST", "/v1/traces", body, headers)
            expect_equal(f"the status of an export ({answer!r})", status, 200)

    def ask(self, method: str, path: str, body: bytes | None = None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def rest(self, method: str, below: str, body=None, workspace: str = harness.DEFAULT_WORKSPACE):
        """(status, JSON). A `body` of bytes goes as it is."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = self.ask(
            method, f"/api/v1/workspaces/{workspace}{below}", content, {"Content-Type": "application/json"}
        )
        return status, json.loads(answer) if answer else None

    def graph(self, query: str = "", workspace: str = harness.DEFAULT_WORKSPACE) -> dict:
        status, graph = self.rest("GET", "/graph" + query, workspace=workspace)
        expect_equal(f"GET graph{query} ({graph})", status, 200)
        return graph

    def expect_graph(self, what: str) -> None:
        eventually(what, lambda: self.oracle.check(self.graph()), PATIENCE)

    def put(self, layer: str, content, expected: int = 200) -> dict:
        status, answer = self.rest("PUT", f"/graph/layers/{layer}", content)
        expect_equal(f"PUT {layer} ({answer})", status, expected)
        return answer

    def load(self, kind: str, content: str, owner: str | None = None, expected: int = 200) -> dict:
        body = {"kind": kind, "content": content} | ({"service": owner} if owner else {})
        status, answer = self.rest("POST", "/graph/import", body)
        expect_equal(f"import of {kind} ({answer})", status, expected)
        return answer


def node_of(graph: dict, key) -> dict:
    for node in graph["nodes"]:
        if key_of(node) == key:
            return node
    raise harness.Failure(f"no node {key} among {in_order(map(key_of, graph['nodes']))}")


def edges_of(graph: dict) -> set[tuple]:
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    return {(names[edge["source"]], edge["type"], names[edge["target"]]) for edge in graph["edges"]}


OPENAPI = """
openapi: 3.0.3
info: {title: Orders API, version: "1"}
paths:
  /orders:
    post: {operationId: place, responses: {"201": {description: placed}}}
  /orders/{orderId}:
    get: {operationId: show, responses: {"200": {description: shown}}}
    delete: {operationId: cancel, responses: {"204": {description: gone}}}
components:
  schemas:
    Tree: {type: object, properties: {children: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}
    Elsewhere: {$ref: 'http://127.0.0.1:1/never-fetched.yaml'}
"""

COMPOSE = """
services:
  gateway: {image: shop/gateway:7, depends_on: [orders]}
  orders: {image: shop/orders:7, depends_on: {users: {condition: service_started}, audit: {condition: service_started}}}
  users: {image: shop/users:7}
  audit: {image: shop/audit:1}
"""


def yaml_bomb() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join(lines) + "\nservices: *a11\n"


# ---- the tests ----------------------------------------------------------------------------------


class Tests:
    """In this order: each goes on from what the one before left."""

    def __init__(self, shop: Shop, traces: int):
        self.shop = shop
        self.traces = traces

    def every_node_and_edge_counts_its_spans(self):
        self.shop.send(self.shop.make(self.traces))
        self.shop.expect_graph("the graph is the oracle's")

    def late_span_corrects_who_was_called(self):
        shop, oracle = self.shop, self.shop.oracle
        before = len(shop.graph()["nodes"])
        trace = shop.trace()
        gateway = trace.entry("gateway", "GET", "/api/stock")
        call = trace.span(gateway, "gateway", "GET", CLIENT, server__address="stock-host", http__request__method="GET",
                          url__full="http://stock-host/stock")
        stock = trace.span(call, "stock", "GET", SERVER, http__request__method="GET", http__route="/stock")
        trace.spans.remove(stock)
        oracle.node(resource("external", "stock-host"), call)
        oracle.edge(service("gateway"), "calls", resource("external", "stock-host"), call)
        shop.send(trace.spans)
        shop.expect_graph("a call without its server's span is one to an external")

        del oracle.nodes[resource("external", "stock-host")]
        del oracle.edges[(service("gateway"), "calls", resource("external", "stock-host"))]
        trace.serve(stock, "gateway", "GET", "/stock")
        shop.send([stock])
        shop.expect_graph("the late span makes it a call to its service")
        expect_equal("nodes", len(shop.graph()["nodes"]), before + 3)

    def same_spans_again_change_nothing(self):
        spans = self.shop.make(5)
        self.shop.send(spans)
        self.shop.send(spans)
        self.shop.send(list(reversed(spans)))
        self.shop.expect_graph("spans that come three times count once")

    def graph_survives_a_restart(self):
        before = self.shop.graph()
        self.shop.server.stop()
        self.shop.server.start()
        expect_equal("the graph after a restart", self.shop.graph(), before)

    def graph_survives_kill_9(self):
        for _ in range(3):
            self.shop.send(self.shop.make(self.traces // 4))
            self.shop.server.kill()  # some traces are counted by now, others not
            self.shop.server.start()
        self.shop.expect_graph("nothing acknowledged is lost or counted twice")

    def workspaces_are_apart(self):
        shop = self.shop
        status, _ = shop.ask("POST", "/api/v1/workspaces", json.dumps({"id": OTHER, "name": "other"}).encode(),
                             {"Content-Type": "application/json"})
        expect_equal("POST /workspaces", status, 201)
        expect_equal("the graph of a new workspace", shop.graph("", OTHER),
                     {"nodes": [], "edges": [], "conflicts": [], "not_counted": 0})
        oracle = Oracle()
        shop.send(shop.make(3, oracle), OTHER)
        eventually("its own graph", lambda: oracle.check(shop.graph("", OTHER)), PATIENCE)
        status, _ = shop.rest("PUT", "/graph/layers/code", {"nodes": [{"type": "service", "name": "ghost"}]}, OTHER)
        expect_equal("PUT of a layer", status, 200)
        shop.expect_graph("the first one is as it was")
        expect_equal("DELETE of the workspace", shop.rest("DELETE", "", workspace=OTHER)[0], 204)
        expect_equal("its graph then", shop.rest("GET", "/graph", workspace=OTHER)[0], 404)

    def documents_show_what_is_never_called_and_what_nobody_declared(self):
        shop = self.shop
        answer = shop.load("openapi", OPENAPI, "orders")
        expect_equal("what the document declares", [answer[key] for key in ("layer", "nodes", "edges")], ["spec", 4, 3])
        answer = shop.load("compose", COMPOSE)
        expect_equal("what the file declares", [answer[key] for key in ("layer", "nodes", "edges")], ["infra", 4, 3])

        never_seen = shop.graph("?declared=true&seen=false")
        expect_equal(
            "declared, never seen",
            {key_of(node) for node in never_seen["nodes"] if not node["seen"]},
            {endpoint("orders", "DELETE /orders/:orderId"), service("audit")},
        )
        expect(("orders", "depends_on", "audit") in edges_of(never_seen), "the dependency nobody uses is missing")
        expect(("orders", "depends_on", "users") not in edges_of(never_seen), "a dependency in use is told as unused")
        never = node_of(never_seen, service("audit"))
        expect_equal("figures of what was never seen", [never["call_count"], never["first_seen_at"]], [0, None])

        never_declared = {key_of(node) for node in shop.graph("?declared=false&seen=true")["nodes"] if not node["declared"]}
        for key in (endpoint("users", "GET /users/:id"), endpoint("gateway", "POST /api/orders"), service("mailer"),
                    service("stock"), resource("database", "people")):
            expect(key in never_declared, f"{key} is not among what nobody declared: {in_order(never_declared)}")
        for key in (service("orders"), endpoint("orders", "POST /orders"), endpoint("orders", "GET /orders/:id")):
            expect(key not in never_declared, f"{key} was declared")

        graph = shop.graph()
        shown = node_of(graph, endpoint("orders", "GET /orders/:id"))
        expect_equal("who knows the endpoint", [shown["layer"], sorted(shown["layers"])], ["runtime", ["runtime", "spec"]])
        expect_equal("the image of orders", node_of(graph, service("orders"))["properties"].get("image"), "shop/orders:7")

    def contradiction_shows_both_values_and_runtime_wins(self):
        shop = self.shop
        shop.put("code", {"nodes": [
            {"type": "database", "name": "orders", "properties": {"system": "mariadb", "owner": "team orders"}}]})
        graph = shop.graph()
        database = node_of(graph, resource("database", "orders"))
        expect_equal("what counts", database["properties"], {"system": "postgresql", "owner": "team orders"})
        expect_equal("what code said", database["layers"]["code"], {"system": "mariadb", "owner": "team orders"})
        expect_equal("the conflicts", graph["conflicts"], [{
            "id": database["id"], "property": "system",
            "values": [{"layer": "runtime", "value": "postgresql"}, {"layer": "code", "value": "mariadb"}]}])
        status, detail = shop.rest("GET", f"/graph/nodes/{database['id']}")
        expect_equal("GET nodes/{id}", status, 200)
        expect_equal("the node", detail["node"], database)
        expect_equal("its edges", [edge for edge in graph["edges"] if database["id"] in (edge["source"], edge["target"])],
                     detail["edges"])

    def filters_keep_what_they_say(self):
        shop = self.shop
        infra = shop.graph("?layer=infra")
        expect_equal("the nodes of infra", {node["name"] for node in infra["nodes"]}, {"gateway", "orders", "users", "audit"})
        expect_equal("the edges of infra", {edge["type"] for edge in infra["edges"]}, {"depends_on"})
        around = shop.graph("?service=mailer")
        expect_equal("around mailer", {node["name"] for node in around["nodes"]},
                     {"mailer", "order.created", "redis", "mail.example.com"})
        expect_equal("since tomorrow", shop.graph(f"?since={rfc3339(time.time_ns() + 86_400_000 * MS)}")["nodes"], [])
        for bad in ("layer=planets", "since=once", "format=svg", "declared=perhaps"):
            expect_equal(f"?{bad}", shop.rest("GET", f"/graph?{bad}")[0], 400)

    def graph_comes_as_text(self):
        for kind, sign in (("dot", "digraph"), ("mermaid", "graph")):
            status, content = self.shop.ask("GET", f"/api/v1/workspaces/{harness.DEFAULT_WORKSPACE}/graph?format={kind}")
            expect_equal(f"format={kind}", status, 200)
            text = content.decode()
            expect(sign in text or "flowchart" in text, f"that is no {kind}: {text[:200]}")
            for name in ("gateway", "order.created", "mail.example.com", "POST /orders"):
                expect(name in text, f"{name} is missing in the {kind}")

    def bad_documents_leave_everything_as_it_was(self):
        shop = self.shop
        before = shop.graph()
        shop.put("runtime", {"nodes": []}, 422)
        shop.put("spec", b"{nonsense", 422)
        shop.put("spec", {"nodes": [{"type": "planet", "name": "mars"}]}, 422)
        shop.load("openapi", "just a text", expected=422)
        shop.load("openapi", OPENAPI.replace("paths:", "paths: ["), "orders", 422)
        shop.load("compose", "services: 7", expected=422)
        shop.load("flow", "\x00", expected=422)
        shop.load("swagger", OPENAPI, expected=422)
        expect_equal("the graph", shop.graph(), before)

    def bombs_are_refused_quickly(self):
        shop = self.shop
        before = shop.graph()
        million = ",".join(f'{{"type":"service","name":"s{i}"}}' for i in range(1_000_000))
        deep = "[" * 200_000 + "]" * 200_000
        deep_yaml = "a: " + "[" * 50_000
        self_containing = "services: &a\n  web: {image: x, extra: *a}\n"
        for what, attempt in (
            ("a million nodes", lambda: shop.put("code", f'{{"nodes":[{million}]}}'.encode(), 422)),
            ("a YAML bomb", lambda: shop.load("compose", yaml_bomb(), expected=422)),
            ("a YAML bomb as OpenAPI", lambda: shop.load("openapi", yaml_bomb(), "orders", 422)),
            ("JSON of 200,000 levels", lambda: shop.put("code", f'{{"nodes":{deep}}}'.encode(), 422)),
            ("an import of 200,000 levels", lambda: shop.rest("POST", "/graph/import", f'{{"kind":{deep}}}'.encode())),
            ("YAML of 50,000 levels", lambda: shop.load("compose", deep_yaml, expected=422)),
            ("YAML that contains itself", lambda: shop.rest(
                "POST", "/graph/import", {"kind": "compose", "service": "loop", "content": self_containing})),
            ("64 MiB of small numbers", lambda: shop.rest(
                "POST", "/graph/import", b'{"kind":[' + b"0," * (31 << 20) + b"0]}")),
        ):
            begun = time.monotonic()
            attempt()
            took = time.monotonic() - begun
            expect(took < REFUSAL_SECONDS, f"{what} took {took:.1f} s")
            expect_equal(f"health after {what}", shop.server.status(shop.server.port, "GET", "/healthz"), 200)
        expect_equal("the graph", shop.graph(), before)

    def names_no_text_can_hold_are_shown_all_the_same(self):
        """Bytes that are no UTF-8 reach the graph by OTLP; the answer must be JSON nevertheless."""
        shop = self.shop
        trace_id, span_id = shop.ids.trace().hex(), shop.ids.span().hex()
        bad = '"\\\n\u2028\x7f<script>'
        body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": bad}}]},
                "scopeSpans": [{"spans": [{
                    "traceId": trace_id, "spanId": span_id, "name": "q", "kind": 3,
                    "startTimeUnixNano": str(shop.start), "endTimeUnixNano": str(shop.start + MS),
                    "attributes": [{"key": "db.system.name", "value": {"stringValue": bad}},
                                   {"key": "db.namespace", "value": {"stringValue": bad}}]}]}]}]}
        status, _ = shop.ask("POST", "/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"})
        expect_equal("the export", status, 200)
        raw = telemetry.request_of([Span(shop.ids.trace(), shop.ids.span(), b"", "raw", "q", CLIENT, shop.start,
                                         shop.start + MS, {"db.system.name": "REPLACED", "db.namespace": "REPLACED"})])
        raw = raw.SerializeToString().replace(b"REPLACED", b"\xff\xfe\x00\xed\xa0\x80\"\\")
        shop.ask("POST", "/v1/traces", raw, {"Content-Type": "application/x-protobuf"})

        def shown():
            graph = shop.graph()
            node = node_of(graph, resource("database", bad))
            expect_equal("its system", node["properties"], {"system": bad})
            node_of(graph, service(bad))
        eventually("odd names come through", shown, PATIENCE)
        for kind in ("dot", "mermaid"):
            status, content = shop.ask("GET", f"/api/v1/workspaces/{harness.DEFAULT_WORKSPACE}/graph?format={kind}")
            expect_equal(f"format={kind}", status, 200)
            content.decode()

    def layers_survive_a_restart(self):
        before = self.shop.graph()
        expect(len(before["conflicts"]) > 0, "there is nothing to survive")
        self.shop.server.kill()
        self.shop.server.start()
        eventually("the same graph", lambda: expect_equal("the graph", self.shop.graph(), before), PATIENCE)

    def replacing_an_import_forgets_what_it_said(self):
        shop = self.shop
        shop.load("openapi", OPENAPI.replace("/orders/{orderId}", "/orders/{orderId}/lines"), "orders")
        graph = shop.graph()
        expect_equal("GET /orders/:id is declared", node_of(graph, endpoint("orders", "GET /orders/:id"))["declared"], False)
        expect_equal("the new one is seen", node_of(graph, endpoint("orders", "GET /orders/:orderId/lines"))["seen"], False)
        expect_equal("an empty layer", shop.put("spec", {"nodes": [], "edges": []})["nodes"], 0)
        expect_equal("what spec knows", shop.graph("?layer=spec")["nodes"], [])

    def coverage_lists_what_no_test_runs(self):
        shop = self.shop
        flows = harness.Api(shop.server.port).flows()
        status, answer = shop.rest("GET", "/telemetry/coverage?limit=1000")
        expect_equal("GET coverage", status, 200)
        expect_equal("total", answer["total"], len(flows))
        expect_equal("the flows", {item["flow_id"] for item in answer["coverage"]}, {flow["id"] for flow in flows})
        expect_equal("uncovered", answer["uncovered"], len(flows))
        risks = [item["risk_score"] for item in answer["coverage"]]
        expect_equal("by risk", risks, sorted(risks, reverse=True))
        expect(all(item["why"].startswith("No test runs it: ") for item in answer["coverage"]), "a reason is missing")

        # The same order as before, made by a test.
        wanted = answer["coverage"][0]
        flow = next(flow for flow in flows if flow["id"] == wanted["flow_id"])
        make = order if flow["entry_operation"].startswith("POST") else browse
        expect(flow["entry_operation"] in ("POST /api/orders", "GET /api/orders/:id"), f"an odd flow: {flow['name']}")
        trace = shop.trace(Oracle())
        root = trace.span(None, "runner", "testmesh.flow", telemetry.INTERNAL, testmesh__execution__id="e1",
                          testmesh__flow__name="checkout")
        make(trace)
        for span in trace.spans[1:]:
            span.parent_id = span.parent_id or root.span_id
        shop.send(trace.spans)

        def covered():
            _, now = shop.rest("GET", "/telemetry/coverage?covered=true")
            expect_equal("covered flows", now["total"], 1)
            item = now["coverage"][0]
            expect_equal("the flow's operation", item["name"], wanted["name"])
            expect_equal("its tests", [item["covered"], item["test_count"], item["tests"]], [True, 1, ["checkout"]])
            expect(item["last_tested_at"] is not None, "when it was last tested is not told")
            expect(item["why"].startswith("Covered by 1 test, last run "), f"the reason: {item['why']}")
        eventually("the test covers its flow", covered, PATIENCE)
        status, now = shop.rest("GET", "/telemetry/coverage?limit=1000")
        expect_equal("uncovered, then covered", [item["covered"] for item in now["coverage"]],
                     [False] * (now["total"] - 1) + [True])


ORDER = [
    Tests.every_node_and_edge_counts_its_spans,
    Tests.late_span_corrects_who_was_called,
    Tests.same_spans_again_change_nothing,
    Tests.graph_survives_a_restart,
    Tests.graph_survives_kill_9,
    Tests.workspaces_are_apart,
    Tests.documents_show_what_is_never_called_and_what_nobody_declared,
    Tests.contradiction_shows_both_values_and_runtime_wins,
    Tests.filters_keep_what_they_say,
    Tests.graph_comes_as_text,
    Tests.bad_documents_leave_everything_as_it_was,
    Tests.bombs_are_refused_quickly,
    Tests.layers_survive_a_restart,
    Tests.replacing_an_import_forgets_what_it_said,
    Tests.coverage_lists_what_no_test_runs,
    Tests.names_no_text_can_hold_are_shown_all_the_same,
]


def main() -> int:
    harness.prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--traces", type=int, default=200)
    arguments = parser.parse_args()
    seed = harness.seed_from(sys.argv[1:])
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", IDLE) as server:
        tests = Tests(Shop(server, random.Random(seed)), arguments.traces)
        for test in ORDER:
            tally.run(test.__name__.replace("_", " "), lambda test=test: test(tests))
        server.keep |= tally.failed > 0
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
