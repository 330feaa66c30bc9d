"""Random traces through the program and through reference.py: the flows must agree.

    compare.py [--seed N] [--cases N] [--traces N] [--show N]

Each case is one file of traces given to `testmesh analyze --output json`
($TESTMESH_BINARY). A difference is reduced to the fewest spans that still show
it and printed. The last line is "N passed, N failed"; the seed is printed first.
"""

import argparse
import calendar
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference  # noqa: E402
from reference import CLIENT, CONSUMER, INTERNAL, MS, PRODUCER, SERVER, Span  # noqa: E402

SERVICES = ["shop", "users", "stock", "shop", "users", None]
BASE = 1_790_000_000_000_000_000
ROUTES = ["/users/{id}", "/users/:id", "users/<int:id>/", "/users/[id]", "/users/{id:int}",
          "/users/:id?", r"/users/:id(\d+)", "/users/{*id}", "/users/*", "/orders/{orderId}/items",
          "/", "/a//b", "/files/{name}.json", "/users/{userId}", "/v1/me", "/users/{id?}"]
PATHS = ["/users/17", "/users/-4", "/users/+5", "/users/550e8400-e29b-41d4-a716-446655440000",
         "/users/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/users/deadbeefdeadbeef", "/users/deadbeef",
         "/users/deadbeefdeadbee", "/users/abc12345", "/users/abcdefgh", "/users/a1", "/users/a-123456789",
         "/users/17?x=/1", "/", "/v1/orders", "//v1//orders/", "/users/me", "/users/12345678",
         "/users/abc1234", "/users/DEADBEEFDEADBEEF00", "/users/01arz3ndektsv4rrffq69g5fav"]
URLS = ["http://Stock.local:8080/users/17?x=1", "https://10.1.2.3/v1/me", "http://[::1]:80/v1/me",
        "http://user:pw@pay.example.com", "http://pay.example.com/users/abc12345"]
HOSTS = ["Pay.Example.com", "pay.example.com:443", "10.0.0.7", "10.0.0.7:80", "::1", "[::1]:5432",
         "stock"]
NAMES = ["GET", "HTTP GET", "work", "GET /items/{id}", "GET /items/:id", "GET /items/7", "job 17",
         "job 550e8400-e29b-41d4-a716-446655440000", "poll deadbeefdeadbeef /users/17/x?y=1",
         "do abc12345", "HTTP POST", "/users/abc12345", "/users/{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]
METHODS = ["GET", "get", "POST", "FROB", "QUERY", "_OTHER"]


class Maker:
    """One trace of random shape. Few names, so that spans often meet their like."""

    def __init__(self, rng, number):
        self.rng = rng
        self.trace = f"{number + 1:032x}"
        self.spans = []
        self.next_id = 1

    def pick(self, *options):
        return self.rng.choice(options)

    def chance(self, p):
        return self.rng.random() < p

    def span(self, parent, service, name, kind, start, end, attributes, status=0, resource=None):
        span_id = f"{self.next_id:016x}"
        self.next_id += 1
        if resource is None:
            resource = [("service.name", service)] if service else []
            if not service and self.chance(0.3):
                resource = [("service.name", self.pick("", True, 1.5))]
            if service == "stock" and self.chance(0.1):
                resource = [("service.name", self.pick(7, "été", "a->b"))]
            if self.environment:
                resource.append((self.environment_key, self.environment))
        self.spans.append({
            "trace": self.trace, "id": span_id, "parent": parent, "name": name, "kind": kind,
            "start": start, "end": end, "status": status, "attributes": attributes,
            "resource": resource})
        return span_id

    # ---- attributes ----

    def http_server(self):
        rng, a = self.rng, []
        new = self.chance(0.5)
        a.append(("http.request.method" if new else "http.method", rng.choice(METHODS[:3] if self.chance(.8) else METHODS)))
        if self.chance(0.1):
            a.append(("http.method" if new else "http.request.method", "PUT"))
        if self.chance(0.6):
            a.append(("http.route", rng.choice(ROUTES if self.chance(.95) else [""])))
        if self.chance(0.6):
            a.append(("url.path" if new else "http.target", rng.choice(PATHS)))
        elif self.chance(0.5):
            a.append(("url.full" if new else "http.url", rng.choice(URLS)))
        rng.shuffle(a)
        return a

    def http_client(self, host=True):
        a = [(self.pick("http.request.method", "http.method"), self.pick("GET", "POST"))]
        if host and self.chance(0.6):
            a.append((self.pick("server.address", "net.peer.name"), self.rng.choice(HOSTS)))
        if host and self.chance(0.5):
            a.append((self.pick("url.full", "http.url"), self.rng.choice(URLS)))
        if self.chance(0.15):
            a.append((self.pick("service.peer.name", "peer.service"), self.pick("Pay", "stock")))
        if self.chance(0.05):
            a.append((self.pick("db.name", "messaging.system", "db.statement"), self.pick("x", "")))
        if self.chance(0.05):
            a.append(self.rng.choice(a))
            a[-1] = (a[-1][0], "again")
        if self.chance(0.1):
            a.append(("http.request.resend_count", self.pick(0, 1, 2)))
        return a

    def rpc(self):
        a = [("rpc.system", "grpc")]
        form = self.rng.randrange(4)
        if form == 0:
            a += [("rpc.service", "pkg.Stock"), ("rpc.method", "Take")]
        elif form == 1:
            a += [("rpc.method", "pkg.Stock/Take")]
        elif form == 2:
            a += [("rpc.service", "pkg.Other"), ("rpc.method", "pkg.Stock/Take")]
        else:
            a += [("rpc.method", "Take")]
        return a

    def database(self):
        a = [(self.pick("db.system", "db.system.name"),
              self.pick("mssql", "dynamodb", "redis", "postgresql", "oracle", "microsoft.sql_server"))]
        if self.chance(0.7):
            a.append((self.pick("db.namespace", "db.name"), self.pick(
                "orders", "users", "orders", "users", "0", 3, "", True, "a->b", "a-", "c\\d", "été", "Z")))
        if self.chance(0.2):
            a.append((self.pick("db.name", "db.namespace"), "audit"))
        if self.chance(0.3):
            a.append(("server.address", "pg"))
        if self.chance(0.05):
            del a[0]
        self.rng.shuffle(a)
        return a

    def messaging(self, operation):
        a = [("messaging.system", self.pick("kafka", "rabbitmq"))]
        if self.chance(0.85):
            a.append((self.pick("messaging.destination.name", "messaging.destination"),
                      self.pick("orders", "mail", "orders", "mail", 7, "orders->x")))
        if self.chance(0.15):
            a.append(("messaging.destination.template", "orders.{id}"))
        if self.chance(0.15):
            a.append((self.pick("messaging.rabbitmq.destination.routing_key",
                                "messaging.rabbitmq.routing_key"), "key"))
        if operation:
            a.append((self.pick("messaging.operation.type", "messaging.operation"), operation))
        return a

    # ---- shapes ----

    def instant(self, low, high):
        t = self.rng.randint(low, max(low, high))
        if self.millisecond and self.chance(0.8):
            t -= t % MS
        elif self.chance(0.3):
            t -= t % (MS // 4)
        return max(t, low) if not self.millisecond else t

    def work(self, parent, service, low, high, depth):
        """Children of a span of `service` running within low…high."""
        if depth <= 0 or len(self.spans) > 40:
            return
        at = low
        for _ in range(self.rng.choice([0, 1, 1, 2, 2, 3, 4])):
            start = self.instant(low, high) if self.chance(0.4) else self.instant(at, at + 3 * MS)
            end = start + self.rng.choice([0, 1, MS // 3, MS, 2 * MS, 5 * MS])
            repeat = self.rng.choice([1, 1, 1, 1, 2, 3])
            shape = self.rng.choice([self.call, self.call, self.query, self.publish, self.inner,
                                     self.consume, self.nested_client, self.attempts, self.odd,
                                     self.jump])
            for _ in range(repeat):
                shape(parent, service, start, end, depth)
                start, end = end + self.rng.choice([0, 1, MS // 5, MS]), 2 * end - start + MS
            at = end

    def error(self, p=0.12):
        return 2 if self.chance(p) else self.pick(0, 0, 1)

    def server(self, parent, service, start, end, depth, status=0):
        kind = SERVER if self.chance(0.85) else INTERNAL
        attributes = self.rpc() if self.chance(0.2) else self.http_server() if self.chance(0.9) else []
        me = self.span(parent, service, self.rng.choice(NAMES), kind, start, end, attributes, status)
        self.work(me, service, start, end, depth - 1)
        return me

    def call(self, parent, service, start, end, depth):
        client = self.span(parent, service, self.pick("GET", "POST", "GET /items/7"), CLIENT, start, end,
                           self.http_client(), self.error())
        if self.chance(0.6):
            self.server(client, self.rng.choice(SERVICES), start + 1, end, depth - 1, self.error())

    def attempts(self, parent, service, start, end, depth):
        """A call repeated after its error."""
        attributes, to = self.http_client(), self.rng.choice(SERVICES)
        attributes = [a for a in attributes if a[0] != "http.request.resend_count"]
        callee = self.http_server()
        tries = self.rng.choice([2, 2, 3])
        for n in range(tries):
            failed = n + 1 < tries or self.chance(0.3)
            more = [("http.request.resend_count", n)] if n and self.chance(0.3) else []
            client = self.span(parent, service, "GET", CLIENT, start, end, attributes + more,
                               2 if failed else 0)
            if self.chance(0.7):
                server = self.span(client, to, "GET", SERVER, start + 1, end, callee, self.error(.2))
                for what in ["orders", "users"][:self.rng.randrange(3)]:
                    self.span(server, to, "q", CLIENT, start + 2, end,
                              [("db.system", "mysql"), ("db.name", what)])
            start, end = end + self.rng.choice([-1, 0, 1, MS // 2, MS, 2 * MS]), end + 3 * MS
            start = start - start % MS if self.chance(0.3) else start
            end = max(end, start)

    def query(self, parent, service, start, end, depth):
        me = self.span(parent, service, "q", CLIENT if self.chance(0.8) else self.rng.randrange(7),
                       start, end, self.database(), self.error())
        if self.chance(0.2):
            self.work(me, service, start, end, 1)

    def publish(self, parent, service, start, end, depth):
        if self.chance(0.6):
            me = self.span(parent, service, "orders publish", PRODUCER, start, end,
                           self.messaging(self.pick("send", "publish", "create", None)), self.error())
        else:
            me = self.span(parent, service, "orders publish", self.pick(CLIENT, INTERNAL), start, end,
                           self.messaging(self.pick("send", "publish", "create", "receive", None)))
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            self.consume(me, service, end + self.rng.randint(0, 3 * MS), end + 5 * MS, depth - 1)

    def consume(self, parent, service, start, end, depth):
        service = self.rng.choice(SERVICES + [service])
        me = self.span(parent, service, "orders process", CONSUMER, start, max(start, end),
                       self.messaging(self.pick("process", "process", "receive", "settle", "deliver", None)),
                       self.error())
        self.work(me, service, start, end, depth - 1)

    def inner(self, parent, service, start, end, depth):
        me = self.span(parent, service, "step", self.pick(INTERNAL, 0, 9), start, end, [])
        self.work(me, service, start, end, depth - 1)

    def nested_client(self, parent, service, start, end, depth):
        me = self.span(parent, service, "GET", CLIENT, start, end, self.http_client())
        inner = self.span(me, service, "GET", CLIENT, start, end, self.http_client(self.chance(0.7)))
        if self.chance(0.4):
            self.server(inner, self.rng.choice(SERVICES), start, end, depth - 2)

    def odd(self, parent, service, start, end, depth):
        """Any kind with any attributes."""
        kinds = [self.http_server, self.http_client, self.rpc, self.database,
                 lambda: self.messaging(self.pick("send", "receive", "process", None))]
        attributes = []
        for make in self.rng.sample(kinds, self.rng.randrange(3)):
            attributes += make()
        me = self.span(parent, self.rng.choice(SERVICES) if self.chance(0.5) else service,
                       self.rng.choice(NAMES), self.rng.randrange(8), start, end, attributes, self.error())
        self.work(me, service, start, end, depth - 1)

    def jump(self, parent, service, start, end, depth):
        """A callee whose caller's CLIENT span is not there."""
        self.server(parent, self.rng.choice(SERVICES), start, end, depth, self.error())

    def tests(self, start):
        """A test runner: its steps, and what they set in motion."""
        self.spans.clear()
        run = self.span("", "runner", self.pick("testmesh.run", "execution.run", "run"), INTERNAL, start,
                        start + 50 * MS, [("testmesh.execution.id", "x")])
        for _ in range(self.rng.randrange(1, 4)):
            step = self.span(run, "runner", self.pick("testmesh.step", "execution.step", "GET"),
                             self.pick(INTERNAL, CLIENT), start, start + 9 * MS,
                             self.http_client() if self.chance(.5) else [])
            self.canned(step, start + 1)

    def canned(self, parent, start):
        """One of two small flows that both tests and users start."""
        service, table = self.pick(("shop", "orders"), ("users", "users"))
        me = self.span(parent, service, "GET", SERVER, start, start + 9 * MS,
                       [("http.request.method", "GET"), ("http.route", "/" + table)])
        self.span(me, service, "q", CLIENT, start, start, [("db.system", "mysql"), ("db.name", table)])

    def make(self):
        rng = self.rng
        self.environment = self.pick(None, None, "prod", "test", "")
        self.environment_key = self.pick("deployment.environment.name", "deployment.environment")
        self.millisecond = self.chance(0.4)
        start = BASE + rng.randrange(10**9) * 1000
        kind = rng.random()
        if kind < 0.06:
            self.environment = None
            self.canned(self.pick("", "", "f" * 16), start)
            return self.spans
        if kind < 0.12:
            self.environment = None
            self.tests(start)
        else:
            parent = self.pick("", "", "", "0" * 16, "f" * 16)
            top = self.pick(self.server, self.server, self.server, self.consume, self.inner, self.odd,
                            self.publish, self.call, self.nested_client, self.attempts)
            top(parent, "shop", start, start + 30 * MS, 4)
            if self.chance(0.25):
                top = self.pick(self.server, self.consume, self.inner, self.odd, self.query, self.call)
                for _ in range(self.rng.choice([1, 1, 2, 3])):
                    low = start + self.rng.randint(-MS, 20 * MS)
                    top(self.pick("", "f" * 16, "e" * 16), rng.choice(SERVICES), low, low + 5 * MS, 2)
        self.spoil()
        return self.spans

    def spoil(self):
        """Lost spans, cycles, spans sent twice."""
        rng = self.rng
        if self.chance(0.1) and len(self.spans) > 2:
            del self.spans[rng.randrange(1 if self.chance(.5) else 0, len(self.spans))]
        if self.chance(0.06):
            victim = rng.choice(self.spans)
            victim["parent"] = rng.choice(self.spans)["id"]
        if self.chance(0.06):
            twin = dict(rng.choice(self.spans), name="again", attributes=[], kind=SERVER)
            self.spans.append(twin)
        if self.chance(0.3):
            rng.shuffle(self.spans)


def value(v):
    if isinstance(v, bool):
        return {"boolValue": v}
    if isinstance(v, float):
        return {"doubleValue": v}
    return {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}


def pairs(kv):
    return [{"key": k, "value": value(v)} for k, v in kv]


def span_json(s):
    return {"traceId": s["trace"], "spanId": s["id"], "parentSpanId": s["parent"], "name": s["name"],
            "kind": s["kind"], "startTimeUnixNano": str(s["start"]), "endTimeUnixNano": str(s["end"]),
            "status": {"code": s["status"]}, "attributes": pairs(s["attributes"])}


def otlp(spans):
    """One resource of one span each: the order of arrival is the list's."""
    return {"resourceSpans": [
        {"resource": {"attributes": pairs(s["resource"])}, "scopeSpans": [{"spans": [span_json(s)]}]}
        for s in spans]}


def analyze(spans):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(otlp(spans), f)
        f.flush()
        done = subprocess.run([os.environ["TESTMESH_BINARY"], "analyze", "--output", "json", f.name],
                              capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def expected(spans):
    return reference.discover([Span(**s) for s in spans if s["end"] >= s["start"]])


def nanoseconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


EXACT = ["name", "fingerprint", "path_string", "graph_path", "occurrence_count", "test_count"]
CLOSE = ["avg_duration_ms", "error_rate", "risk_score"]


def differences(spans, only=None, ask=analyze):
    """(what, the program's, the reference's) of all that differs."""
    have, want = ask(spans), expected(spans)
    found = []
    for field, got, wish in (("partial_traces", have["partial_traces"], want["partial_traces"]),
                             ("cycles_cut", have.get("cycles_cut"), want["cycles_cut"]),
                             ("traces.test", have["traces"].get("test"), want["traces"]["test"]),
                             ("traces.total", have["traces"].get("total"), want["traces"]["total"])):
        if got is not None and got != wish:
            found.append((field, got, wish))

    def near(what, got, wish):
        """Relative error ≤ 1 %."""
        if abs(got - wish) > 0.01 * wish + 1e-12:
            found.append((what, got, wish))

    def keyed(flows):
        return {(f["environment"], f["entry_service"], f["entry_operation"], f["path_string"]): f
                for f in flows}
    got_flows, want_flows = keyed(have["flows"]), keyed(want["flows"])
    for key in sorted(got_flows.keys() - want_flows.keys()):
        found.append(("flow", key, None))
    for key in sorted(want_flows.keys() - got_flows.keys()):
        found.append(("flow", None, key))
    for key in sorted(got_flows.keys() & want_flows.keys()):
        got, wish = got_flows[key], want_flows[key]
        for field in EXACT:
            if got[field] != wish[field]:
                found.append((field, got[field], wish[field]))
        for field in CLOSE:
            if abs(got[field] - wish[field]) > 1e-9 * max(1, abs(wish[field])):
                found.append((field, got[field], wish[field]))
        near("p95_duration_ms", got["p95_duration_ms"], wish["p95_duration_ms"])
        for field in ("first_seen", "last_seen"):
            if nanoseconds(got[field + "_at"]) != wish[field]:
                found.append((field, got[field + "_at"], wish[field]))
        for at, (node, other) in enumerate(zip(got["nodes"], wish["nodes"])):
            calls = node["calls_per_trace"]
            if any(abs(calls[k] - other["calls"][k]) > 1e-9 for k in ("mean", "p50", "max")):
                found.append(("calls", (at, calls), other["calls"]))
            if abs(node["error_rate"] - other["error_rate"]) > 1e-9:
                found.append(("node.error_rate", (at, node["error_rate"]), other["error_rate"]))
            for field in ("p50_ms", "p95_ms"):
                near("node." + field, node[field], other[field])
                near("node.self_" + field, node["self_ms"][field[:3]], other["self_" + field])
        retries = [n["retries"] for n in got["nodes"]]
        if retries != wish["retries"]:
            found.append(("retries", retries, wish["retries"]))
    if only:
        found = [f for f in found if f[0] == only]
    return found


def reduced(spans, kind):
    """The fewest spans, then attributes, that still differ in the same way."""
    def still(candidate):
        try:
            return bool(candidate) and bool(differences(candidate, kind))
        except (ValueError, RecursionError, IndexError, RuntimeError):
            return False
    groups = {}
    for s in spans:
        groups.setdefault(s["trace"], []).append(s)
    for trace in list(groups):
        rest = [s for s in spans if s["trace"] != trace]
        if still(rest):
            spans = rest
    size = max(1, len(spans) // 2)
    while size:
        i = 0
        while i < len(spans):
            rest = spans[:i] + spans[i + size:]
            if still(rest):
                spans = rest
            else:
                i += size
        size //= 2
    for i in range(len(spans)):
        for which in ("attributes", "resource"):
            for attribute in list(spans[i][which]):
                thinner = dict(spans[i], **{which: [a for a in spans[i][which] if a != attribute]})
                if still(spans[:i] + [thinner] + spans[i + 1:]):
                    spans[i] = thinner
        for change in ({"status": 0}, {"name": "x"}, {"kind": 1}):
            if all(spans[i][k] == v for k, v in change.items()):
                continue
            plainer = dict(spans[i], **change)
            if still(spans[:i] + [plainer] + spans[i + 1:]):
                spans[i] = plainer
    return spans


def show(spans, found):
    first = min(s["start"] for s in spans)
    for s in spans:
        service = dict(s["resource"]).get("service.name")
        print(f"    {s['id'][-3:]} <- {s['parent'][-3:] or '-':3} {service!s:7} kind {s['kind']} "
              f"{s['name']!r} [{(s['start'] - first) / MS:.6f}, {(s['end'] - first) / MS:.6f}]"
              f"{' whole ms' if s['start'] % MS == 0 else ''} status {s['status']} {dict(s['attributes'])}")
    for field, got, wish in found[:4]:
        print(f"  {field}\n    program   {got}\n    reference {wish}")


def many_values(rng):
    """Paths without ids whose positions show about 50 different values."""
    spans = []
    count = rng.choice([49, 50, 51, 52, 60, 90])
    words = [f"w-{n}" for n in range(count)]
    deep = rng.random() < 0.5
    for n, word in enumerate(words + words[:rng.randrange(20)]):
        maker = Maker(rng, n)
        maker.environment = None
        path = f"/u/{word}"
        if deep:
            path += rng.choice(["/x", "/x/y", "/17", f"/x/{rng.choice(words)}"])
        if rng.random() < 0.1:
            path = rng.choice(["/u", "/u/17", "/v/a", "/v/b"])
        service = "shop" if rng.random() < 0.9 else "users"
        start = BASE + rng.randrange(10**9) * 1000
        maker.span("", service, "GET", SERVER, start, start + MS,
                   [("http.request.method", "GET"), ("url.path", path)])
        spans += maker.spans
    return spans


def case(seed, traces):
    rng = random.Random(seed)
    if rng.random() < 0.08:
        return many_values(rng)
    spans = []
    for number in range(traces):
        spans += Maker(rng, number).make()
    return spans


def compare(seed, cases, traces, shown, ask=analyze, at_once=2):
    """How many of the cases differ; explains the first `shown`."""
    failed = 0

    def one(number):
        spans = case(f"{seed}/{number}", traces)
        return number, spans, differences(spans, ask=ask)

    with ThreadPoolExecutor(at_once) as pool:
        for number, spans, found in pool.map(one, range(cases)):
            if not found:
                continue
            failed += 1
            if failed <= shown:
                print(f"case {seed}/{number}: {len(found)} differences")
                kind = found[0][0]
                if ask is analyze:
                    spans = reduced(spans, kind)
                    found = differences(spans, kind)
                show(spans, found)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--traces", type=int, default=25)
    parser.add_argument("--show", type=int, default=5)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    different = compare(options.seed, options.cases, options.traces, options.show)
    print(f"{options.cases - different} passed, {different} failed")
    sys.exit(different != 0)
