"""Spans made by hand, as OTLP requests, and what a flow of them must say."""

import collections
import dataclasses
import math
import random

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

import harness

INTERNAL = trace_pb2.Span.SPAN_KIND_INTERNAL
SERVER = trace_pb2.Span.SPAN_KIND_SERVER
CLIENT = trace_pb2.Span.SPAN_KIND_CLIENT
PRODUCER = trace_pb2.Span.SPAN_KIND_PRODUCER
MS = 1_000_000  # nanoseconds


@dataclasses.dataclass
class Span:
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    service: str
    name: str
    kind: int
    start: int
    end: int
    attributes: dict[str, str | int]
    error: bool = False
    environment: str = ""


def request_of(spans: list[Span]) -> trace_service_pb2.ExportTraceServiceRequest:
    """One request with the spans, those of one service together."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    groups = {}
    for span in spans:
        key = (span.service, span.environment)
        if key not in groups:
            resource_spans = request.resource_spans.add()
            set_attributes(resource_spans.resource.attributes, {"service.name": span.service})
            if span.environment:
                set_attributes(
                    resource_spans.resource.attributes, {"deployment.environment.name": span.environment}
                )
            groups[key] = resource_spans.scope_spans.add()
            groups[key].scope.name = "client-tests"
        out = groups[key].spans.add()
        out.trace_id, out.span_id, out.parent_span_id = span.trace_id, span.span_id, span.parent_id
        out.name, out.kind = span.name, span.kind
        out.start_time_unix_nano, out.end_time_unix_nano = span.start, span.end
        set_attributes(out.attributes, span.attributes)
        if span.error:
            out.status.code = trace_pb2.Status.STATUS_CODE_ERROR
    return request


def set_attributes(out, attributes: dict[str, str | int]) -> None:
    for key, value in attributes.items():
        item = out.add()
        item.key = key
        if isinstance(value, int):
            item.value.int_value = value
        else:
            item.value.string_value = value


class Ids:
    def __init__(self, rng: random.Random):
        self.rng = rng

    def trace(self) -> bytes:
        return self.rng.randbytes(16)

    def span(self) -> bytes:
        return self.rng.randbytes(8)


def http_server(rng: random.Random, method: str, route: str, path: str, status: int) -> dict[str, str | int]:
    """The attributes of a SERVER span, by the new conventions or the old: services are of all ages."""
    if rng.random() < 0.5:
        return {
            "http.request.method": method,
            "http.route": route,
            "url.path": path,
            "http.response.status_code": status,
        }
    return {"http.method": method, "http.route": route, "http.target": path, "http.status_code": status}


def http_client(rng: random.Random, method: str, host: str, path: str, status: int) -> dict[str, str | int]:
    if rng.random() < 0.5:
        return {
            "http.request.method": method,
            "url.full": f"http://{host}:8080{path}",
            "server.address": host,
            "server.port": 8080,
            "http.response.status_code": status,
        }
    return {
        "http.method": method,
        "http.url": f"http://{host}:8080{path}",
        "net.peer.name": host,
        "http.status_code": status,
    }


class ExpectedFlow:
    """What the statistics of a flow must be, from the traces that count in it."""

    def __init__(self, environment: str, entry_service: str, entry_operation: str, nodes):
        self.environment = environment
        self.entry_service = entry_service
        self.entry_operation = entry_operation
        self.nodes = tuple(nodes)
        self.durations_ns: list[int] = []
        self.errors = 0
        self.test_count = 0
        self.minutes: collections.Counter[int] = collections.Counter()
        self.minute_errors: collections.Counter[int] = collections.Counter()

    @property
    def key(self):
        return (self.environment, self.entry_service, self.entry_operation, harness.path_string(self.nodes))

    def add(self, entry_start: int, duration_ns: int, error: bool) -> None:
        self.durations_ns.append(duration_ns)
        self.errors += error
        self.minutes[entry_start // (60_000 * MS)] += 1
        self.minute_errors[entry_start // (60_000 * MS)] += error

    def check(self, flow: dict) -> None:
        """Raises harness.Failure where the flow as the server tells it differs."""
        name = f"{self.entry_service} -> {self.entry_operation}"
        n = len(self.durations_ns)
        what = f"flow {name} ({harness.path_string(self.nodes)})"
        harness.expect_equal(f"{what}: name", flow["name"], name)
        harness.expect_equal(f"{what}: graph_path", harness.graph_path(flow), list(self.nodes))
        harness.expect_equal(f"{what}: occurrence_count", flow["occurrence_count"], n)
        harness.expect_equal(f"{what}: test_count", flow["test_count"], self.test_count)
        error_rate = self.errors / n
        average = sum(self.durations_ns) / n / MS
        risk = 0.3 * min(n / 100, 1) + 0.5 * error_rate + 0.2 * min(average / 10000, 1)
        # Exact but for the last bits of a double: the order of additions is the server's own affair.
        for field, expected in (
            ("error_rate", error_rate),
            ("avg_duration_ms", average),
            ("risk_score", risk),
        ):
            harness.expect(
                math.isclose(flow[field], expected, rel_tol=1e-12, abs_tol=1e-15),
                f"{what}: {field}: expected {expected!r}, found {flow[field]!r}",
            )
        p95 = sorted(self.durations_ns)[math.ceil(0.95 * n) - 1] / MS
        harness.expect(
            abs(flow["p95_duration_ms"] - p95) <= 0.01 * p95,
            f"{what}: p95_duration_ms: expected {p95} within 1 %, found {flow['p95_duration_ms']}",
        )
