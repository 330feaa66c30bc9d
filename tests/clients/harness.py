"""What the client tests share: a server of their own, its REST API, patience with a limit, and a tally."""

import base64
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TESTMESH_BINARY", ROOT / "build/release/testmesh"))
# Before a command: the kernel kills it when this process ends, however it ends.
DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"]
DEFAULT_WORKSPACE = "00000000-0000-4000-8000-000000000001"


def use_demo_python() -> None:
    """Goes on in the Python of demo/install.sh, where the packages are, unless this is it."""
    python = ROOT / "demo/.venv/bin/python"
    if not python.exists():
        sys.exit("tests/clients/install.sh has not run yet; run it once")
    if pathlib.Path(sys.prefix) != ROOT / "demo/.venv":
        os.execv(python, [python, *sys.argv])


class Failure(Exception):
    """An expectation did not hold; the text says which, what was expected and what was found."""


def expect(condition: bool, sentence: str) -> None:
    if not condition:
        raise Failure(sentence)


def expect_equal(what: str, found, expected) -> None:
    if found != expected:
        raise Failure(f"{what}: expected {expected!r}, found {found!r}")


def eventually(what: str, attempt, seconds: float, interval: float = 0.2):
    """Calls `attempt` until it raises no Failure and returns its result; after `seconds` the last Failure stands."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Failure as failure:
            if time.monotonic() > deadline:
                raise Failure(f"{what}, after {seconds:g} s: {failure}") from None
        time.sleep(interval)


class Tally:
    """One line per test, and at the end `N passed, N failed`."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def run(self, name: str, test) -> bool:
        started = time.monotonic()
        try:
            test()
        except Failure as failure:
            return self.record(name, str(failure), started)
        except Exception:
            return self.record(name, traceback.format_exc(), started)
        return self.record(name, None, started)

    def record(self, name: str, problem: str | None, started: float) -> bool:
        took = f"({time.monotonic() - started:.1f} s)"
        if problem is None:
            self.passed += 1
            print(f"PASS {name} {took}", flush=True)
            return True
        self.failed += 1
        print(f"FAIL {name} {took}", flush=True)
        print("    " + problem.rstrip().replace("\n", "\n    "), flush=True)
        return False

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        print(f"SKIP {name}: {why}", flush=True)

    def finish(self) -> int:
        if self.skipped:
            print(f"{self.skipped} skipped")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 and self.passed > 0 else 1


class Server:
    """A `testmesh serve` on free ports with a data folder of its own."""

    def __init__(self, *flags: str):
        if not os.access(BINARY, os.X_OK):
            sys.exit(f"{BINARY} is missing: build it, or name another in TESTMESH_BINARY")
        self.flags = flags
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="testmesh-clients."))
        self.process: subprocess.Popen | None = None
        self.starts = 0
        self.keep = "TESTMESH_KEEP" in os.environ  # data and logs, when the server goes

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            self.stop()
        finally:
            if kind is not None or self.keep:
                print(f"the server's data and logs are kept in {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> pathlib.Path:
        return self.folder / f"server-{self.starts}.log"

    def start(self, seconds: float = 60) -> None:
        self.starts += 1
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *DIE_WITH_PARENT,
                    BINARY,
                    "serve",
                    "--listen",
                    "127.0.0.1:0",
                    "--otlp-http",
                    "127.0.0.1:0",
                    *self.grpc_flags(),
                ]
                + ["--data-dir", self.folder / "data", *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually("the server gets ready", self.find_addresses, seconds, 0.05)

    def grpc_flags(self) -> list[str]:
        """Its usual gRPC port may be taken; a server without gRPC may not know the flag."""
        if not hasattr(Server, "grpc"):
            usage = subprocess.run([BINARY, "serve", "--help"], capture_output=True, text=True, check=False)
            Server.grpc = ["--otlp-grpc", "off"] if "--otlp-grpc" in usage.stdout + usage.stderr else []
        return Server.grpc

    def find_addresses(self) -> None:
        """Reads the ports from what the server printed; the one that answers the REST API is the main one."""
        printed = self.log.read_text(errors="replace")
        if self.process.poll() is not None:
            raise SystemExit(f"the server ended with {self.process.returncode}:\n{printed[-4000:]}")
        ports = {int(port) for port in re.findall(r"127\.0\.0\.1:([1-9]\d*)", printed)}
        expect(len(ports) >= 2, f"it printed the ports {sorted(ports)}:\n{printed[-2000:]}")
        main = {port for port in ports if self.status(port, "GET", "/api/v1/workspaces") == 200}
        if len(main) > 1:  # both serve everything: the line that speaks of OTLP tells
            otlp_lines = [line for line in printed.splitlines() if "otlp" in line.lower()]
            main = {port for port in main if not any(f":{port}" in line for line in otlp_lines)} or main
        expect(len(main) >= 1, f"none of {sorted(ports)} answers /api/v1/workspaces")
        self.port = min(main)
        otlp = {port for port in ports - {self.port} if self.status(port, "POST", "/v1/traces") == 200}
        expect(len(otlp) >= 1, f"none of {sorted(ports - {self.port})} takes a POST of no traces")
        self.otlp_port = min(otlp)
        self.url = f"http://127.0.0.1:{self.port}"
        expect_equal("GET /readyz", self.status(self.port, "GET", "/readyz"), 200)

    def status(self, port: int, method: str, path: str) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request(method, path, b"", {"Content-Type": "application/x-protobuf"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("the server did not end within 30 s of SIGTERM") from None
        expect_equal("the server's exit status after SIGTERM", status, 0)


class Api:
    """The REST API of a server. One connection, one thread."""

    def __init__(self, port: int, workspace: str = DEFAULT_WORKSPACE):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.prefix = f"/api/v1/workspaces/{workspace}"

    def get(self, path: str, missing_ok: bool = False, **query):
        """The answer's JSON; None for a 404 when that is fine. Anything else but 200 is a Failure."""
        url = self.prefix + path + ("?" + urllib.parse.urlencode(query) if query else "")
        for attempt in (1, 2):
            try:
                self.connection.request("GET", url)
                response = self.connection.getresponse()
                content = response.read()
                break
            except (http.client.HTTPException, OSError) as error:
                self.connection.close()  # an idle connection may have been closed; a second time it is a fault
                if attempt == 2:
                    raise Failure(f"GET {url}: {type(error).__name__}: {error}") from None
        if response.status == 404 and missing_ok:
            return None
        if response.status != 200:
            raise Failure(f"GET {url}: {response.status} {content[:500]!r}")
        return json.loads(content)

    def put(self, path: str, document: dict) -> dict:
        """Sends JSON; the answer's, which must be a success."""
        body = json.dumps(document)
        self.connection.request("PUT", self.prefix + path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        content = response.read()
        if response.status not in (200, 201, 202):
            raise Failure(f"PUT {path}: {response.status} {content[:500]!r}")
        return json.loads(content)

    def every(self, path: str, what: str, **query) -> list[dict]:
        """All pages of a list."""
        found, cursor = [], {}
        while True:
            page = self.get(path, limit=1000, **query, **cursor)
            found += page[what]
            if not page.get("next_cursor"):
                expect_equal(f"total of {path}", page["total"], len(found))
                return found
            expect(len(page[what]) > 0, f"{path}: an empty page with a next_cursor")
            cursor = {"cursor": page["next_cursor"]}

    def flows(self, **query) -> list[dict]:
        return self.every("/telemetry/flows", "flows", **query)

    def flow(self, flow_id: str) -> dict:
        return self.get(f"/telemetry/flows/{flow_id}")

    def trace_spans(self, trace_id: str) -> list[dict]:
        trace = self.get(f"/telemetry/traces/{trace_id}", missing_ok=True)
        return [] if trace is None else trace["spans"]


def graph_path(flow: dict) -> list[tuple[str, str, str]]:
    return [(node["type"], node["identifier"], node["service"]) for node in flow["graph_path"]]


def path_string(nodes) -> str:
    """`type:identifier` joined with `->`, as the fingerprint sees it."""

    def escaped(identifier: str) -> str:
        return identifier.replace("\\", "\\\\").replace("->", "-\\>")

    return "->".join(f"{node[0]}:{escaped(node[1])}" for node in nodes)


# ---- OTLP by hand -------------------------------------------------------------------------------


def post_traces(connection: http.client.HTTPConnection, body: bytes, content_type: str, path: str) -> int:
    """Posts one request; the status, after the answer was read. Raises what http.client raises."""
    connection.request("POST", path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    response.read()
    return response.status


def otlp_json(request) -> bytes:
    """An ExportTraceServiceRequest in OTLP's JSON, where ids are hex and not base64."""
    from google.protobuf import json_format

    document = json_format.MessageToDict(request, use_integers_for_enums=True)
    for resource_spans in document.get("resourceSpans", []):
        for scope_spans in resource_spans.get("scopeSpans", []):
            for span in scope_spans.get("spans", []):
                for identified in [span, *span.get("links", [])]:
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in identified:
                            identified[key] = base64.b64decode(identified[key]).hex()
    return json.dumps(document).encode()


def seed_from(arguments: list[str]) -> int:
    """The seed a run was given as --seed N, else a new one; printed, so that a failure can be repeated."""
    if "--seed" in arguments:
        seed = int(arguments[arguments.index("--seed") + 1])
    else:
        seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed} (repeat with --seed {seed})", flush=True)
    return seed


def prepare() -> None:
    """What every program here does first."""
    # SIGTERM unwinds as Ctrl-C does: servers are stopped and their folders removed.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    # The tests speak to 127.0.0.1 only; a proxy of the environment must not stand between.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)
