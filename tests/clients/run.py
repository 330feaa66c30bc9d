#!/usr/bin/env python3
"""Real clients against the real server: stock OpenTelemetry SDKs of Node, Python and Go.

For each, two services (a shop that asks a stock service) are traced and asked a few times, with the exporter set
  - by OTEL_EXPORTER_OTLP_ENDPOINT alone, as most people do it,
  - by the explicit path /otlp/v1/traces,
  - through a proxy that answers 503 and cuts connections after the server has stored what was sent: nothing may be
    lost and nothing counted twice.
Node also sends JSON, Python also gzip.

run.py [--seed N] [NAME-PART…]: only the tests whose name contains one of the parts.
"""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import Failure, expect, expect_equal
from proxy import Proxy

HERE = pathlib.Path(__file__).resolve().parent
VENV = harness.ROOT / "demo/.venv"
GO_CLIENT = harness.ROOT / "build/clients/go-client"
REGISTER = "@opentelemetry/auto-instrumentations-node/register"
SPAN_PRINTED = re.compile(
    r"""traceId: '(?P<node_trace>[0-9a-f]{32})'.*?\bid: '(?P<node_span>[0-9a-f]{16})'"""  # Node's console exporter
    r"""|"trace_id": "0x(?P<python_trace>[0-9a-f]{32})",\s*"span_id": "0x(?P<python_span>[0-9a-f]{16})\""""  # Python's
    r"""|^span (?P<go_trace>[0-9a-f]{32}) (?P<go_span>[0-9a-f]{16})$""",  # our Go client's processor
    re.DOTALL | re.MULTILINE,
)

# Set for every client, as a test needs them: small batches and metrics often, and each span printed as well as sent.
COMMON_ENVIRONMENT = {
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_TRACES_EXPORTER": "otlp,console",
    "OTEL_NODE_RESOURCE_DETECTORS": "env,host,os,process,serviceinstance",  # no clouds asked
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclasses.dataclass(frozen=True)
class Client:
    name: str
    shop: list  # command of the service that is asked
    stock: list  # command of the service that it asks
    folder: pathlib.Path
    environment: dict
    entry: str  # the shop's operation
    path: list  # of the flow: (operation, which service)
    sends_metrics: bool
    resends_when_cut: bool


CLIENTS = [
    Client(
        name="node",
        shop=["node", "--require", REGISTER, "app.js"],
        stock=["node", "--require", REGISTER, "app.js"],
        folder=HERE / "node",
        environment={},
        entry="GET /api/v1/checkout/:id",
        path=[("GET /api/v1/checkout/:id", "shop"), ("GET /api/v1/stock/:id", "stock")],
        sends_metrics=True,
        resends_when_cut=True,
    ),
    Client(
        name="python",
        shop=[
            VENV / "bin/opentelemetry-instrument",
            VENV / "bin/flask",
            "--app",
            "shop",
            "run",
            "--port",
            "0",
        ],
        stock=[VENV / "bin/opentelemetry-instrument", VENV / "bin/uvicorn", "stock:app", "--port", "0"],
        folder=HERE / "python",
        # Its default is gRPC, whose exporter is not installed.
        environment={"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        entry="GET /api/v1/checkout/:id",
        path=[("GET /api/v1/checkout/:id", "shop"), ("GET /api/v1/stock/:id", "stock")],
        sends_metrics=True,
        resends_when_cut=True,
    ),
    Client(
        name="go",
        shop=[GO_CLIENT],
        stock=[GO_CLIENT],
        folder=HERE,
        environment={},
        entry="GET /api/v1/checkout/:id",
        path=[("GET /api/v1/checkout/:id", "shop"), ("GET /api/v1/stock/:id", "stock")],
        sends_metrics=False,  # traces are all that its code sets up
        resends_when_cut=False,
    ),
]


class Service:
    """A traced process. Its output holds its address and each span that it made."""

    def __init__(self, name: str, command: list, client: Client, environment: dict, output: pathlib.Path):
        self.name = name
        self.output = output  # the spans
        self.errors = output.with_suffix(".err")  # apart, lest a line of it fall into a span
        with open(self.output, "wb") as out, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [*harness.DIE_WITH_PARENT, *command],
                cwd=client.folder,
                env={
                    **os.environ,
                    **COMMON_ENVIRONMENT,
                    **client.environment,
                    **environment,
                    "OTEL_SERVICE_NAME": name,
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )

    def text(self) -> str:
        return self.output.read_text(errors="replace") + self.errors.read_text(errors="replace")

    def wait_ready(self) -> None:
        def answers() -> None:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.name} ended with {self.process.returncode}:\n{self.text()[-2000:]}"
                )
            printed = re.search(r"http://(127\.0\.0\.1:[1-9]\d*)", self.text())
            expect(printed is not None, f"{self.name} printed no address:\n{self.text()[-1000:]}")
            self.address = printed[1]
            expect_equal(f"{self.name}: GET /healthz", ask(self.address, "/healthz"), 200)

        harness.eventually(f"{self.name} gets ready", answers, 90, 0.1)

    def spans_made(self) -> set[tuple[str, str]]:
        """(trace id, span id) of each span that ended."""
        return {
            (
                match["node_trace"] or match["python_trace"] or match["go_trace"],
                match["node_span"] or match["python_span"] or match["go_span"],
            )
            for match in SPAN_PRINTED.finditer(self.output.read_text(errors="replace"))
        }

    def end(self) -> None:
        """Asks it to end, which flushes its last spans."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not end within 40 s of SIGTERM") from None

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def ask(address: str, path: str) -> int | None:
    connection = http.client.HTTPConnection(address, timeout=15)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Scenario:
    """One client in one setting: runs its two services behind a proxy, compares what they made with what is stored."""

    requests = 30
    pause_s = 0.05  # between requests: they span several of the SDKs' batches

    def __init__(
        self,
        server: harness.Server,
        client: Client,
        what: str,
        *,
        port: int,
        plan=(),
        workspace=harness.DEFAULT_WORKSPACE,
    ):
        self.server = server
        self.client = client
        self.prefix = f"{client.name}-{what}"
        self.proxy = Proxy(("127.0.0.1", port), plan)
        self.api = harness.Api(server.port, workspace)
        self.services: dict[str, Service] = {}

    def run(self, exporter_environment: dict) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.proxy.close)
            self.start("stock", self.client.stock, exporter_environment, stack)
            peer = {"PEER_URL": f"http://{self.services['stock'].address}"}
            self.start("shop", self.client.shop, {**exporter_environment, **peer}, stack)
            self.make_requests()
            self.wait_for_the_plan()
            harness.eventually("what is stored is what was made", self.compare_spans, 60)
            harness.eventually("the flow is found", self.check_flow, 60)
            if self.client.sends_metrics:
                harness.eventually("metrics are sent", self.check_metrics, 30)
            for service in self.services.values():
                service.end()
            # Ending flushed the rest, for instance spans of the last metrics exports. Still the same.
            harness.eventually("after the end, what is stored is what was made", self.compare_spans, 30)
            self.check_flow()
            self.check_answers()

    def start(self, role: str, command: list, environment: dict, stack: contextlib.ExitStack) -> None:
        name = f"{self.prefix}-{role}"
        service = Service(name, command, self.client, environment, self.server.folder / f"{name}.log")
        stack.callback(service.kill)
        service.wait_ready()
        self.services[role] = service

    def make_requests(self) -> None:
        for number in range(self.requests):
            expect_equal(
                "GET /api/v1/checkout/…",
                ask(self.services["shop"].address, f"/api/v1/checkout/{number + 1}"),
                200,
            )
            time.sleep(self.pause_s)

    def wait_for_the_plan(self) -> None:
        """Until the proxy has misbehaved as often as it was to: idle clients are asked for more."""

        def done() -> None:
            if self.proxy.planned() == 0:
                return
            expect_equal("GET /healthz", ask(self.services["shop"].address, "/healthz"), 200)
            raise Failure(f"{self.proxy.planned()} steps of the proxy's plan are still to come")

        harness.eventually("the proxy's plan is done", done, 60, 0.5)

    def compare_spans(self) -> None:
        for service in self.services.values():
            made = service.spans_made()
            listed = self.api.every("/telemetry/spans", "spans", service=service.name)
            stored = [(span["trace_id"], span["span_id"]) for span in listed]
            expect_equal(f"{service.name}: spans stored more than once", len(stored) - len(set(stored)), 0)
            missing, foreign = made - set(stored), set(stored) - made
            expect(
                not missing and not foreign,
                f"{service.name}: made {len(made)} spans, stored {len(stored)}; "
                f"missing {sorted(missing)[:3]}, never made {sorted(foreign)[:3]}",
            )
            expect(
                len(made) >= self.requests,
                f"{service.name}: made only {len(made)} spans for {self.requests} requests",
            )

    def check_flow(self) -> None:
        entry_service = self.services["shop"].name
        flows = [
            flow
            for flow in self.api.flows(entry_service=entry_service)
            if flow["entry_operation"] == self.client.entry
        ]
        found = [(harness.graph_path(flow), flow["occurrence_count"]) for flow in flows]
        path = [("api_endpoint", operation, f"{self.prefix}-{role}") for operation, role in self.client.path]
        expect_equal(f"flows of {entry_service} -> {self.client.entry}", found, [(path, self.requests)])
        expect_equal("its error rate", flows[0]["error_rate"], 0)

    def check_metrics(self) -> None:
        posts = [exchange for exchange in self.proxy.seen() if exchange.path.endswith("/v1/metrics")]
        expect(len(posts) > 0, "no metrics were posted")

    def check_answers(self) -> None:
        """Whatever the client sent, traces, metrics or logs, was welcome."""
        refused = [
            exchange for exchange in self.proxy.seen() if exchange.action != "busy" and exchange.status != 200
        ]
        expect_equal("requests that the server did not answer with 200", refused, [])


def endpoint_alone(server: harness.Server, client: Client) -> None:
    scenario = Scenario(server, client, "endpoint", port=server.otlp_port)
    scenario.run({"OTEL_EXPORTER_OTLP_ENDPOINT": scenario.proxy.url})
    paths = {exchange.path for exchange in scenario.proxy.seen()}
    expect("/v1/traces" in paths, f"the client posted to {sorted(paths)}")


def explicit_path(server: harness.Server, client: Client) -> None:
    scenario = Scenario(server, client, "path", port=server.port)
    base = scenario.proxy.url + "/otlp/v1/"
    scenario.run(
        {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": base + "traces",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": base + "metrics",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": base + "logs",
            "OTLP_HOST": scenario.proxy.address,  # for the Go client, which has it in its code
        }
    )
    paths = {exchange.path for exchange in scenario.proxy.seen()}
    expect("/otlp/v1/traces" in paths, f"the client posted to {sorted(paths)}")


def retries(server: harness.Server, client: Client, seed: int) -> None:
    """First busy, then cut, then both in any order. Go waits up to 12 s after each busy: fewer of them for it."""
    rng = random.Random(f"{seed} {client.name}")
    rest = (
        ["busy", "cut", "cut", "pass", "pass"] if client.resends_when_cut else ["cut", "cut", "pass", "pass"]
    )
    rng.shuffle(rest)
    plan = ["busy", "cut", *rest]
    scenario = Scenario(server, client, "retries", port=server.otlp_port, plan=plan)
    scenario.pause_s = 0.15
    scenario.run({"OTEL_EXPORTER_OTLP_ENDPOINT": scenario.proxy.url})
    posts = [exchange for exchange in scenario.proxy.seen() if exchange.path.endswith("/v1/traces")]
    for action in ("busy", "cut"):
        met = [exchange.action for exchange in posts].count(action)
        expect_equal(f"posts that met '{action}'", met, plan.count(action))
    # The cuts did what they are for: what the server had stored came again.
    if client.resends_when_cut:
        cut = {exchange.body for exchange in posts if exchange.action == "cut"}
        again = {exchange.body for exchange in posts if exchange.action == "pass"}
        expect(len(cut & again) > 0, "the client resent nothing after its connections were cut")


def json_encoding(server: harness.Server, client: Client) -> None:
    scenario = Scenario(server, client, "json", port=server.otlp_port)
    scenario.run(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": scenario.proxy.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    )


def gzip_base_path(server: harness.Server, client: Client) -> None:
    scenario = Scenario(server, client, "gzip", port=server.otlp_port)
    scenario.run(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": scenario.proxy.url + "/otlp",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
    )


def tests_of(client: Client, server: harness.Server, seed: int) -> list[tuple[str, object]]:
    tests = [
        ("by OTEL_EXPORTER_OTLP_ENDPOINT alone", lambda: endpoint_alone(server, client)),
        ("by the path /otlp/v1/traces", lambda: explicit_path(server, client)),
        ("nothing lost or doubled through 503s and cut connections", lambda: retries(server, client, seed)),
    ]
    if client.name == "node":
        tests.append(("as JSON", lambda: json_encoding(server, client)))
    if client.name == "python":
        tests.append(("with gzip, below /otlp", lambda: gzip_base_path(server, client)))
    return [(f"{client.name}: {what}", test) for what, test in tests]


def main() -> int:
    harness.prepare()
    seed = harness.seed_from(sys.argv)
    arguments = sys.argv[1:]
    if "--seed" in arguments:
        del arguments[arguments.index("--seed") : arguments.index("--seed") + 2]
    wanted = [part.lower() for part in arguments]
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", "2s") as server:

        def run_client(client: Client) -> None:
            for name, test in tests_of(client, server, seed):
                if wanted and not any(part in name.lower() for part in wanted):
                    continue
                if client.name == "go" and not GO_CLIENT.exists():
                    tally.skip(name, "install.sh found no Go that can build the client")
                else:
                    tally.run(name, test)

        # The clients mostly wait, for timers and retries: side by side.
        threads = [threading.Thread(target=run_client, args=(client,), daemon=True) for client in CLIENTS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.keep |= tally.failed > 0
    return tally.finish()


if __name__ == "__main__":
    harness.use_demo_python()
    sys.exit(main())
