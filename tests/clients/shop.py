"""The demo shop for tests: demo/run.sh with all its parts, and further versions of its services beside them."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

from harness import BINARY, DIE_WITH_PARENT, ROOT, Failure, eventually, expect

DEMO = ROOT / "demo"


class Shop:
    """The demo, running. `address` has the services' URLs by name, `server` TestMesh's."""

    def __init__(self, rate: int = 20):
        self.rate = rate
        self.log = pathlib.Path(tempfile.mkdtemp(prefix="testmesh-shop.")) / "demo.log"
        self.address: dict[str, str] = {}
        self.further: list[subprocess.Popen] = []

    def __enter__(self) -> "Shop":
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [DEMO / "run.sh", "--rate", str(self.rate)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TESTMESH_BINARY": str(BINARY)},
            )
        try:
            eventually("the demo gets ready", self.find_addresses, 120, 0.2)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.stop()
        if kind is not None:
            print(f"the demo's output is kept in {self.log}")

    def find_addresses(self) -> None:
        printed = self.log.read_text(errors="replace")
        if self.process.poll() is not None:
            raise SystemExit(f"the demo ended with {self.process.returncode}:\n{printed[-3000:]}")
        for name in ("order-service", "user-service", "product-service"):
            found = re.search(rf"demo: {name} ready: (http://\S+)", printed)
            expect(found is not None, f"no {name} yet:\n{printed[-500:]}")
            self.address[name] = found.group(1)
        found = re.search(r"demo: server ready: (http://[^,\s]+), OTLP at (http://\S+)", printed)
        expect(found is not None, "no server yet")
        self.server, self.otlp = found.groups()
        found = re.search(r"demo: postgresql ready: (\S+)", printed)
        expect(found is not None, "no database yet")
        self.database = found.group(1)
        expect("a smoke test has passed" in printed, "the customers are not there yet")

    def start_version(self, service: str, variant: str = "", **environment: str) -> str:
        """Another instance of a service, which calls itself the same; its URL."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = {
            "order-service": ["node", "--require", "@opentelemetry/auto-instrumentations-node/register", "app.js"],
            "product-service": [
                *(str(DEMO / ".venv/bin" / name) for name in ("opentelemetry-instrument", "flask")),
                *("--app", "app", "run", "--port", port),
            ],
        }[service]
        log = self.log.parent / f"{service}-{variant}-{port}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, *command],
                cwd=DEMO / service,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "OTEL_SERVICE_NAME": service,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "OTEL_BSP_SCHEDULE_DELAY": "1000",
                    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo,service.version=1.1.0",
                    "OTEL_NODE_RESOURCE_DETECTORS": "env,host,os,process,serviceinstance",
                    "OTEL_NODE_DISABLED_INSTRUMENTATIONS": "dns",
                    "OTEL_PYTHON_EXCLUDED_URLS": "healthz,openapi.json",
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PORT": port,
                    "PGHOST": self.database,
                    "PGUSER": "shop",
                    "PGDATABASE": "shop",
                    "USER_SERVICE_URL": self.address["user-service"],
                    "PRODUCT_SERVICE_URL": self.address["product-service"],
                    "SHOP_VARIANT": variant,
                    **environment,
                },
            )
        self.further.append(process)

        def listens() -> None:
            if process.poll() is not None:
                raise SystemExit(f"{service} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
            except OSError as error:
                raise Failure(str(error)) from None

        eventually(f"{service} {variant} listens", listens, 60, 0.1)
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        for process in self.further:
            process.terminate()
        for process in self.further:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
