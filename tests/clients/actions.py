#!/usr/bin/env python3
"""The actions of a run against a real PostgreSQL, MariaDB, Redis and Apache Kafka, started here on free ports.

    actions.py [FILTER]   FILTER as --gtest_filter has it

Runs build/release/src/actions/actions_servers_test (or $TESTMESH_ACTIONS_TEST), which gets the addresses from the
environment, and prints every error that was provoked.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import servers
from harness import DIE_WITH_PARENT, ROOT

PROGRAM = pathlib.Path(os.environ.get("TESTMESH_ACTIONS_TEST", ROOT / "build/release/src/actions/actions_servers_test"))


def main() -> int:
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"{PROGRAM} is missing: build the target actions_servers_test")
    filters = list(sys.argv[1:2])
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        postgres = stack.enter_context(servers.postgres())
        mariadb = stack.enter_context(servers.mariadb())
        redis = stack.enter_context(servers.redis())
        environment = {
            "TESTMESH_POSTGRES_URL": postgres.url,
            "TESTMESH_POSTGRES_SOCKET_URL": postgres.socket_url,
            "TESTMESH_POSTGRES_CERTIFICATE": postgres.certificate,
            "TESTMESH_MARIADB_URL": mariadb.url,
            "TESTMESH_MARIADB_SOCKET_URL": mariadb.socket_url,
            "TESTMESH_MARIADB_CERTIFICATE": mariadb.certificate,
            "TESTMESH_MARIADB_PID": mariadb.pid,
            "TESTMESH_REDIS_URL": redis.url,
            "TESTMESH_REDIS_SOCKET_URL": redis.socket_url,
            "TESTMESH_REDIS_PID": redis.pid,
        }
        if servers.KAFKA_LIBS.is_dir():
            kafka = stack.enter_context(servers.kafka())
            environment |= {
                "TESTMESH_KAFKA_BROKERS": kafka.brokers,
                "TESTMESH_KAFKA_SASL": kafka.sasl,
                "TESTMESH_KAFKA_TLS": kafka.tls,
                "TESTMESH_KAFKA_CERTIFICATE": kafka.certificate,
                "TESTMESH_KAFKA_PID": kafka.pid,
            }
        elif not filters:
            print("SKIP Kafka: tests/clients/install.sh has not fetched it")
            filters = ["-KafkaServer.*"]
        print(f"the servers are ready after {time.monotonic() - started:.1f} s", flush=True)
        report = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "report.json"
        arguments = [f"--gtest_output=json:{report}"] + [f"--gtest_filter={one}" for one in filters]
        done = subprocess.run([*DIE_WITH_PARENT, PROGRAM, *arguments], check=False,
                              env={name: value for name, value in os.environ.items() if name != "GTEST_OUTPUT"}
                              | {name: str(value) for name, value in environment.items()})
        if not report.exists():
            print(f"the tests ended with {done.returncode} and left no report\n0 passed, 1 failed")
            return 1
        tests = [test for suite in json.loads(report.read_text())["testsuites"] for test in suite["testsuite"]]
        failed = sum("failures" in test for test in tests)
        skipped = sum(test["result"] == "SKIPPED" for test in tests)
        if skipped:
            print(f"{skipped} skipped")
        print(f"{len(tests) - failed - skipped} passed, {failed} failed", flush=True)
        return 0 if done.returncode == 0 and len(tests) > failed + skipped else 1


if __name__ == "__main__":
    sys.exit(main())
