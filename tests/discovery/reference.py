"""A second reading of discovery: what the paths, flows and figures of a list of
spans are, written as plainly as possible from the rules alone. It knows nothing
of the server's code; compare.py holds the two against each other.

Every rule quotes its clause. Clarity before speed throughout.
"""

import hashlib
import ipaddress
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
ERROR = 2
MS = 1_000_000


@dataclass
class Span:
    trace: str
    id: str
    parent: str          # "" when it has none
    name: str
    kind: int
    start: int           # ns
    end: int
    status: int
    attributes: list     # (key, value) pairs as sent; value is str, int or another type
    resource: list

    def __post_init__(self):
        # "Kind unspecified is INTERNAL" (and so is one that the enumeration does not know).
        if self.kind not in (INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER):
            self.kind = INTERNAL
        # "Spans are joined by parent id (empty or all zero: none)."
        if self.parent.strip("0") == "":
            self.parent = ""
        # "no service.name is unknown_service"
        self.service = name_of(self.resource, "service.name") or "unknown_service"
        self.environment = name_of(
            self.resource, "deployment.environment.name|deployment.environment") or ""

    def read(self, aliases):
        return name_of(self.attributes, aliases)


def name_of(pairs, aliases):
    """New wins when both exist, empty is absent, integers are written in decimal,
    other types are no names; of a repeated key the first counts."""
    for key in aliases.split("|"):
        for have, value in pairs:
            if have == key:
                if isinstance(value, bool) or not isinstance(value, (str, int)):
                    break
                if str(value) != "":
                    return str(value)
                break
    return None


METHOD = "http.request.method|http.method"
ROUTE = "http.route"
PATH = "url.path|http.target"
URL = "url.full|http.url"
DB_SYSTEM = "db.system.name|db.system"
DB_NAMESPACE = "db.namespace|db.name"
DESTINATION = ("messaging.destination.template|messaging.destination.name|messaging.destination|"
               "messaging.rabbitmq.destination.routing_key|messaging.rabbitmq.routing_key")
OPERATION = "messaging.operation.type|messaging.operation"
RPC_METHOD, RPC_SERVICE = "rpc.method", "rpc.service"
PEER = "service.peer.name|peer.service"
ADDRESS = "server.address|net.peer.name"

# "renamed database systems get the new name"
RENAMED = {
    "adabas": "softwareag.adabas", "cache": "intersystems.cache", "cosmosdb": "azure.cosmosdb",
    "db2": "ibm.db2", "dynamodb": "aws.dynamodb", "firebird": "firebirdsql", "h2": "h2database",
    "hanadb": "sap.hana", "informix": "ibm.informix", "ingres": "actian.ingres",
    "maxdb": "sap.maxdb", "mssql": "microsoft.sql_server", "netezza": "ibm.netezza",
    "oracle": "oracle.db", "redshift": "aws.redshift", "spanner": "gcp.spanner",
}
METHODS = "CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE QUERY".split()


# ---- names -----------------------------------------------------------------

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
HEX = re.compile(r"[0-9a-f]{16,}", re.I)
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.I)
INTEGER = re.compile(r"-?[0-9]+")
MIXED = re.compile(r"(?=[A-Za-z0-9]*[A-Za-z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{8,}")


def looks_like_id(text):
    return any(p.fullmatch(text) for p in (INTEGER, UUID, HEX, ULID))


def parameter(segment):
    """The segment written `:id` style with its own name kept, or None where it is
    no parameter: "only a whole segment is a parameter"."""
    if segment in ("*", "**"):
        return ":id"
    if segment.startswith(":") and len(segment) > 1:
        inner = segment[1:]
        m = re.fullmatch(r"([A-Za-z0-9_.\-$]+)(\(.*\))?[?*+]?", inner)
        return ":" + m[1] if m else None
    for opening, closing in (("{", "}"), ("<", ">"), ("[", "]")):
        if segment.startswith(opening) and segment.endswith(closing) and len(segment) > 2:
            inner = segment[1:-1]
            if opening == "[" and inner.startswith("[") and inner.endswith("]"):
                inner = inner[1:-1]
            if opening == "<":
                inner = inner.rsplit(":", 1)[-1]    # <int:id>
            inner = inner.lstrip("*").removeprefix("...")
            m = re.match(r"[A-Za-z0-9_.\-$]*[A-Za-z0-9_\-$]", inner)
            if not m:
                return None
            rest = inner[m.end():]
            if re.search(r"[{}<>\[\]]", rest) and opening not in "{":
                return None
            if opening == "{" and "}" in rest and "{" not in rest:
                return None                          # {a}-{b}: not one parameter
            return ":" + m[0]
    return None


def segments(text):
    """"Empty segments go", "the query string never counts"."""
    return [s for s in text.split("/") if s]


def route_of(text):
    return "/" + "/".join(parameter(s) or s for s in segments(text))


def has_parameter(text):
    return any(parameter(s) for s in segments(text))


def without_query(text):
    return re.split(r"[?#]", text, maxsplit=1)[0]


def path_segments(text):
    return [":id" if looks_like_id(s) or MIXED.fullmatch(s) else s
            for s in segments(without_query(text))]


def url_parts(url):
    """(host, path) of a URL."""
    m = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#]*)([^?#]*)", url)
    if not m:
        return None, None
    return m[1].rsplit("@", 1)[-1], m[2]


def host_of(text):
    """"Hosts lower case without port, an IP address as host is `:ip`.\""""
    text = text.lower()
    try:
        ipaddress.ip_address(text)
        return ":ip"
    except ValueError:
        pass
    m = re.fullmatch(r"\[(.*)\](:\d*)?", text)
    host = m[1] if m else re.sub(r":\d*$", "", text)
    try:
        ipaddress.ip_address(host)
        return ":ip"
    except ValueError:
        return host


def method_of(span):
    sent = span.read(METHOD)
    if sent is None:
        return None
    upper = sent.upper()
    return upper if upper in METHODS else "_OTHER"


def templated_name(name):
    """"Span names used as operations are templated word by word"; "the span name
    `HTTP GET` is `GET`"."""
    if name.startswith("HTTP ") and name[5:] in METHODS:
        return name[5:]
    words = []
    for word in name.split(" "):
        if word.startswith("/"):
            kept = []
            for s in segments(word):
                p = parameter(s)
                if p is None and "?" in s:
                    kept.append(without_query(s))
                    break
                kept.append(p or s)
            word = "/" + "/".join(
                ":id" if looks_like_id(s) or MIXED.fullmatch(s) else s for s in kept if s)
        elif looks_like_id(word):
            word = ":id"
        words.append(word)
    return " ".join(words)


class Tries:
    """"A per-service trie turns a position (behind the same segments) that has shown
    more than 50 different values into `:param`.\""""

    def __init__(self):
        self.roots = defaultdict(dict)

    def show(self, service, parts):
        at = self.roots[service]
        for part in parts:
            at = at.setdefault(part, {})

    def settle(self):
        for root in self.roots.values():
            self._settle(root)

    def _settle(self, at):
        if len(at) > 50:
            merged = {}
            for below in at.values():
                self._merge(merged, below)
            at.clear()
            at[":param"] = merged
        for below in at.values():
            self._settle(below)

    def _merge(self, into, other):
        for part, below in other.items():
            self._merge(into.setdefault(part, {}), below)

    def written(self, service, parts):
        at, out = self.roots[service], []
        for part in parts:
            part = ":param" if ":param" in at else part
            out.append(part)
            at = at.get(part, {})
        return out


def route_in_name(name):
    m = re.fullmatch(r"(?:([A-Z]+) )?(/\S*)", name)
    return m[2] if m and (m[1] is None or m[1] in METHODS) and has_parameter(m[2]) else None


def endpoint(span, tries):
    """`METHOD route`, or None."""
    method = method_of(span)
    if method is None:
        return None
    sent = span.read(ROUTE)
    if sent is not None:
        return f"{method} {route_of(sent)}"
    # "No route: a span name like `GET /items/{id}`, with a parameter, has it (Go)."
    named = route_in_name(span.name)
    if named:
        return f"{method} {route_of(named)}"
    # "Else template the path (without one, the URL's)."
    parts = untemplated_path(span)
    if parts is None:
        return None
    return method + " /" + "/".join(tries.written(span.service, parts))


def untemplated_path(span):
    """The segments that the tries learn from; None where the name comes from elsewhere."""
    if method_of(span) is None or span.read(ROUTE) is not None or route_in_name(span.name):
        return None
    path = span.read(PATH)
    if path is None:
        url = span.read(URL)
        path = url_parts(url)[1] if url else None
    return None if path is None else path_segments(path)


def rpc_method(span):
    method = span.read(RPC_METHOD)
    service = span.read(RPC_SERVICE)
    if method and service and "/" not in method:
        return f"{service}/{method}"
    return method


def database(span):
    system = span.read(DB_SYSTEM)
    if system is None:
        return None
    namespace = span.read(DB_NAMESPACE)
    if namespace is not None and re.fullmatch(r"[0-9]+", namespace):
        namespace = None  # "a namespace of digits (Redis) is none"
    return namespace or RENAMED.get(system, system)


def peer(span):
    named = span.read(PEER)
    if named:
        return named
    address = span.read(ADDRESS)
    if address:
        return host_of(address)
    url = span.read(URL)
    host = url_parts(url)[0] if url else None
    return host_of(host) if host else None


def speaks_to_a_resource(span):
    """Has database or messaging attributes."""
    return any(span.read(a) for a in (
        DB_SYSTEM, DB_NAMESPACE, DESTINATION, OPERATION, "messaging.system"))


# ---- tree ------------------------------------------------------------------


@dataclass
class Node:
    type: str
    identifier: str
    service: str
    visits: list = field(default_factory=list)  # spans that add the node or collapsed into it
    retries: int = 0
    peer_of: str = ""      # the span whose uninstrumented peer this is

    @property
    def key(self):
        return (self.type, self.identifier, self.service)

    def text(self):
        escaped = self.identifier.replace("\\", "\\\\").replace("->", "-\\>")
        return f"{self.type}:{escaped}"

    def repeats(self, other):
        return (self.type == other.type and self.identifier == other.identifier
                and (self.type == "topic" or self.service == other.service))


def path_string(nodes):
    return "->".join(n.text() for n in nodes)


def sort_key(nodes):
    """"The path string of all that a sibling adds, as bytes (then its services).\""""
    return (path_string(nodes).encode("utf-8", "surrogatepass"), [n.service.encode() for n in nodes])


def copies(nodes):
    return [Node(n.type, n.identifier, n.service, [], 0, n.peer_of) for n in nodes]


class Trace:
    """The spans of one trace id, joined."""

    def __init__(self, spans, tries):
        self.tries = tries
        self.spans = {}
        for span in spans:
            self.spans.setdefault(span.id, span)  # "the first stored counts"
        self.children = defaultdict(list)
        self.roots, self.orphans = [], []
        self.cut = 0
        for span in self.spans.values():
            if not span.parent:
                self.roots.append(span)
            elif span.parent not in self.spans:
                self.orphans.append(span)
            else:
                self.children[span.parent].append(span)
        absent = {s.parent for s in self.orphans}
        # "A cycle is cut, and counted, at its earliest span, as if its parent never came."
        for cycle in self._cycles():
            first = min(cycle, key=by_start)
            self.children[first.parent].remove(first)
            self.orphans.append(first)
            self.cut += 1
        # "Where every span has a parent id, only one parent is absent and all its children
        # are SERVER or CONSUMER spans … the trace, unless a cycle was cut, is whole."
        self.partial = bool(self.orphans)
        if (not self.roots and len(absent) == 1 and not self.cut
                and all(s.kind in (SERVER, CONSUMER) for s in self.orphans)):
            self.partial = False
        # entry: "the earliest without a parent id, else the earliest whose parent is absent"
        self.entry = min(self.roots or self.orphans, key=by_start)
        self.tops = self.roots + self.orphans

    def _cycles(self):
        cycles, state = [], {}
        for span in self.spans.values():
            walk, at = [], span
            while at is not None and at.id not in state:
                state[at.id] = "open"
                walk.append(at)
                at = self.spans.get(at.parent) if at.parent else None
            if at is not None and state[at.id] == "open":
                cycles.append(walk[walk.index(at):])
            for s in walk:
                state[s.id] = "done"
        return cycles

    def children_of(self):
        return {(s.trace, s.id): self.children[s.id] for s in self.spans.values()}

    def below(self, span):
        for child in self.children[span.id]:
            yield child
            yield from self.below(child)

    def is_test(self):
        return is_test(self.entry)

    def is_runner(self, span):
        return is_test(span) and span.service == self.entry.service

    def test_entries(self):
        """"Its runner's spans (test spans of the entry's service, from the entry down) are
        left out; each topmost span that remains is an entry.\""""
        # A test span of the runner whose parent was lost is taken for the runner's too.
        runner, waiting = set(), [t for t in self.tops if self.is_runner(t)]
        while waiting:
            span = waiting.pop()
            runner.add(span.id)
            waiting += [c for c in self.children[span.id] if self.is_runner(c)]
        entries = [t for t in self.tops if t.id not in runner]
        for span in self.spans.values():
            if span.id in runner:
                entries += [c for c in self.children[span.id] if c.id not in runner]
        return sorted(entries, key=by_start)

    # ---- nodes ----

    def enters(self, span, entry):
        """"It is the entry, or its service is not its parent's"; under the virtual root
        the parent's service is the entry's."""
        if span is entry:
            return True
        if span in self.tops:
            return span.service != entry.service
        return span.service != self.spans[span.parent].service

    def gives(self, span, entry, above):
        """The nodes that the rows of the table give to a span."""
        nodes = []
        enters = self.enters(span, entry)
        service = span.service
        # "Of the first four rows the first that fits counts"
        if span.kind == CONSUMER and span.read(OPERATION) not in ("receive", "settle"):
            destination = span.read(DESTINATION)
            if destination:
                topic = Node("topic", destination, service)
                if not (above and topic.repeats(above[-1])):
                    nodes.append(topic)
            nodes.append(Node("service", service, service))
        else:
            row2 = span.kind == SERVER or (span.kind == INTERNAL and enters)
            named = (endpoint(span, self.tries) or rpc_method(span)) if row2 else None
            if named:
                nodes.append(Node("api_endpoint", named, service))
            elif enters:
                nodes.append(Node("service", service, service))
        # "then of the next three"
        right_above = nodes[-1] if nodes else (above[-1] if above else None)
        caller = span.kind in (CLIENT, INTERNAL)
        sends = span.kind == PRODUCER or (
            caller and span.read(OPERATION) in ("send", "publish", "create"))
        if caller and database(span):
            nodes.append(Node("database", database(span), service))
        elif sends and span.read(DESTINATION):
            nodes.append(Node("topic", span.read(DESTINATION), service))
        elif (span.kind == CLIENT and not speaks_to_a_resource(span)
              and not (right_above and right_above.type in ("database", "topic"))
              and peer(span) and not self.adds_below(span, entry)):
            node = Node("service", peer(span), service, peer_of=span.id)
            if not (right_above and node.repeats(right_above)):
                nodes.append(node)
        return nodes

    def adds_below(self, span, entry):
        """Something below it enters a service or touches a resource."""
        for child in self.below(span):
            if self.enters(child, entry) or self.gives(child, entry, []):
                return True
        return False

    # ---- order and repetition ----

    def walk(self, span, entry, above):
        """The node lists of the topmost subtrees that the span adds: [[Node…]…]."""
        given = self.gives(span, entry, above)
        # "Nodes of a span that only repeat the last ones above them … are not added"
        last = above[-len(given):] if given else []
        if given and len(last) == len(given) and all(n.repeats(a) for n, a in zip(given, last)):
            given = []
        for node in given:
            node.visits = [span]
        below = self.arrange(self.children[span.id], entry, above + given)
        if not given:
            return below
        below = collapse(below)
        return [given + [n for subtree in below for n in subtree]]

    def arrange(self, children, entry, above, virtual_root=False):
        """The subtrees of siblings in their order."""
        siblings = [Sibling(child, collapse(self.walk(child, entry, above)), self.children)
                    for child in sorted(children, key=by_start)]
        retries(siblings)
        siblings = [s for s in siblings if s.subtrees]
        if virtual_root:
            return flat(sorted(siblings, key=lambda s: (s.span is not entry, s.key())))
        runs, latest, last = [], None, None
        for sibling in siblings:
            span = sibling.span
            if span.kind == CONSUMER:
                continue
            if latest is not None and (counted_start(span) < latest or span.start == last):
                runs[-1].append(sibling)
                latest = max(latest, span.end)
            else:
                runs.append([sibling])
                latest = span.end
            last = span.start
        # "CONSUMER siblings run when they like: last, as one run."
        runs.append([s for s in siblings if s.span.kind == CONSUMER])
        return [t for run in runs for t in flat(sorted(run, key=Sibling.key))]

    def path(self, entry=None):
        """"Beside the entry, under a virtual root of the entry's service, hang the other
        parentless spans and the spans whose parent never arrived: after it, as one run.\""""
        if entry is not None:                      # of a test: a path of its own
            return collapse_to_path(self.walk(entry, entry, []))
        return collapse_to_path(self.arrange(self.tops, self.entry, [], virtual_root=True))

    def operation(self, entry):
        """"The identifier of the entry's api_endpoint node, otherwise its span name.\""""
        for node in self.gives(entry, entry, []):
            if node.type == "api_endpoint":
                return node.identifier
        return templated_name(entry.name)


@dataclass
class Sibling:
    span: Span
    subtrees: list
    children: dict       # of all spans

    def nodes(self):
        return [n for subtree in self.subtrees for n in subtree]

    def key(self):
        return sort_key(self.nodes())

    def take(self, attempt):
        """Makes this add what `attempt` adds, if that visits all its nodes in their order."""
        if [n.key for n in self.nodes()] == [n.key for n in attempt.nodes()]:
            return True
        if not self.subtrees or not attempt.subtrees:
            return False
        # Its own peer, also as a call nested in the call shows it.
        own, waiting = set(), [self.span]
        while waiting:
            span = waiting.pop()
            if span.kind == CLIENT:
                own.add(span.id)
                waiting += self.children[span.id]
        taken = [copies(t) for t in attempt.subtrees]
        nodes = [n for t in taken for n in t]
        matches, at = [], 0
        for node in self.nodes():
            if node.peer_of in own:
                matches.append(max(0, at - 1))
                continue
            while at < len(nodes) and nodes[at].key != node.key:
                at += 1
            if at == len(nodes):
                return False
            matches.append(at)
            at += 1
        for node, match in zip(self.nodes(), matches):
            nodes[match].visits += node.visits
            nodes[match].retries += node.retries
        self.subtrees = taken
        return True


def flat(siblings):
    return [t for s in siblings for t in s.subtrees]


def by_start(span):
    return (span.start, span.id)


def counted_start(span):
    """"A start on a whole millisecond counts 1 ms later here.\""""
    return span.start + MS if span.start % MS == 0 else span.start


def collapse(subtrees):
    """"Equal subtrees under one node … collapse into the first.\""""
    kept = {}
    for subtree in subtrees:
        key = tuple(n.key for n in subtree)
        if key in kept:
            for into, node in zip(kept[key], subtree):
                into.visits += node.visits
                into.retries += node.retries
        else:
            kept[key] = subtree
    return list(kept.values())


def collapse_to_path(subtrees):
    return [n for subtree in collapse(subtrees) for n in subtree]


def same_operation(a, b):
    return (a.kind == b.kind and a.service == b.service
            and templated_name(a.name) == templated_name(b.name) and a.read(URL) == b.read(URL))


def is_resent(span):
    count = span.read("http.request.resend_count")
    return count is not None and count.isdigit() and int(count) > 0


def retries(siblings):
    """"A retry (`http.request.resend_count`, or the same operation started again, as above,
    after its error ended) is also counted as `retries`": one for each error that was
    answered so, at the first node that the retry adds."""
    # Of two that started within the same cut-off millisecond the later ended later.
    attempts = sorted(siblings, key=lambda s: (s.span.end, s.span.start, s.span.id))
    place = {id(s): n for n, s in enumerate(attempts)}
    later = sorted(siblings, key=lambda s: (counted_start(s.span), s.span.start, s.span.end, s.span.id))
    answered = set()
    for failed in reversed(attempts):
        if failed.span.status != ERROR:
            continue
        again = [s for s in later
                 if place[id(s)] > place[id(failed)] and same_operation(s.span, failed.span)
                 and counted_start(s.span) >= failed.span.end
                 and (s.span.start != failed.span.start or s.span.start % MS == 0)]
        if not again:
            continue
        answered.add(id(again[0]))
        for node in (again[0].nodes() or failed.nodes())[:1]:
            node.retries += 1
        # "The failed attempt takes the subtree of the next such attempt that visits all its
        # nodes in their order (its own uninstrumented peer apart)."
        for attempt in again:
            if failed.take(attempt):
                break
    for sibling in siblings:
        if is_resent(sibling.span) and id(sibling) not in answered:
            for node in sibling.nodes()[:1]:
                node.retries += 1


def is_test(span):
    return (span.name.startswith(("testmesh.", "execution."))
            or any(k == "testmesh.execution.id" for k, _ in span.attributes))


# ---- flows -----------------------------------------------------------------


def rank(values, share):
    """The ⌈share n⌉-th smallest."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def self_time(span, children):
    """What no child covers."""
    covered, until = 0, span.start
    for child in sorted(children, key=by_start):
        low, high = max(child.start, until), min(child.end, span.end)
        if high > low:
            covered += high - low
            until = high
    return span.end - span.start - covered


@dataclass
class Flow:
    environment: str
    entry_service: str
    entry_operation: str
    path: str
    graph_path: list = field(default_factory=list)
    latest: tuple = ()
    durations: list = field(default_factory=list)
    errors: int = 0
    starts: list = field(default_factory=list)
    visits: list = field(default_factory=list)  # by trace, by node
    children: dict = field(default_factory=dict)
    retries: list = field(default_factory=list)
    tests: int = 0

    def node(self, i):
        visits = [s for trace in self.visits for s in trace[i]]
        calls = [len(trace[i]) for trace in self.visits]
        durations = [s.end - s.start for s in visits]
        own = [self_time(s, self.children[s.trace, s.id]) for s in visits]
        return {
            "calls": {"mean": sum(calls) / len(calls), "p50": rank(calls, 0.5), "max": max(calls)},
            "error_rate": sum(s.status == ERROR for s in visits) / len(visits),
            "p50_ms": rank(durations, 0.5) / MS, "p95_ms": rank(durations, 0.95) / MS,
            "self_p50_ms": rank(own, 0.5) / MS, "self_p95_ms": rank(own, 0.95) / MS,
        }

    def figures(self):
        n = len(self.durations)
        average = sum(self.durations) / n / MS
        error_rate = self.errors / n
        frequency = 0.3 * min(n / 100, 1)
        return {
            "name": f"{self.entry_service} -> {self.entry_operation}",
            "environment": self.environment,
            "entry_service": self.entry_service,
            "entry_operation": self.entry_operation,
            "fingerprint": hashlib.sha256(self.path.encode()).hexdigest(),
            "path_string": self.path,
            "graph_path": self.graph_path,
            "occurrence_count": n,
            "test_count": self.tests,
            "avg_duration_ms": average,
            "p95_duration_ms": rank(self.durations, 0.95) / MS,
            "error_rate": error_rate,
            "risk_score": frequency + 0.5 * error_rate + 0.2 * min(average / 10000, 1),
            "first_seen": min(self.starts),
            "last_seen": max(self.starts),
            "nodes": [self.node(i) for i in range(len(self.graph_path))],
            "retries": self.retries,
        }


def discover(spans):
    """All flows of the spans, and how many partial traces count in none."""
    by_trace = {}
    for span in spans:
        by_trace.setdefault(span.trace, []).append(span)
    tries = Tries()
    traces = [Trace(group, tries) for group in by_trace.values()]
    for trace in traces:
        for span in trace.spans.values():
            if span.kind == SERVER or (span.kind == INTERNAL and trace.enters(span, trace.entry)):
                parts = untemplated_path(span)
                if parts is not None:
                    tries.show(span.service, parts)
    tries.settle()
    flows, partial, tests = {}, [], []

    def count(trace, key, nodes):
        entry, flow = trace.entry, flows[key]
        flow.durations.append(entry.end - entry.start)
        flow.errors += any(s.status == ERROR for s in trace.spans.values())
        flow.starts.append(entry.start)
        flow.visits.append([n.visits for n in nodes])
        flow.children.update(trace.children_of())
        before = flow.retries or [0] * len(nodes)
        flow.retries = [a + n.retries for a, n in zip(before, nodes)]
        # "A flow's `graph_path` is its latest trace's."
        if (entry.start,) >= flow.latest:
            flow.latest = (entry.start,)
            flow.graph_path = [{"type": n.type, "identifier": n.identifier, "service": n.service}
                               for n in nodes]

    for trace in traces:
        if trace.is_test():
            tests.append(trace)
            continue
        nodes = trace.path()
        entry = trace.entry
        key = (entry.environment, entry.service, trace.operation(entry), path_string(nodes))
        if trace.partial:
            partial.append((trace, key, nodes))
        else:
            flows.setdefault(key, Flow(*key))
            count(trace, key, nodes)
    # "It counts in its flow if that flow exists, known before or later, and otherwise in
    # `partial_traces`."
    homeless = 0
    for trace, key, nodes in partial:
        if key in flows:
            count(trace, key, nodes)
        else:
            homeless += 1
    for trace in tests:
        keys = {(e.environment, e.service, trace.operation(e), path_string(trace.path(e)))
                for e in trace.test_entries()}
        for key in keys & flows.keys():
            flows[key].tests += 1
    return {"flows": [f.figures() for f in flows.values()], "partial_traces": homeless,
            "traces": {"total": len(traces), "test": len(tests)},
            "cycles_cut": sum(t.cut for t in traces)}
