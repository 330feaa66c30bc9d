#!/usr/bin/env python3
"""What no client should send, and what no disk should do: the server says so in the right status and stays up.

One server takes every bad request and a trace nobody expects; others are started on a folder that is taken,
not writable, or on a disk that runs full.
"""

import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import harness

if __name__ == "__main__":
    harness.use_demo_python()

import telemetry
from harness import eventually, expect, expect_equal
from telemetry import MS, Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOW = time.time_ns()


def span(trace: int, number: int, parent: int = 0, name: str = "GET /orders", **more) -> Span:
    """A server span of `shop`, or below it code of its own."""
    attributes = {"http.request.method": "GET", "http.route": "/orders"} if parent == 0 else {}
    return Span(
        trace.to_bytes(16, "big"),
        number.to_bytes(8, "big"),
        parent.to_bytes(8, "big") if parent else b"",
        more.get("service", "shop"),
        name,
        telemetry.SERVER if parent == 0 else telemetry.INTERNAL,
        NOW + number,
        NOW + 10 * MS + number,
        more.get("attributes", attributes),
    )


def encoded(*spans: Span) -> bytes:
    return telemetry.request_of(list(spans)).SerializeToString()


class Client:
    def __init__(self, server: harness.Server):
        self.server = server
        self.api = harness.Api(server.port)

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = PROTOBUF, **headers):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(
                method,
                path,
                body,
                {"Content-Type": content_type} | {k.replace("_", "-"): v for k, v in headers.items()},
            )
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, body: bytes, content_type: str = PROTOBUF, **headers) -> int:
        return self.send("POST", "/v1/traces", body, content_type, **headers)[0]

    def expect_status(self, what: str, expected: int, body: bytes, content_type: str = PROTOBUF, **headers):
        expect_equal(what, self.post(body, content_type, **headers), expected)

    def raw(self, sent: bytes) -> bytes:
        """What comes back for these bytes and a closed sending side."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received


# ---- bad requests -------------------------------------------------------------------------------


class BadRequests(Client):
    def bodies(self) -> None:
        good = encoded(span(1, 1))
        self.expect_status("an empty body", 200, b"")
        self.expect_status("an empty JSON body", 200, b"", JSON)
        self.expect_status("garbage", 400, b"\xff\xfe\xfd this is no protobuf")
        for size in range(1, len(good)):  # cut off anywhere, it is refused whole or holds no span
            status = self.post(good[:size])
            expect(status in (200, 400), f"a request cut at byte {size} of {len(good)}: {status}")
        self.expect_status("JSON that is none", 400, b'{"resourceSpans": [', JSON)
        self.expect_status("a JSON list", 400, b"[]", JSON)
        self.expect_status("JSON with invalid UTF-8", 400, b'{"resourceSpans": [{"schemaUrl": "\xff"}]}', JSON)
        self.expect_status("100,000 lists in each other", 400, b"[" * 100_000 + b"]" * 100_000, JSON)
        nested = b'{"arrayValue":{"values":[' * 50_000 + b"]}}" * 50_000
        deep = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":' + nested + b"}]}}]}"
        self.expect_status("50,000 values in each other", 400, deep, JSON)
        chain = b""
        for _ in range(10_000):
            chain = b"\x0a" + varint(len(chain)) + chain
        self.expect_status("10,000 messages in each other", 400, chain)
        status, _, body = self.send("POST", "/v1/traces", b"\xff\xfe secret")
        expect(b"secret" not in body, "an error quotes the request's bytes")

    def types_and_encodings(self) -> None:
        good = encoded(span(1, 1))
        self.expect_status("a text", 415, good, "text/plain")
        self.expect_status("no type", 415, good, "")
        self.expect_status("an unknown encoding", 415, good, Content_Encoding="br")
        self.expect_status("gzip that is none", 400, good, Content_Encoding="gzip")
        self.expect_status("gzip cut off", 400, gzip.compress(good)[:-9], Content_Encoding="gzip")
        self.expect_status("gzip", 200, gzip.compress(good), Content_Encoding="GZIP")
        self.expect_status("deflate", 200, zlib.compress(good), Content_Encoding="deflate")
        started = time.monotonic()
        bomb = gzip.compress(bytes(1 << 28), 9)
        self.expect_status("a gzip bomb", 413, bomb, Content_Encoding="gzip")
        expect(time.monotonic() - started < 15, "a gzip bomb takes long to refuse")
        expect_equal("GET", self.send("GET", "/v1/traces")[0], 405)

    def workspaces(self) -> None:
        good = encoded(span(1, 1))
        self.expect_status("a malformed workspace", 400, good, X_Workspace_ID="no-uuid")
        unknown = "11111111-1111-4111-8111-111111111111"
        self.expect_status("an unknown workspace", 404, good, X_Workspace_ID=unknown)
        self.expect_status("an empty workspace header", 200, good, X_Workspace_ID="")
        status = self.send("GET", f"/api/v1/workspaces/{unknown}/telemetry/flows")[0]
        expect_equal("flows of an unknown workspace", status, 404)

    def half_requests(self) -> None:
        for sent in (
            b"POST",
            b"POST /v1/traces HTTP/1.1\r\nHost: x",
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
            os.urandom(10_000),
        ):
            answer = self.raw(sent)
            expect(not answer.startswith(b"HTTP/1.1 2"), f"{sent[:60]!r} is answered {answer[:60]!r}")
        self.expect_status("a good request after them", 200, encoded(span(1, 1)))


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


# ---- strange spans ------------------------------------------------------------------------------


class StrangeSpans(Client):
    def rejected(self) -> None:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        bad = [span(2, 1) for _ in range(6)]
        bad[1].trace_id = bytes(16)
        bad[2].span_id = bytes(8)
        bad[3].trace_id = b"short"
        bad[4].span_id = b""
        bad[5].end = bad[5].start - 1
        status, _, body = self.send("POST", "/v1/traces", encoded(*bad))
        expect_equal("status", status, 200)
        answer = trace_service_pb2.ExportTraceServiceResponse.FromString(body)
        expect_equal("rejected spans", answer.partial_success.rejected_spans, 5)
        expect_equal("stored spans", len(self.api.trace_spans(bad[0].trace_id.hex())), 1)

    def cycle(self) -> None:
        ids = [(3, 1, 3), (3, 2, 1), (3, 3, 2), (3, 4, 4)]  # three in a circle, one its own parent
        self.expect_status("a cycle", 200, encoded(*[span(*numbers) for numbers in ids]))
        trace = eventually("the cycle is complete", lambda: self.complete(3), 10)
        expect_equal("spans of the cycle", len(trace["spans"]), 4)

    def complete(self, trace: int) -> dict:
        found = self.api.get(f"/telemetry/traces/{trace:032x}")
        expect(found["complete"], f"trace {trace} is open")
        return found

    def values(self) -> None:
        big = span(4, 1, attributes={"huge": "x" * 1_000_000})
        self.expect_status("an attribute of 1 MB", 200, encoded(big))
        stored = self.api.trace_spans(f"{4:032x}")
        expect_equal("its value", stored[0]["attributes"]["huge"], "x" * 1_000_000)
        # A name that is no UTF-8: protobuf says no, and an answer in JSON must stay JSON.
        broken = encoded(span(5, 1, name="NAME")).replace(b"NAME", b"\xff\xfeNM")
        expect(self.post(broken) in (200, 400), "a name that is no UTF-8")
        self.api.get(f"/telemetry/traces/{5:032x}", missing_ok=True)

    def wide(self) -> None:
        """200,000 children of one span, in requests of 20,000."""
        for first in range(2, 200_002, 20_000):
            children = [span(6, number, 1, "step") for number in range(first, first + 20_000)]
            self.expect_status("20,000 children", 200, encoded(*children))
        self.expect_status("their parent", 200, encoded(span(6, 1)))
        started = time.monotonic()

        def counted() -> None:
            page = self.api.get("/telemetry/traces", limit=1000)
            spans = {trace["trace_id"]: trace for trace in page["traces"]}.get(f"{6:032x}")
            expect(spans is not None and spans["complete"], "the wide trace is open")
            expect_equal("its spans", spans["span_count"], 200_001)

        eventually("the wide trace is complete", counted, 30)
        expect(time.monotonic() - started < 30, "the wide trace takes long")

    def still_fine(self) -> None:
        expect_equal("GET /readyz", self.server.status(self.server.port, "GET", "/readyz"), 200)
        metrics = self.send("GET", "/metrics")[2].decode()
        lost = re.search(r"^testmesh_lost_rows_total (\S+)", metrics, re.M)
        expect_equal("testmesh_lost_rows_total", float(lost.group(1)), 0)


# ---- settings -----------------------------------------------------------------------------------


class Settings(Client):
    def put(self, **settings) -> None:
        status, _, body = self.send(
            "PUT", f"{self.api.prefix}/settings/telemetry", json.dumps(settings).encode(), JSON
        )
        expect_equal(f"PUT of {settings}: {body[:200]!r}", status, 200)

    def disabled(self) -> None:
        self.put(enabled=False)
        self.expect_status("ingest of a disabled workspace", 403, encoded(span(7, 1)))
        self.put(enabled=True)
        self.expect_status("ingest of an enabled one", 200, encoded(span(7, 1)))

    def uncounted(self) -> None:
        def counts() -> dict:
            return {flow["name"]: flow["occurrence_count"] for flow in self.api.flows()}

        self.put(auto_discovery=False, trace_idle_timeout_ms=200)
        off = span(8, 1, service="off", attributes={"http.request.method": "GET", "http.route": "/off"})
        self.expect_status("a trace", 200, encoded(off))
        eventually("it is complete", lambda: expect(self.api.get(f"/telemetry/traces/{8:032x}")["complete"], "open"), 10)
        self.put(auto_discovery=True)
        on = span(9, 1, service="on", attributes={"http.request.method": "GET", "http.route": "/on"})
        self.expect_status("a trace", 200, encoded(on))
        eventually("the other counts", lambda: expect("on -> GET /on" in counts(), f"{counts()}"), 10)
        expect("off -> GET /off" not in counts(), "a trace that completed while discovery was off counts")


# ---- starting and stopping ----------------------------------------------------------------------


def serve(*flags, prefix=(), seconds: float = 20) -> tuple[int, str]:
    """A server that must end by itself: its status and what it said."""
    done = subprocess.run(
        [*prefix, *harness.DIE_WITH_PARENT, harness.BINARY, "serve", *flags],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def refused(what: str, *flags, status: int, says: str, prefix=()) -> None:
    code, said = serve(*flags, prefix=prefix)
    expect_equal(f"exit status of {what} ({said.strip()[:300]})", code, status)
    expect(says in said, f"{what} says {said.strip()!r}, nothing of {says!r}")


def second_server(server: harness.Server) -> None:
    free = ["--listen", "127.0.0.1:0", "--otlp-http", "off"]
    refused("a second server on the folder", *free, "--data-dir", server.folder / "data", status=1, says="in use")
    other = server.folder / "other"
    taken = ["--listen", f"127.0.0.1:{server.port}", "--otlp-http", "off", "--data-dir", other]
    refused("a server on a taken port", *taken, status=1, says=str(server.port))
    refused("an address beyond loopback", "--listen", "0.0.0.0:0", "--data-dir", other, status=1, says="loopback")


def bad_flags(server: harness.Server) -> None:
    refused("an unknown flag", "--no-such-flag", status=2, says="no-such-flag")
    refused("a bad duration", "--trace-idle-timeout", "soon", status=2, says="soon")
    refused("too many shards", "--shards", "1000", status=2, says="--shards")
    refused("a missing file", "--config", "/nonexistent.yaml", status=2, says="/nonexistent.yaml")


def unwritable(server: harness.Server) -> None:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="testmesh-clients."))
    try:
        folder.chmod(0o555)
        become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"] if os.geteuid() == 0 else []
        flags = ["--listen", "127.0.0.1:0", "--otlp-http", "off", "--data-dir", folder / "data"]
        if become and subprocess.run([*become, harness.BINARY, "--help"], capture_output=True, check=False).returncode != 0:
            raise harness.Failure(f"{harness.BINARY} cannot be run as another user: put it where everybody may pass")
        refused("a folder that may not be written", *flags, prefix=become, status=1, says="cannot be")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Traces of one span each from several threads; who was acknowledged."""

    def __init__(self, port: int, first: int, threads: int = 4):
        self.port = port
        self.acknowledged: set[int] = set()
        self.statuses: dict[int, int] = {}
        self.retry_after: set[str | None] = set()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(first + index * 1_000_000,), daemon=True)
            for index in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    def run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self.stopping.is_set():
            number += 1
            one = span(number, 1)
            one.attributes = dict(one.attributes, padding=os.urandom(10_000).hex())
            try:
                connection.request("POST", "/v1/traces", encoded(one), {"Content-Type": PROTOBUF})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if self.stopping.wait(0.02):
                    return
                continue
            with self.lock:
                self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
                if response.status == 200:
                    self.acknowledged.add(number)
                else:
                    self.retry_after.add(response.headers.get("Retry-After"))

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def everything_is_there_once(server: harness.Server, acknowledged: set[int]) -> None:
    api = harness.Api(server.port)
    for number in acknowledged:
        expect_equal(f"spans of trace {number}", len(api.trace_spans(f"{number:032x}")), 1)

    def counted() -> None:
        count = sum(flow["occurrence_count"] for flow in api.flows())
        # One that was not acknowledged may be there: its answer was lost.
        expect(len(acknowledged) <= count <= len(acknowledged) + 8, f"{count} counted, {len(acknowledged)} acknowledged")

    eventually("each is counted once", counted, 15)


def stopped_under_load() -> None:
    with harness.Server("--trace-idle-timeout", "200ms", "--shards", "2") as server:
        load = Load(server.port, 1_000_000)
        eventually("some are acknowledged", lambda: expect(len(load.acknowledged) > 50, "too few"), 20, 0.02)
        server.stop()  # expects the exit status 0
        load.stop()
        server.flags = ("--trace-idle-timeout", "200ms", "--shards", "5")
        server.start()
        everything_is_there_once(server, load.acknowledged)


class FullDisk:
    MIB = 200  # two journal files, the documents, and a little more

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="testmesh-full."))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.MIB}m", "tmpfs", self.folder], capture_output=True, text=True, check=False
        )
        self.problem = mounted.stderr.strip() if mounted.returncode else None

    def close(self) -> None:
        if self.problem is None:
            subprocess.run(["umount", "-l", self.folder], check=False)
        self.folder.rmdir()

    def fill(self) -> None:
        with open(self.folder / "filler", "ab", 0) as filler:
            try:
                while filler.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass

    def run(self) -> None:
        server = harness.Server("--trace-idle-timeout", "200ms")
        (self.folder / "data").mkdir()
        (server.folder / "data").symlink_to(self.folder / "data")  # its log stays on a disk with room
        with server:
            load = Load(server.port, 1_000_000)
            eventually("some are acknowledged", lambda: expect(len(load.acknowledged) > 20, "too few"), 20, 0.02)
            self.fill()
            eventually("ingest is refused", lambda: expect(load.statuses.get(503, 0) > 3, f"{load.statuses}"), 30, 0.05)
            expect_equal("statuses", set(load.statuses) - {200, 503}, set())
            expect(load.retry_after <= {"1", "2", "3", "4", "5"}, f"Retry-After is {load.retry_after}")
            api = harness.Api(server.port)
            api.flows()  # questions are answered
            expect_equal("GET /readyz", server.status(server.port, "GET", "/readyz"), 503)
            expect_equal("GET /healthz", server.status(server.port, "GET", "/healthz"), 200)
            (self.folder / "filler").unlink()
            before = len(load.acknowledged)
            eventually(
                "ingest goes on when there is space", lambda: expect(len(load.acknowledged) > before + 20, "it does not"), 20, 0.05
            )
            load.stop()
            everything_is_there_once(server, load.acknowledged)
            server.kill()
            server.start()
            everything_is_there_once(server, load.acknowledged)


def main() -> int:
    harness.prepare()
    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", "1s") as server:
        bad = BadRequests(server)
        tally.run("robustness: bad bodies are refused", bad.bodies)
        tally.run("robustness: content types and encodings", bad.types_and_encodings)
        tally.run("robustness: malformed and unknown workspaces", bad.workspaces)
        tally.run("robustness: half requests and noise", bad.half_requests)
        strange = StrangeSpans(server)
        tally.run("robustness: bad spans are rejected one by one", strange.rejected)
        tally.run("robustness: a cycle of parents", strange.cycle)
        tally.run("robustness: huge and broken values", strange.values)
        tally.run("robustness: 200,000 children of one span", strange.wide)
        settings = Settings(server)
        tally.run("robustness: a disabled workspace takes nothing", settings.disabled)
        tally.run("robustness: auto_discovery off counts nothing", settings.uncounted)
        tally.run("robustness: a folder or port that is taken", lambda: second_server(server))
        tally.run("robustness: bad flags", lambda: bad_flags(server))
        tally.run("robustness: a folder that may not be written", lambda: unwritable(server))
        tally.run("robustness: still ready, no row lost", strange.still_fine)
        server.keep |= tally.failed > 0
    tally.run("robustness: SIGTERM under load, then another --shards", stopped_under_load)
    disk = FullDisk()
    try:
        if disk.problem:
            tally.skip("robustness: a full disk", f"no small disk can be mounted here ({disk.problem})")
        else:
            tally.run("robustness: a full disk", disk.run)
    finally:
        disk.close()
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
