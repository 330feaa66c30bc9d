#!/usr/bin/env python3
"""The language of assertions against its reference: rows of expressions with the
results that the reference gives, through `testmesh eval --jsonl`. Skipped where
the rows are not there (TESTMESH_SHARED)."""

import gzip
import json
import math
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TESTMESH_BINARY", ROOT / "build/release/testmesh"))
ROWS = pathlib.Path(os.environ.get("TESTMESH_SHARED", ROOT.parent / "shared")) / "data/expr"
# File -> the share of its core rows that must agree.
GOALS = {"docs": 1.0, "gotests": 1.0, "trace_generated": 1.0, "generated": 0.995, "fuzz": 0.995}
# The reference's answer is an accident of its host language; ours counts too.
ALSO_RIGHT = {
    'fromPairs([["name", "John"], ["age", 30]]) == {"name": "John", "age": 30}': "true",
    "int(1.0 / 0)": "error",
    "int(trace.duration_ms / trace.error_count)": "error",
}


def plain(value):
    if isinstance(value, dict):
        if set(value) == {"$map"}:
            return {"$map": sorted(json.dumps([plain(k), plain(v)], sort_keys=True) for k, v in value["$map"])}
        if set(value) == {"$bytes_str"}:
            return value["$bytes_str"]
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def same(ours, theirs):
    """Equal, and ints where they have ints; the last bits of a float may differ."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-12)
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


def agrees(form, row, answer):
    if form == "assert":
        return answer.get("value") is True
    if form == "assert_false":
        return answer.get("value") is not True
    also = ALSO_RIGHT.get(row["expr"].strip())
    if also == "true" and answer.get("value") is True or also == "error" and "error" in answer:
        return True
    if "error" in row:
        stage = answer.get("error", {}).get("stage")
        return stage in (("runtime", "check") if row["error"] == "runtime" else ("parse", "check"))
    return "value" in answer and same(plain(answer["value"]), plain(row["want"]))


def ask(lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([BINARY, "eval", "--jsonl"], input=text, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), f"{len(lines)} lines in, {len(answers)} out"
    return answers


def main():
    if not ROWS.is_dir():
        print(f"skipped: no rows in {ROWS}")
        return 0
    environments = json.loads((ROWS / "trace_envs.json").read_text())
    passed = failed = 0
    for name, goal in GOALS.items():
        with gzip.open(ROWS / f"{name}.jsonl.gz", "rt") as rows:
            asked = []
            for row in map(json.loads, rows):
                environment = row["env"] if "env" in row else environments[row["env_id"]]
                asked.append(("row", row, {"expr": row["expr"], "env": environment}))
                asked += [(form, row, {"expr": row[form], "env": {}}) for form in ("assert", "assert_false") if row.get(form)]
        answers = ask([line for _, _, line in asked])
        counts, wrong = {}, []
        for (form, row, line), answer in zip(asked, answers):
            key = (form, row["core"])
            good = agrees(form, row, answer)
            right, total = counts.get(key, (0, 0))
            counts[key] = (right + good, total + 1)
            if not good and row["core"]:
                wrong.append((form, line["expr"].strip(), answer))
        for form in ("row", "assert", "assert_false"):
            right, total = counts.get((form, True), (0, 0))
            if total == 0:
                continue
            enough = right >= goal * total
            passed, failed = passed + enough, failed + (not enough)
            others = counts.get((form, False))
            beside = f"; {others[0]} of {others[1]} of hosts and clocks" if others else ""
            print(f"{'ok  ' if enough else 'FAIL'} {name} {form}: {right} of {total}{beside}")
        for form, expression, answer in wrong[: 10 if "-v" in sys.argv else 3]:
            print(f"       {form} {expression[:120]} -> {json.dumps(answer)[:160]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
