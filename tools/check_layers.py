#!/usr/bin/env python3
"""Compares every #include "folder/file.h" in src/ with the DEPS of its module.

The layers file has one line a module: dir=name:dep,dep:test_dep,test_dep:a.cc,b.cc.
Where modules share a folder, a file belongs to the one that compiles a source of
the same stem (a.h and a_test.cc go with a.cc), else to the last one named.
A file may include its own module and the modules named directly in DEPS; what
those use in turn is not included, so that a module's needs can be read in one
place. Test files (*_test.cc, *_test.h, test_*, all below a folder testing/) may
include TEST_DEPS as well; what is not a test may include no test file.
"""
import argparse
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


class Module:
    def __init__(self, line):
        self.folder, rest = line.split("=", 1)
        self.name, deps, test_deps, sources = (rest.split(":") + ["", "", ""])[:4]
        self.deps = {dep for dep in deps.split(",") if dep}
        self.test_deps = {dep for dep in test_deps.split(",") if dep}
        self.stems = {source.rsplit(".", 1)[0] for source in sources.split(",") if source}


def read_modules(text):
    return [Module(line) for line in text.splitlines() if line.strip()]


def module_of(path, modules):
    """The module with the longest folder that holds `path` (relative to src)."""
    holders = [m for m in modules if path.startswith(m.folder + "/")]
    if not holders:
        return None
    longest = max(len(m.folder) for m in holders)
    holders = [m for m in holders if len(m.folder) == longest]
    stem = re.sub(r"(_test)?\.(cc|h)$", "", path.rsplit("/", 1)[-1])
    return next((m for m in holders if stem in m.stems), holders[-1])


def is_test(path):
    name = path.rsplit("/", 1)[-1]
    return "/testing/" in path or name.startswith("test_") or re.search(r"_test\.(cc|h)$", name) is not None


def check_file(source, path, modules):
    relative = path.relative_to(source).as_posix()
    owner = module_of(relative, modules)
    if owner is None:
        return []
    allowed = {owner.name} | owner.deps
    if is_test(relative):
        allowed |= owner.test_deps
    problems = []
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        included = match.group(1)
        line = text.count("\n", 0, match.start(1)) + 1
        if included.startswith("."):
            problems.append(f'src/{relative}:{line}: "{included}" is relative; include from src/')
            continue
        top = included.split("/")[0]
        if "/" not in included or not (source / top).is_dir():
            continue  # a file beside this one, or a library's header
        target = module_of(included, modules)
        if is_test(included) and not is_test(relative):
            problems.append(f'src/{relative}:{line}: "{included}" is for tests only')
        elif target is None:
            problems.append(f'src/{relative}:{line}: "{included}" belongs to no module that is built')
        elif target.name not in allowed:
            problems.append(f'src/{relative}:{line}: "{included}" is of module {target.name}, '
                            f'which is not in the DEPS of {owner.name}')
    return problems


def check_modules(modules):
    names = {m.name for m in modules}
    problems = []
    for module in modules:
        for dep in sorted((module.deps | module.test_deps) - names):
            problems.append(f"src/{module.folder}: depends on {dep}, which is no module")
    return problems


def check(source, modules):
    files = sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cc"))
    problems = check_modules(modules)
    for path in files:
        problems += check_file(source, path, modules)
    return files, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--layers", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    modules = read_modules(arguments.layers.read_text())
    if not modules:
        print("check_layers: the layers file names no module", file=sys.stderr)
        return 1
    files, problems = check(arguments.source, modules)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"layers: {len(files)} files, {len(modules)} modules, every include allowed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
