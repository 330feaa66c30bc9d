"""The same comparison through a running server: each case in a workspace of its own."""

import json
import random
import time
import urllib.request
import uuid

import compare


class Asker:
    """Gives spans to a server and reads back what it found, in the shape of `testmesh analyze`."""

    def __init__(self, port, seed, batches=1):
        self.base = f"http://127.0.0.1:{port}"
        self.rng = random.Random(seed)
        self.batches = batches

    def call(self, path, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json", **headers})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def __call__(self, spans):
        workspace = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        self.call("/api/v1/workspaces", {"id": workspace, "name": workspace})
        size = -(-len(spans) // self.batches)
        for at in range(0, len(spans), size):
            self.call("/v1/traces", compare.otlp(spans[at:at + size]), **{"X-Workspace-ID": workspace})
        base = f"/api/v1/workspaces/{workspace}/telemetry"
        traces = len({s["trace"] for s in spans if s["end"] >= s["start"]})
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = self.call(base + "/traces?limit=1000")["traces"]
            if len(found) == traces and all(t["complete"] for t in found):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{len(found)} of {traces} traces, not all complete after 20 s")
        listed = self.call(base + "/flows?limit=1000")
        flows = [self.call(f"{base}/flows/{flow['id']}") for flow in listed["flows"]]
        for flow in flows:
            flow["path_string"] = "->".join(
                f"{n['type']}:" + n["identifier"].replace("\\", "\\\\").replace("->", "-\\>")
                for n in flow["graph_path"])
        return {"flows": flows, "partial_traces": listed["partial_traces"], "traces": {}}
