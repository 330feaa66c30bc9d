#!/usr/bin/env python3
"""Starts the real server on an empty folder, loads it, and prints one table.

Throughput and CPU at 500, 50 and 5,000 spans a request; memory; CPU by thread;
bytes on disk per span once everything has settled; traces by id warm and cold;
and what a span and a look-up cost at 1 M and at 50 M stored spans.
Everything printed also goes to build/bench/results.json.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOAD = ROOT / "build/bench/bench/testmesh_load"
LOOKUP = ROOT / "build/bench/bench/testmesh_lookup"
TICK = os.sysconf("SC_CLK_TCK")
START_LIMIT = 60
SETTLE_LIMIT = 300


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def cpu_of(stat_path):
    """(name, seconds) of a process or thread; None when it has gone."""
    try:
        text = stat_path.read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return text[text.index("(") + 1:text.rindex(")")], (int(fields[11]) + int(fields[12])) / TICK


class Server:
    def __init__(self, binary, folder, *more_arguments):
        self.folder = pathlib.Path(folder)
        self.log_path = self.folder.with_suffix(".log")
        for _ in range(3):
            self.rest, self.otlp = free_ports(2)
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    [binary, "serve", "--listen", f"127.0.0.1:{self.rest}", "--otlp-http", f"127.0.0.1:{self.otlp}",
                     "--otlp-grpc", "off", "--data-dir", str(self.folder), *more_arguments],
                    stdout=log, stderr=log)
            if self.wait_ready():
                return
        raise SystemExit(f"the server did not start; its output:\n{self.log_path.read_text()[-4000:]}")

    def wait_ready(self):
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                if urllib.request.urlopen(f"{self.rest_url}/readyz", timeout=2).status == 200:
                    return True
            time.sleep(0.1)
        self.stop()
        return False

    @property
    def rest_url(self):
        return f"http://127.0.0.1:{self.rest}"

    @property
    def otlp_url(self):
        return f"http://127.0.0.1:{self.otlp}"

    def cpu_seconds(self):
        found = cpu_of(pathlib.Path(f"/proc/{self.process.pid}/stat"))
        if found is None:
            raise SystemExit(f"the server is gone; its output:\n{self.log_path.read_text()[-4000:]}")
        return found[1]

    def threads(self):
        by_name = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            found = cpu_of(task / "stat")
            if found:
                by_name[found[0]] = by_name.get(found[0], 0) + found[1]
        return by_name

    def memory_mb(self, what="VmHWM"):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return 0.0

    def reset_peak_memory(self):
        with contextlib.suppress(OSError):
            pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def metric(self, name):
        """The sum over all labels of a metric; None when there is none of that name."""
        text = urllib.request.urlopen(f"{self.rest_url}/metrics", timeout=10).read().decode()
        values = [float(line.rsplit(None, 1)[1]) for line in text.splitlines()
                  if line.startswith((name + " ", name + "{"))]
        return sum(values) if values else None

    def disk(self):
        """(bytes outside the journal, bytes of the journal), as blocks in use."""
        kept = journal = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):
                if not path.is_file():
                    continue
                used = path.stat().st_blocks * 512
                parts = path.relative_to(self.folder).parts
                if any(part.startswith("journal") for part in parts):
                    journal += used
                else:
                    kept += used
        return kept, journal

    def settle(self):
        """Waits until no trace is open and the journal no longer shrinks; returns the seconds."""
        started = time.monotonic()
        journal, unchanged_since = None, started
        while time.monotonic() - started < SETTLE_LIMIT:
            now_journal = self.disk()[1]
            if now_journal != journal:
                journal, unchanged_since = now_journal, time.monotonic()
            open_spans = self.metric("testmesh_open_spans")
            if open_spans is None:
                raise SystemExit("the server has no metric testmesh_open_spans")
            # two checkpoints' time
            if open_spans == 0 and time.monotonic() - unchanged_since > 12:
                return time.monotonic() - started
            time.sleep(1)
        raise SystemExit(f"the server did not settle within {SETTLE_LIMIT} s")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def run_json(command, limit):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode != 0 or not done.stdout:
        raise SystemExit(f"{command[0]} failed: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


# Exporters send one request at a time on a connection; about as many as keep
# the server busy, and no more, so that the latency is the server's.
CONNECTIONS = {50: 64, 500: 24, 5000: 6}


def load(server, label, seconds, **options):
    options = {"connections": CONNECTIONS[options["spans_per_request"]], "depth": 1} | options
    command = [LOAD, "--endpoint", server.otlp_url, "--seconds", seconds, "--output", "json"]
    for name, value in options.items():
        command.append("--" + name.replace("_", "-"))
        if value is not True:
            command.append(value)
    server.reset_peak_memory()
    cpu, threads, started = server.cpu_seconds(), server.threads(), time.monotonic()
    result = run_json(command, seconds + 120)
    wall = time.monotonic() - started
    spans = result["spans_acknowledged"]
    after = server.threads()
    result["label"] = label
    result["server_cpu_ns_per_span"] = (server.cpu_seconds() - cpu) * 1e9 / spans
    result["server_cores"] = (server.cpu_seconds() - cpu) / wall
    result["threads_ns_per_span"] = {name: (used - threads.get(name, 0)) * 1e9 / spans for name, used in after.items()}
    result["peak_memory_mb"] = server.memory_mb()
    settled_after = server.settle()
    # what the server still had to do for these spans after the last ack
    result["server_cpu_settled_ns_per_span"] = (server.cpu_seconds() - cpu) * 1e9 / spans
    result["settled_after_s"] = settled_after
    print(f"{label:28} {result['spans_per_second']:>11,.0f} {result['server_cpu_ns_per_span']:>9.0f} "
          f"{result['server_cpu_settled_ns_per_span']:>9.0f} {result['generator_cpu_ns_per_span']:>9.0f} "
          f"{result['ack_ms']['p50']:>8.2f} {result['ack_ms']['p99']:>8.2f} {result['peak_memory_mb']:>8.0f} "
          f"{result['not_200']:>6} {settled_after:>8.1f}", flush=True)
    return result


def print_load_header():
    print(f"\n{'load':28} {'spans/s':>11} {'cpu ns':>9} {'+settle':>9} {'gen ns':>9} {'ack p50':>8} {'p99 ms':>8} "
          f"{'peak MB':>8} {'!200':>6} {'settle s':>8}")


def drop_caches(folder):
    """Empties the page cache of the data; says how."""
    subprocess.run(["sync"], check=False)
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return "drop_caches"
    except OSError:
        pass
    try:
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return "fadvise: files that the server has mapped stay cached"
    except OSError as error:
        return f"NOT cold: {error}"


def look_up(server, label, *options):
    result = run_json([LOOKUP, "--endpoint", server.rest_url, "--output", "json", *options], 180)
    result["label"] = label
    print(f"{label:44} {result['lookups']:>8} {result['ms']['p50']:>9.3f} {result['ms']['p99']:>9.3f} "
          f"{result['bytes_per_answer']:>9.0f}  {result['statuses']}", flush=True)
    return result


def look_ups(server, ids, stored):
    print(f"\n{'trace by id, over HTTP':44} {'lookups':>8} {'p50 ms':>9} {'p99 ms':>9} {'bytes':>9}  statuses")
    at = f"at {stored / 1e6:.0f} M spans"
    # Cold look-ups get ids of their own, which no cache of the server has seen.
    known = pathlib.Path(ids).read_text().splitlines(keepends=True)
    parts = {"warm": known[len(known) // 4:], "cold": known[:len(known) // 4]}
    for part, lines in parts.items():
        pathlib.Path(f"{ids}.{part}").write_text("".join(lines))
    results = [look_up(server, f"warm {at}", "--ids", ids + ".warm", "--count", 5500, "--warm-up", 500),
               look_up(server, f"absent {at}", "--absent", 5000)]
    how = drop_caches(server.folder)
    # Few and never the same twice, so that one does not warm the next.
    results.append(look_up(server, f"cold {at} ({how})", "--ids", ids + ".cold", "--count", 500))
    return results


def stored_bytes(server, spans):
    kept, journal = server.disk()
    print(f"\non disk: {kept / spans:.1f} bytes a span without the journal, {(kept + journal) / spans:.1f} with it "
          f"({spans / 1e6:.1f} M spans, {kept / 1e6:.0f} + {journal / 1e6:.0f} MB)", flush=True)
    return {"spans": spans, "bytes_per_span": kept / spans, "bytes_per_span_with_journal": (kept + journal) / spans}


def print_threads(result):
    print(f"\nserver CPU by thread, ns a span ({result['label']}):")
    for name, used in sorted(result["threads_ns_per_span"].items(), key=lambda item: -item[1]):
        if used >= 1:
            print(f"  {name:16} {used:8.1f}")


def measure(binary, seconds, target_spans, folder):
    results = {"cores": os.cpu_count(), "load_average_before": os.getloadavg()[0], "loads": [], "look_ups": []}
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before; each load {seconds:.0f} s, the "
          "generator on the same cores")
    server = Server(binary, folder)
    try:
        ids = str(folder) + ".ids"
        print_load_header()
        first = load(server, "the first 1 M spans", 120, spans_per_request=500, total_spans=1_000_000, seed=10,
                     record_ids=ids)
        stored = first["spans_acknowledged"]
        results["loads"].append(first)
        results["look_ups"] += look_ups(server, ids, stored)
        print_load_header()
        for index, (per_request, spread) in enumerate([(500, False), (50, False), (5000, False), (500, True)]):
            options = {"spans_per_request": per_request, "seed": 20 + index}
            label = f"{per_request} spans a request"
            if spread:
                options["spread"] = True
                label += ", spread"
            results["loads"].append(load(server, label, seconds, **options))
            stored += results["loads"][-1]["spans_acknowledged"]
        print_threads(results["loads"][1])
        results["disk"] = stored_bytes(server, stored)
        print_load_header()
        if stored < target_spans:
            filled = load(server, f"filling up to {target_spans / 1e6:.0f} M", 900, spans_per_request=500, seed=30,
                          total_spans=target_spans - stored, record_ids=ids)
            stored += filled["spans_acknowledged"]
            results["loads"].append(filled)
        last = load(server, f"1 M more at {stored / 1e6:.0f} M", 120, spans_per_request=500, total_spans=1_000_000,
                    seed=40, record_ids=ids + ".last")
        stored += last["spans_acknowledged"]
        results["loads"].append(last)
        if not pathlib.Path(ids).exists():
            ids += ".last"
        print(f"\ncost of a span, settled: {first['server_cpu_settled_ns_per_span']:.0f} ns in the first million, "
              f"{last['server_cpu_settled_ns_per_span']:.0f} ns at {stored / 1e6:.0f} M")
        results["disk_at_end"] = stored_bytes(server, stored)
        results["look_ups"] += look_ups(server, ids, stored)
        results["memory_mb_at_end"] = server.memory_mb("VmRSS")
        print(f"\nmemory at the end: {results['memory_mb_at_end']:.0f} MB")
    finally:
        server.stop()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "build/release/testmesh"))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", "60")))
    parser.add_argument("--spans", type=int, default=int(float(os.environ.get("BENCH_SPANS", "50000000"))))
    parser.add_argument("--folder", help="where the data goes (default: a temporary one); removed at the end")
    arguments = parser.parse_args()
    base = tempfile.mkdtemp(prefix="testmesh-bench-", dir=arguments.folder)
    try:
        results = measure(arguments.binary, arguments.seconds, arguments.spans, pathlib.Path(base) / "data")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    out = ROOT / "build/bench/results.json"
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nall figures: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
