#!/usr/bin/env python3
"""Executions over REST, as somebody with curl and a browser meets them: run, steps, cancel, events, kill -9."""

import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import DEFAULT_WORKSPACE, Server, Tally, eventually, expect, expect_equal


class Target(http.server.BaseHTTPRequestHandler):
    """What the runs act on: /slow answers after three seconds, everything else at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        body = json.dumps({"path": self.path, "traceparent": self.headers.get("traceparent")}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # a run that was cancelled waits no longer

    def log_message(self, *_) -> None:
        pass


def flow(path: str, expected: str = "status == 200") -> str:
    return f"""name: Ask {path}
env: {{API_TOKEN: s3cr3t-of-the-test}}
steps:
  - id: ask
    action: http_request
    config: {{url: "{{{{base_url}}}}{path}", headers: {{Authorization: "Bearer {{{{API_TOKEN}}}}"}}}}
    assert: ["{expected}"]
    output: {{path: $.body.path}}
"""


class Client:
    def __init__(self, server: Server, base_url: str):
        self.server, self.base_url = server, base_url

    def call(self, method: str, path: str, body=None) -> tuple[int, dict]:
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/workspaces/{DEFAULT_WORKSPACE}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def start(self, text: str) -> dict:
        status, execution = self.call("POST", "/executions", {"flow": text, "variables": {"base_url": self.base_url}})
        expect_equal("POST executions", status, 202)
        return execution

    def ended(self, execution_id: str) -> dict:
        def attempt() -> dict:
            execution = self.call("GET", f"/executions/{execution_id}")[1]
            expect(execution["status"] not in ("pending", "running"), f"still {execution['status']}")
            return execution

        return eventually("the execution ends", attempt, 30)

    def events(self, stop: threading.Event, last_event_id: str = "") -> list[dict]:
        """Reads in a thread of its own until the stream ends; the list grows meanwhile."""
        seen: list[dict] = []
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/workspaces/{DEFAULT_WORKSPACE}/events",
            headers={"Last-Event-ID": last_event_id} if last_event_id else {},
        )
        answer = urllib.request.urlopen(request, timeout=30)
        expect_equal("Content-Type of the events", answer.headers["Content-Type"], "text/event-stream")

        def read() -> None:
            event: dict = {}
            for line in answer:
                if stop.is_set():
                    break
                text = line.decode().rstrip("\n")
                if not text:
                    if "event" in event:
                        seen.append(event)
                    event = {}
                elif not text.startswith(":"):
                    name, _, value = text.partition(": ")
                    event[name] = json.loads(value) if name == "data" else value

        threading.Thread(target=read, daemon=True).start()
        return seen


def a_run(client: Client) -> None:
    execution = client.start(flow("/cart"))
    done = client.ended(execution["id"])
    expect_equal("status", done["status"], "passed")
    expect_equal("steps", (done["total_steps"], done["passed_steps"], done["failed_steps"]), (1, 1, 0))
    steps = client.call("GET", f"/executions/{execution['id']}/steps")[1]
    step = steps["steps"][0]
    expect_equal("total", steps["total"], 1)
    expect_equal("output", step["output"], {"path": "/cart"})
    expect(done["trace_id"] in step["result"]["body"]["traceparent"], "the target saw the trace of the run")
    expect("s3cr3t-of-the-test" not in json.dumps(steps), "a secret is in the steps")
    status, verdict = client.call("GET", f"/executions/{execution['id']}/trace-validation")
    expect_equal("trace-validation", (status, verdict["status"]), (200, "passed"))
    trace = client.call("GET", f"/telemetry/traces/{done['trace_id']}")[1]
    names = {span["name"] for span in trace["spans"]}
    expect("testmesh.execution" in names, f"spans of the run: {sorted(names)}")


def a_failure(client: Client) -> None:
    done = client.ended(client.start(flow("/cart", "status == 404"))["id"])
    expect_equal("status", done["status"], "failed")
    step = client.call("GET", f"/executions/{done['id']}/steps")[1]["steps"][0]
    failed = step["failed_assertions"][0]
    expect_equal("the assertion", (failed["expression"], failed["actual"], failed["expected"]), ("status == 404", 200, 404))
    expect_equal("its line", failed["line"], 7)


def a_refusal(client: Client) -> None:
    status, refused = client.call("POST", "/executions", {"flow": "name: x\nsteps:\n  - action: nothing\n    colour: red\n"})
    expect_equal("status", status, 422)
    errors = refused["details"]["errors"]
    expect(len(errors) >= 2, f"all problems at once: {errors}")
    expect(all(error["line"] > 0 and error["column"] > 0 and error["message"] for error in errors), str(errors))


def a_cancel(client: Client) -> None:
    execution = client.start(flow("/slow"))
    eventually(
        "it runs",
        lambda: expect_equal("status", client.call("GET", f"/executions/{execution['id']}")[1]["status"], "running"),
        10,
        0.05,
    )
    expect_equal("cancel", client.call("POST", f"/executions/{execution['id']}/cancel")[0], 200)
    began = time.monotonic()
    expect_equal("status", client.ended(execution["id"])["status"], "cancelled")
    expect(time.monotonic() - began < 2.5, "it waited for the slow answer")


def the_guard(client: Client) -> None:
    done = client.ended(client.start(flow("/cart").replace("{{base_url}}", "http://169.254.169.254"))["id"])
    expect_equal("status and code", (done["status"], done["error"]["code"]), ("failed", "address_refused"))


def the_events(client: Client) -> None:
    stop = threading.Event()
    seen = client.events(stop)
    execution = client.start(flow("/events"))
    client.ended(execution["id"])
    mine = lambda: [event for event in seen if event["event"] == "execution" and event["data"]["id"] == execution["id"]]
    eventually("the last event", lambda: expect_equal("status", [e["data"]["status"] for e in mine()][-1:], ["passed"]), 10)
    statuses = [event["data"]["status"] for event in mine()]
    expect_equal("the first two", statuses[:2], ["pending", "running"])
    eventually("ingest", lambda: expect(any(e["event"] == "ingest" for e in seen), "no rate of spans"), 10)
    again = client.events(stop, mine()[0]["id"])
    eventually("what was missed comes again", lambda: expect(len(again) >= len(statuses) - 1, str(again)), 10)
    stop.set()


def the_search(client: Client) -> None:
    def search(query: str) -> tuple[int, dict]:
        return client.call("GET", "/telemetry/spans?" + urllib.parse.urlencode({"q": query}))

    status, found = search("attributes['http.response.status_code'] == 200 and kind == 'client' and duration_ms < 60000")
    expect_equal("status", status, 200)
    expect(found["total"] > 0, "no client span of a run was found")
    expect_equal("a bad expression", search("kind == and")[0], 400)


def a_kill(client: Client) -> None:
    execution = client.start(flow("/slow"))
    before = client.call("GET", "/executions")[1]["total"]
    client.server.kill()
    client.server.start()
    found = client.call("GET", f"/executions/{execution['id']}")[1]
    expect_equal("status and code", (found["status"], found["error"]["code"]), ("error", "interrupted"))
    expect_equal("executions", client.call("GET", "/executions")[1]["total"], before)
    passed = client.call("GET", "/executions?status=passed&limit=1")[1]["executions"][0]
    expect_equal("steps", client.call("GET", f"/executions/{passed['id']}/steps")[1]["total"], 1)


def main() -> int:
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    tally = Tally()
    with Server() as server:
        client = Client(server, f"http://127.0.0.1:{target.server_port}")
        for name, test in [
            ("a run passes, with its steps, its trace and no secret", a_run),
            ("a failed assertion fails the run, with both sides and the line", a_failure),
            ("a flow that is not valid is refused with every problem", a_refusal),
            ("a run that waits is cancelled at once", a_cancel),
            ("metadata addresses are refused", the_guard),
            ("events tell what happens, and again to who comes back", the_events),
            ("q is an expression over a span", the_search),
            ("after kill -9 the run is interrupted and the others are there", a_kill),
        ]:
            tally.run(name, lambda test=test: test(client))
    target.shutdown()
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
