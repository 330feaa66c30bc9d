#!/usr/bin/env python3
"""The Order Flow against the demo shop: it passes; and with a bad version of a service it fails, naming what is bad."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from harness import BINARY, ROOT, Api, Failure, Tally, eventually, expect, expect_equal, prepare, use_demo_python
from shop import Shop

FLOW = ROOT / "examples/order-flow.yaml"
PRODUCT = {"type": "api_endpoint", "identifier": "GET /api/v1/products/:id", "service": "product-service"}


class Run:
    """`testmesh run` of one file: exit code, output, the JSON report."""

    def __init__(self, file: pathlib.Path, *flags: str, server: str = ""):
        with tempfile.TemporaryDirectory(prefix="testmesh-run.") as folder:
            report = pathlib.Path(folder) / "run.json"
            command = [str(BINARY), "run", str(file), "--report", f"json={report}", *flags]
            environment = {name: value for name, value in os.environ.items() if name != "TESTMESH_SERVER"}
            done = subprocess.run(
                command + (["--server", server] if server else []),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env=environment,
            )
            self.code, self.out = done.returncode, done.stdout + done.stderr
            self.report = json.loads(report.read_text()) if report.exists() else None
        self.execution = self.report["executions"][0] if self.report else None
        self.validation = self.execution["trace_validation"] if self.execution else None

    def must(self, code: int, status: str) -> None:
        expect(self.execution is not None, f"no report:\n{self.out}")
        expect_equal(f"exit code, status of\n{self.out}\n", (self.code, self.execution["status"]), (code, status))

    def says(self, sentence: str) -> None:
        expect(sentence in self.out, f"{sentence!r} is not in:\n{self.out}")


def only_finds(run: Run, **expected: int) -> None:
    """Nothing is wrong with the trace but what is named. Slow spans only warn: this machine promises no times."""
    lists = ("missing_nodes", "unexpected_nodes", "order_violations", "failed_assertions")
    found = {name: len(run.validation[name]) for name in lists}
    found["error_spans"] = sum(not span["allowed"] for span in run.validation["error_spans"])
    expect_equal(f"findings in\n{run.out}\n", {k: v for k, v in found.items() if v}, expected)


def main() -> int:
    prepare()
    use_demo_python()
    tally = Tally()
    with Shop() as shop:
        api = Api(int(shop.server.rsplit(":", 1)[1]))

        def order_flow(*flags: str, service: str) -> Run:
            return Run(FLOW, "--env", f"order_service={service}", *flags, server=shop.server)

        def enough_traffic() -> None:
            flows = [f for f in api.flows() if f["entry_operation"] == "POST /api/v1/orders" and f["occurrence_count"] >= 60]
            expect(len(flows) > 0, "no flow of an order has been seen 60 times")

        api.put("/settings/telemetry", {"default_timeout_ms": 8000})  # how long a missing node is waited for
        eventually("customers have ordered often enough for a baseline", enough_traffic, 90)
        order = shop.address["order-service"]

        def passes() -> None:
            run = order_flow(service=order)
            run.must(0, "passed")
            expect_equal("path_status", run.validation["path_status"], "match")
            expect_equal("expected_from", run.validation["expected_from"], "yaml")
            only_finds(run)
            run.says("1 passed, 0 failed")

        tally.run("the Order Flow passes", passes)

        def removed() -> None:
            run = order_flow(service=shop.start_version("order-service", "remembered-prices"))
            run.must(1, "failed")
            expect_equal("every step passed", {s["status"] for s in run.execution["steps"]}, {"passed"})
            expect_equal("missing_nodes", run.validation["missing_nodes"], [PRODUCT])
            # Spans that never come could still prove the assertions right: undecided, while the node is missing.
            only_finds(run, missing_nodes=1)
            undecided = {found["expression"] for found in run.validation["inconclusive_assertions"]}
            expect("trace.calls('order-service', 'product-service')" in undecided, f"undecided: {undecided}")
            run.says("did not come: api_endpoint GET /api/v1/products/:id (product-service)")

        tally.run("without the call of product-service it fails and names the call", removed)

        def reordered() -> None:
            run = order_flow(service=shop.start_version("order-service", "prices-first"))
            run.must(1, "failed")
            violation = run.validation["order_violations"][0]
            expect_equal("expected before", violation["before"]["identifier"], "GET /api/v1/users/:id")
            expect_equal("expected after", violation["after"], PRODUCT)
            only_finds(run, order_violations=1, failed_assertions=1)
            expect_equal(
                "the assertion",
                run.validation["failed_assertions"][0]["expression"],
                "trace.before('user-service', 'product-service')",
            )

        tally.run("with product-service asked first it fails and names the order", reordered)

        def slow() -> None:
            products = shop.start_version("product-service", "slow")
            service = shop.start_version("order-service", PRODUCT_SERVICE_URL=products)
            with tempfile.TemporaryDirectory(prefix="testmesh-slow.") as folder:
                file = pathlib.Path(folder) / "order-flow.yaml"
                file.write_text(FLOW.read_text().replace("performance: warn", "performance: fail"))
                run = Run(file, "--env", f"order_service={service}", server=shop.server)
            run.must(1, "failed")
            expect_equal("path_match", run.validation["path_match"], True)
            only_finds(run)
            run.says("slow: product-service GET /api/v1/products/:id took 1.5")

        tally.run("with a slow product-service it fails and names the slow spans", slow)

        def failing() -> None:
            products = shop.start_version("product-service", "failing")
            run = order_flow(service=shop.start_version("order-service", PRODUCT_SERVICE_URL=products))
            run.must(1, "failed")
            errors = {(s["service"], s["operation"]) for s in run.validation["error_spans"]}
            expect(("product-service", "GET /api/v1/products/:id") in errors, f"error spans: {errors}")
            run.says(f"{FLOW}:22:11: step create_order: status == 201: actual 502, expected 201")

        tally.run("with a failing product-service it fails and names the failed spans", failing)

        def exported(mode: str) -> None:
            flows = [f for f in api.flows() if f["entry_operation"] == "GET /api/v1/orders/:id" and f["error_rate"] == 0]
            expect(len(flows) > 0, "no flow that reads an order")
            done = subprocess.run(
                [BINARY, "flows", "export", flows[0]["id"], "--mode", mode, "--server", shop.server],
                capture_output=True,
                text=True,
                check=False,
            )
            expect_equal(f"exit code of flows export: {done.stderr}", done.returncode, 0)
            with tempfile.TemporaryDirectory(prefix="testmesh-export.") as folder:
                file = pathlib.Path(folder) / "exported.yaml"
                file.write_text(done.stdout)
                checked = subprocess.run([BINARY, "validate", file], capture_output=True, text=True, check=False)
                expect_equal(f"validate: {checked.stdout}{done.stdout}", checked.returncode, 0)
                if mode == "trace":
                    run = Run(file, "--env", f"base_url={order}", server=shop.server)
                    expect_equal(f"exit code of\n{done.stdout}\n{run.out}", run.code, 0)

        tally.run("a discovered flow, exported by its steps, is valid", lambda: exported("steps"))
        tally.run("a discovered flow, exported by its trace, is valid and passes", lambda: exported("trace"))

        def execution(**body) -> dict:
            request = urllib.request.Request(
                f"{shop.server}{api.prefix}/executions",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                started = json.load(answer)

            def over() -> dict:
                now = api.get(f"/executions/{started['id']}")
                expect(now["status"] not in ("pending", "running"), f"it is {now['status']}")
                return now

            return eventually("the execution ends", over, 60, 0.1)

        def foreign() -> None:
            """A plain request with a traceparent, as curl sends it, judged by a flow that runs no step."""
            trace_id, parent = os.urandom(16).hex(), os.urandom(8).hex()
            request = urllib.request.Request(
                f"{order}/api/v1/orders",
                json.dumps({"user_id": 2, "product_ids": [2, 3]}).encode(),
                {"Content-Type": "application/json", "traceparent": f"00-{trace_id}-{parent}-01"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                expect_equal("status", answer.status, 201)
            expects = """
flow:
  name: An order by curl
  steps:
    - {id: order, action: log, config: {message: done by curl}}
  trace:
    performance: warn
    expected_path: ["api_endpoint:POST /api/v1/orders", "api_endpoint:GET /api/v1/users/:id",
                    "api_endpoint:GET /api/v1/products/:id", "database:shop"]
  trace_assert: ["trace.spans_of('product-service') | len == %d"]
"""
            good = execution(trace_id=trace_id, parent_span_id=parent, flow=expects % 2)
            verdict = api.get(f"/executions/{good['id']}/trace-validation")
            expect_equal(f"status by {verdict}", good["status"], "passed")
            expect_equal("kind", good["kind"], "trace")
            bad = execution(trace_id=trace_id, parent_span_id=parent, flow=expects % 3)
            expect_equal("status of a wrong expectation", bad["status"], "failed")
            verdict = api.get(f"/executions/{bad['id']}/trace-validation")
            expect_equal("actual and expected", [(f["actual"], f["expected"]) for f in verdict["failed_assertions"]], [(2, 3)])

        tally.run("a plain request with a traceparent is validated by its trace id", foreign)

        def by_pytest() -> None:
            """A test with the stock Python SDK, whose HTTP client is instrumented."""
            code = f"""
import requests
from opentelemetry import trace
with trace.get_tracer("shop-test").start_as_current_span("testmesh.execution") as span:
    answer = requests.get("{shop.address['product-service']}/api/v1/products", timeout=10)
    assert answer.status_code == 200
    print(format(span.get_span_context().trace_id, "032x"))
"""
            done = subprocess.run(
                [ROOT / "demo/.venv/bin/opentelemetry-instrument", sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=False,
                env={
                    **os.environ,
                    "OTEL_SERVICE_NAME": "shop-test",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": shop.otlp,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                },
            )
            expect_equal(f"exit code: {done.stderr[-1500:]}", done.returncode, 0)
            flow = """
flow:
  name: Products are listed
  steps: [{id: list, action: log, config: {message: done by a test}}]
  trace_assert: ["trace.span('product-service/GET /api/v1/products') exists", "not trace.has_error"]
"""
            ended = execution(trace_id=done.stdout.strip().splitlines()[-1], flow=flow)
            verdict = api.get(f"/executions/{ended['id']}/trace-validation")
            expect_equal(f"status by {json.dumps(verdict)[:2000]}", ended["status"], "passed")

        tally.run("the trace of a Python test is validated by its trace id", by_pytest)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
