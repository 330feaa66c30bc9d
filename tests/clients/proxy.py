"""A TCP proxy that understands just enough HTTP/1.1 to misbehave as networks and busy servers do.

It stands between a client and the server, notes what was asked and answered, and does with each
POST of traces what its plan says:

    "pass"   forwards it and the answer
    "busy"   answers 503 with Retry-After: 1; the server sees nothing
    "cut"    forwards it, waits for the server's whole answer, then closes the connection without passing it on:
             the client cannot know whether the server has the spans

After the plan everything passes. Other requests always pass.
"""

import dataclasses
import hashlib
import socket
import threading

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 4\r\n\r\nbusy"
)


@dataclasses.dataclass
class Exchange:
    method: str
    path: str
    action: str
    status: int  # what the server (or, when busy, the proxy) answered
    body: str  # a hash of what was posted: the same again when a client resends


class Closed(Exception):
    """The other side ended the connection where a message could begin."""


class Message:
    """One HTTP message as it came: the bytes, the first line, the headers in lower case, the body without framing."""

    def __init__(self, raw: bytes, first_line: str, headers: dict[str, str], body: bytes):
        self.raw = raw
        self.body = body
        self.first_line = first_line
        self.headers = headers

    @property
    def keeps_open(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


def read_message(stream, answer: bool) -> Message:
    first = stream.readline()
    if not first:
        raise Closed
    raw = [first]
    headers = {}
    while True:
        line = stream.readline()
        raw.append(line)
        if line in (b"\r\n", b"\n", b""):
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size_line = stream.readline()
            size = int(size_line.split(b";")[0] or b"0", 16)
            chunk = read_exactly(stream, size)
            raw += [size_line, chunk, stream.readline()]
            body += chunk
            if size == 0:
                break
    else:
        if "content-length" in headers:
            body = read_exactly(stream, int(headers["content-length"]))
        elif answer and first.split()[1] not in (b"204", b"304"):
            body = stream.read()  # until the end of the connection
        raw.append(body)
    return Message(b"".join(raw), first.decode("latin-1").strip(), headers, body)


def read_exactly(stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise ConnectionError(f"the message ended after {len(data)} of {size} bytes")
    return data


class Proxy:
    """Listens on a port of its own until `close`; a thread per connection."""

    def __init__(self, upstream: tuple[str, int], plan: list[str] = ()):
        self.upstream = upstream
        self.lock = threading.Lock()
        self.plan = list(plan)
        self.exchanges: list[Exchange] = []
        self.connections: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = "http://" + self.address
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                connection.close()

    def seen(self) -> list[Exchange]:
        with self.lock:
            return list(self.exchanges)

    def planned(self) -> int:
        """How much of the plan is still to come."""
        with self.lock:
            return len(self.plan)

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with self.lock:
            self.connections.add(client)
        server = None
        try:
            incoming = client.makefile("rb")
            while True:
                request = read_message(incoming, answer=False)
                if request.headers.get("expect", "").lower() == "100-continue":
                    raise ConnectionError("the proxy does not know Expect: 100-continue")
                method, path, _ = request.first_line.split(" ")
                action = self.next_action(method, path)
                if action == "busy":
                    self.note(method, path, action, 503, request.body)
                    client.sendall(BUSY)
                    continue
                # A new connection each time: one that the server closed while idle would look like a cut.
                server = socket.create_connection(self.upstream, timeout=30)
                server.sendall(request.raw)
                answer = read_message(server.makefile("rb"), answer=True)
                server.close()
                server = None
                self.note(method, path, action, int(answer.first_line.split(" ")[1]), request.body)
                if action == "cut":
                    return
                client.sendall(answer.raw)
                if not (request.keeps_open and answer.keeps_open):
                    return
        except (Closed, OSError):
            pass  # either side went away: so does the other
        finally:
            for connection in (client, server):
                if connection is not None:
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                    connection.close()
            with self.lock:
                self.connections.discard(client)

    def next_action(self, method: str, path: str) -> str:
        if method != "POST" or not path.endswith("/v1/traces"):
            return "pass"
        with self.lock:
            return self.plan.pop(0) if self.plan else "pass"

    def note(self, method: str, path: str, action: str, status: int, body: bytes) -> None:
        with self.lock:
            self.exchanges.append(Exchange(method, path, action, status, hashlib.sha256(body).hexdigest()))
