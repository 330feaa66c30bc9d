#!/usr/bin/env python3
"""Recorded traffic of many projects, imported every way there is: what comes out is what went in.

Each recording is there as OTLP/JSON and as protobuf. `testmesh import` sends them to a server as JSON, as protobuf and
as gzip of both, each into a workspace of its own, and once straight into a data directory. Every trace is then asked
for as OTLP and compared, field by field, with the file, which this program reads on its own. All ways must give the
same spans, the same flows and the same fingerprints, and `testmesh analyze` must find those flows too.

The recordings are looked for in $TESTMESH_SHARED/data/otlp/captures (default: a folder `shared` beside the
repository); without them it is skipped.
"""

import base64
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import urllib.parse

import harness
from harness import expect, expect_equal

SHARED = pathlib.Path(os.environ.get("TESTMESH_SHARED", harness.ROOT.parent / "shared"))
CAPTURES = SHARED / "data/otlp/captures"
SKIPPED = 77
LEAST_FILES = 70
BASE64_IDS = ("otlp2parquet__trace.otlp.json", "otlp2parquet__traces.otlp.json")  # not OTLP/JSON: rejected span by span

# ---- a request as plain values: field → value, where what a file may leave out is left out ----------

# Of each message its fields by number: name and what it is.
VALUE = {
    1: ("stringValue", "text"),
    2: ("boolValue", "bool"),
    3: ("intValue", "int64"),
    4: ("doubleValue", "double"),
    5: ("arrayValue", "Array"),
    6: ("kvlistValue", "List"),
    7: ("bytesValue", "base64"),
}
PAIR = {1: ("key", "text"), 2: ("value", "Value")}
EVENT = {
    1: ("timeUnixNano", "int64"),
    2: ("name", "text"),
    3: ("attributes", "Pair*"),
    4: ("droppedAttributesCount", "int64"),
}
LINK = {
    1: ("traceId", "hex"),
    2: ("spanId", "hex"),
    3: ("traceState", "text"),
    4: ("attributes", "Pair*"),
    5: ("droppedAttributesCount", "int64"),
    6: ("flags", "int64"),
}
SPAN = {
    1: ("traceId", "hex"),
    2: ("spanId", "hex"),
    3: ("traceState", "text"),
    4: ("parentSpanId", "hex"),
    5: ("name", "text"),
    6: ("kind", "enum"),
    7: ("startTimeUnixNano", "int64"),
    8: ("endTimeUnixNano", "int64"),
    9: ("attributes", "Pair*"),
    10: ("droppedAttributesCount", "int64"),
    11: ("events", "Event*"),
    12: ("droppedEventsCount", "int64"),
    13: ("links", "Link*"),
    14: ("droppedLinksCount", "int64"),
    15: ("status", "Status"),
    16: ("flags", "int64"),
}
MESSAGES = {
    "Value": VALUE,
    "Array": {1: ("values", "Value*")},
    "List": {1: ("values", "Pair*")},
    "Pair": PAIR,
    "Event": EVENT,
    "Link": LINK,
    "Status": {2: ("message", "text"), 3: ("code", "enum")},
    "Span": SPAN,
    "Resource": {1: ("attributes", "Pair*"), 2: ("droppedAttributesCount", "int64")},
    "Scope": {
        1: ("name", "text"),
        2: ("version", "text"),
        3: ("attributes", "Pair*"),
        4: ("droppedAttributesCount", "int64"),
    },
    "ScopeSpans": {1: ("scope", "Scope"), 2: ("spans", "Span*"), 3: ("schemaUrl", "text")},
    "ResourceSpans": {1: ("resource", "Resource"), 2: ("scopeSpans", "ScopeSpans*"), 3: ("schemaUrl", "text")},
    "Request": {1: ("resourceSpans", "ResourceSpans*")},
}
ENUM_NAMES = {
    **{f"SPAN_KIND_{name}": i for i, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))},
    **{f"STATUS_CODE_{name}": i for i, name in enumerate(("UNSET", "OK", "ERROR"))},
}


def plain(kind: str, found):
    """A JSON value as this program compares it."""
    if kind.endswith("*"):
        return [plain(kind[:-1], one) for one in found]
    if kind in MESSAGES:
        return message(kind, found)
    if kind == "enum" and isinstance(found, str):
        return ENUM_NAMES[found] if found in ENUM_NAMES else int(found)
    if kind in ("int64", "enum"):
        return int(found)
    if kind == "double":
        return repr(float(found))
    if kind == "hex":
        return found.lower() if found.strip("0") else ""  # all zero is how OTLP writes no id
    return found


def message(kind: str, found: dict) -> dict:
    """What `found` says: defaults, nulls and unknown fields are as good as absent, except in a value, where a default is one."""
    out = {}
    for name, field in MESSAGES[kind].values():
        if found.get(name) is None:
            continue
        value = plain(field, found[name])
        if kind == "Value" or value not in (0, "", [], {}, False):
            out[name] = value
    return out


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def from_protobuf(kind: str, data: bytes) -> dict:
    """A message of the wire as the JSON that says the same."""
    out: dict = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire = tag & 7
        if wire == 0:
            raw, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            raw, at = data[at : at + size], at + size
        else:
            size = {1: 8, 5: 4}[wire]
            raw, at = data[at : at + size], at + size
        if tag >> 3 not in MESSAGES[kind]:
            continue
        name, field = MESSAGES[kind][tag >> 3]
        value = from_wire(field.rstrip("*"), raw)
        if field.endswith("*"):
            out.setdefault(name, []).append(value)
        elif kind == "Value":
            out = {name: value}  # the last member of a oneof counts
        else:
            out[name] = value
    return out


def from_wire(field: str, raw):
    if field in MESSAGES:
        return from_protobuf(field, raw)
    if field == "text":
        return raw.decode()
    if field == "hex":
        return raw.hex()
    if field == "base64":
        return base64.b64encode(raw).decode()
    if field == "bool":
        return bool(raw)
    if field == "double":
        return struct.unpack("<d", raw)[0]
    number = raw if isinstance(raw, int) else int.from_bytes(raw, "little")  # varint, fixed64 or fixed32
    return number - 2**64 if field == "int64" and isinstance(raw, int) and number >= 2**63 else number


def spans_of(requests: list[dict]) -> list[tuple[tuple[str, str], dict]]:
    """((trace id, span id), everything said of the span) in the order of the file."""
    found = []
    for request in requests:
        for resource_spans in message("Request", request).get("resourceSpans", []):
            for scope_spans in resource_spans.get("scopeSpans", []):
                around = {
                    "resource": resource_spans.get("resource", {}),
                    "resource schema": resource_spans.get("schemaUrl", ""),
                    "scope": scope_spans.get("scope", {}),
                    "scope schema": scope_spans.get("schemaUrl", ""),
                }
                for span in scope_spans.get("spans", []):
                    found.append(((span.get("traceId", ""), span.get("spanId", "")), {**around, "span": span}))
    return found


def read(file: pathlib.Path) -> list[tuple[tuple[str, str], dict]]:
    data = file.read_bytes()
    if file.suffix == ".pb":
        return spans_of([from_protobuf("Request", data)])
    text = data.decode()
    try:
        return spans_of([json.loads(text)])
    except json.JSONDecodeError:
        return spans_of([json.loads(line) for line in text.splitlines() if line.strip()])


def expected_of(files: list[pathlib.Path]) -> dict:
    """What a store must hold: of each span id of a trace the first; none that OTLP forbids."""
    expected: dict = {}
    for file in files:
        if file.name in BASE64_IDS:
            continue
        for key, span in read(file):
            said = span["span"]
            valid = len(key[0]) == 32 and len(key[1]) == 16
            if valid and said.get("endTimeUnixNano", 0) >= said.get("startTimeUnixNano", 0):
                expected.setdefault(key, span)
    return expected


# ---- the ways in --------------------------------------------------------------------------------


def testmesh(*arguments) -> bytes:
    done = subprocess.run([harness.BINARY, *arguments], capture_output=True, check=False)
    expect(
        done.returncode == 0,
        f"testmesh {arguments[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1000:]}",
    )
    return done.stdout


def new_workspace(server: harness.Server, name: str) -> str:
    made = json.loads(testmesh("workspaces", "create", name, "--output", "json", "--server", server.url))
    return made["id"]


def gzipped(files: list[pathlib.Path], folder: pathlib.Path) -> list[pathlib.Path]:
    folder.mkdir()
    out = []
    for file in files:
        out.append(folder / (file.name + ".gz"))
        out[-1].write_bytes(gzip.compress(file.read_bytes()))
    return out


class Import:
    """One way in and what came out of it."""

    def __init__(self, files: list[pathlib.Path]):
        self.files = files
        self.expected = expected_of(files)
        self.summary: dict = {}
        self.stored: dict = {}
        self.flows: list = []
        self.fingerprints: dict = {}

    def run(self, *target) -> None:
        self.summary = json.loads(testmesh("import", "--output", "json", *target, *self.files))

    def check_summary(self) -> None:
        sent = sum(len(read(file)) for file in self.files)
        total = self.summary["total"]
        expect_equal("spans sent", total["spans_sent"], sent)
        expect_equal("accepted and rejected", total["spans_accepted"] + total["spans_rejected"], sent)
        expect_equal("files", [one["file"] for one in self.summary["files"]], [str(file) for file in self.files])

    def fetch(self, api: harness.Api) -> None:
        """Everything the server says of these files, once their traces are complete."""

        def all_complete() -> list:
            traces = api.every("/telemetry/traces", "traces")
            expect_equal("traces", len(traces), len({key[0] for key in self.expected}))
            waiting = [trace["trace_id"] for trace in traces if not trace["complete"]]
            expect_equal("traces not complete", waiting, [])
            return traces

        for trace in harness.eventually("all traces are complete", all_complete, 60):
            trace_id = trace["trace_id"]
            self.fingerprints[trace_id] = trace["fingerprint"]
            otlp = api.get(f"/telemetry/traces/{urllib.parse.quote(trace_id)}", format="otlp")
            listed = spans_of([otlp])
            expect_equal(f"spans of {trace_id} in its summary", trace["span_count"], len(listed))
            self.stored.update(listed)
        self.flows = sorted(
            (flow["fingerprint"], flow["name"], flow["environment"], flow["occurrence_count"], flow["error_rate"])
            for flow in api.flows()
        )

    def compare(self) -> None:
        missing = sorted(set(self.expected) - set(self.stored))
        foreign = sorted(set(self.stored) - set(self.expected))
        expect(not missing and not foreign, f"missing {missing[:3]} of {len(missing)}, never sent {foreign[:3]}")
        for key, sent in self.expected.items():
            for part, value in sent.items():
                found = self.stored[key][part]
                if part == "span" and found != value:
                    names = sorted(name for name in {*value, *found} if value.get(name) != found.get(name))
                    value = {name: value.get(name) for name in names}
                    found = {name: found.get(name) for name in names}
                expect_equal(f"{part} of span {key}", found, value)


def same(one: Import, other: Import) -> None:
    """Both hold the same spans, flows and fingerprints."""
    expect_equal("span ids", sorted(other.stored), sorted(one.stored))
    for key, span in one.stored.items():
        expect_equal(f"span {key}", other.stored[key], span)
    expect_equal("fingerprints of traces", other.fingerprints, one.fingerprints)
    expect_equal("flows", other.flows, one.flows)


def analysis_agrees(imported: Import) -> None:
    first = testmesh("analyze", "--output", "json", *imported.files)
    expect_equal("the same files give the same bytes", testmesh("analyze", "--output", "json", *imported.files), first)
    report = json.loads(first)
    found = sorted(
        (flow["fingerprint"], flow["name"], flow["environment"], flow["occurrence_count"], flow["error_rate"])
        for flow in report["flows"]
    )
    expect_equal("flows of analyze alone", [flow for flow in found if flow not in imported.flows], [])
    expect_equal("flows of the server alone", [flow for flow in imported.flows if flow not in found], [])


def main() -> int:
    harness.prepare()
    if not CAPTURES.is_dir():
        print(f"skipped: no recorded traffic in {CAPTURES}; name its folder in TESTMESH_SHARED")
        return SKIPPED
    json_files = sorted(file for file in CAPTURES.glob("*.otlp.json") if file.name not in BASE64_IDS)
    twins = [file.with_name(file.name.replace(".otlp.json", ".twin.pb")) for file in json_files]
    lone = sorted([*CAPTURES.glob("*.otlp.pb"), *(CAPTURES / name for name in BASE64_IDS)])
    expect(len(json_files) >= LEAST_FILES, f"only {len(json_files)} recordings in {CAPTURES}")

    tally = harness.Tally()
    with harness.Server("--trace-idle-timeout", "1s") as server:
        ways = {
            "json": json_files,
            "protobuf": twins,
            "json, gzip": gzipped(json_files, server.folder / "json.gz"),
            "protobuf, gzip": gzipped(twins, server.folder / "pb.gz"),
            "no twin": lone,
        }
        done: dict[str, Import] = {}

        def bring_in(way: str) -> None:
            plain_files = {"json, gzip": json_files, "protobuf, gzip": twins}.get(way, ways[way])
            imported = Import(plain_files)
            workspace = new_workspace(server, way)
            imported.files = ways[way]
            imported.run("--server", server.url, "--workspace", workspace)
            imported.files = plain_files
            if plain_files is ways[way]:
                imported.check_summary()
            imported.fetch(harness.Api(server.port, workspace))
            imported.compare()
            done[way] = imported

        for way in ways:
            tally.run(f"captures: {way}: what is stored is what was sent", lambda way=way: bring_in(way))
        if "json" in done:
            for way in ("protobuf", "json, gzip", "protobuf, gzip"):
                if way in done:
                    tally.run(f"captures: {way} is as json", lambda way=way: same(done["json"], done[way]))
            tally.run("captures: analyze finds the server's flows", lambda: analysis_agrees(done["json"]))
        if "no twin" in done:
            tally.run("captures: analyze finds the flows of the rest", lambda: analysis_agrees(done["no twin"]))

        def into_a_directory() -> None:
            server.stop()
            direct = Import(json_files)
            reader = harness.Server("--trace-idle-timeout", "1s")
            direct.run("--data-dir", reader.folder / "data")
            direct.check_summary()
            with reader:
                direct.fetch(harness.Api(reader.port))
                reader.keep |= server.keep
            direct.compare()
            same(done["json"], direct)

        if "json" in done:
            tally.run("captures: straight into a data directory", into_a_directory)
        server.keep |= tally.failed > 0
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
