#!/usr/bin/env python3
"""clang-format and clang-tidy over the C++ of this repository.

A file is given to clang-tidy again only when it, a header of ours that it
includes, or .clang-tidy has changed since it was found clean: the answers are
kept under build/lint. `--all` reads every file anew.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "fuzz", "bench", "demo")


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines()
            if name.endswith((".cc", ".h")) and (ROOT / name).exists()]


def own_headers_of(build):
    """Object file -> our files it was made of, as ninja recorded them."""
    done = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=False)
    headers, current = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("    "):
            path = pathlib.Path(os.path.normpath(build / line.strip()))
            if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "build"):
                headers[current].append(path)
        elif ":" in line:
            current = line.split(":")[0]
            headers[current] = []
    return headers


def object_of(entry):
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


def fingerprint(paths):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def tidy(build, source):
    started = time.monotonic()
    done = subprocess.run(["clang-tidy-19", "-p", build, "--quiet", "--warnings-as-errors=*", source],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, action="append", default=[],
                        help="a configured build folder; of a file in several the first counts")
    parser.add_argument("--all", action="store_true", help="also files already found clean")
    parser.add_argument("--format", action="store_true", help="format the files and stop")
    arguments = parser.parse_args()
    files = tracked_files()
    if arguments.format:
        return subprocess.run(["clang-format-19", "-i", *files], check=False).returncode

    formatted = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], check=False).returncode == 0
    print(f"lint: clang-format over {len(files)} files: {'clean' if formatted else 'NOT clean'}")

    clean_marks = ROOT / "build/lint"
    clean_marks.mkdir(parents=True, exist_ok=True)
    todo = []
    waiting = set(files)
    for build in arguments.build:
        build = build.resolve()
        headers = own_headers_of(build)
        for entry in json.loads((build / "compile_commands.json").read_text()):
            source = pathlib.Path(entry["file"])
            if source not in waiting:
                continue
            waiting.remove(source)
            made_of = headers.get(object_of(entry), files)  # not built yet: any of ours
            mark = clean_marks / fingerprint({source, *(h for h in made_of if h.exists())})
            if arguments.all or not mark.exists():
                todo.append((build, source, mark))

    failures = 0
    slowest = (0.0, "")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(tidy, build, source): (source, mark) for build, source, mark in todo}
        for job in concurrent.futures.as_completed(jobs):
            source, mark = jobs[job]
            code, said, complaint, seconds = job.result()
            name = source.relative_to(ROOT)
            slowest = max(slowest, (seconds, str(name)))
            if code == 0:
                mark.touch()
                print(f"lint: {name} clean ({seconds:.1f} s)", flush=True)
            else:
                failures += 1
                print(said or complaint)
                print(f"lint: {name} NOT clean ({seconds:.1f} s)", flush=True)
    if todo:
        print(f"lint: slowest {slowest[1]} {slowest[0]:.1f} s")
    print(f"lint: clang-tidy over {len(todo)} files, {failures} not clean")
    return 0 if formatted and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
