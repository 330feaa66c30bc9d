#!/usr/bin/env python3
"""Adds up what tools/test.sh left in its results folder; exit 1 on a failure.

ctest.xml has one case a test program, gtest/*.xml has the cases inside. A
program that failed without a failed case in its file (it crashed, or hung)
counts as one failure.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def gtest_cases(path):
    """(passed, failed, skipped) inside one program's file; None when it is not whole."""
    try:
        root = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return None
    passed = failed = skipped = 0
    for case in root.iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.get("result") == "skipped" or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def ctest_counts(folder):
    report = folder / "ctest.xml"
    if not report.exists():
        yield "ctest", 0, 1, 0
        return
    for case in xml.parse(report).getroot().iter("testcase"):
        name = case.get("name")
        failed_program = case.get("status") == "fail"
        inside = gtest_cases(folder / "gtest" / f"{name}_test.xml")
        if inside is None:
            skipped = case.get("status") in ("notrun", "disabled")
            yield name, int(not failed_program and not skipped), int(failed_program), int(skipped)
        else:
            passed, failed, skipped = inside
            yield name, passed, max(failed, int(failed_program)), skipped


def script_counts(folder):
    counts = folder / "counts"
    for line in counts.read_text().splitlines() if counts.exists() else []:
        name, passed, failed, skipped = line.split()
        yield name, int(passed), int(failed), int(skipped)


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = [*script_counts(folder), *ctest_counts(folder)]
    for name, passed, failed, skipped in rows:
        if failed or skipped:
            print(f"  {name}: {passed} passed, {failed} failed, {skipped} skipped")
    passed = sum(row[1] for row in rows)
    failed = sum(row[2] for row in rows)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
