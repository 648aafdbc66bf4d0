#!/usr/bin/env python3
"""Lints of the project's own laws: module layering, sans-I/O purity, coroutine bugs of g++ 12, wording, format.

Each check takes (path, text) of a tracked file and yields (line, message). Exit 1 if anything is found.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# DESIGN: one direction; siblings never include each other; only gateway composes.
MAY_INCLUDE = {
    "core": set(),
    "policy": {"core"},
    "http": {"core"},
    "dns": {"core"},
    "tls": {"core"},
    "nft": {"core"},
    "sandbox": {"core"},
    "audit": {"core"},
    "config": {"core", "policy", "dns", "tls", "nft", "audit", "http"},
    "gateway": {"core", "policy", "dns", "tls", "nft", "audit", "http", "config", "sandbox"},
}
SANS_IO = {"core", "policy", "http", "dns", "tls", "nft"}  # their io/ folders excepted
IO_HEADER = re.compile(r'#include\s+<(boost/asio|boost/beast|sys/socket\.h|arpa/inet\.h|netinet/in\.h|netdb\.h)')
INCLUDE = re.compile(r'#include\s+"([a-z_0-9]+)/')


def cxx(path):
    return path.suffix in {".cpp", ".hpp"}


def module_of(path):
    return path.parts[0] if len(path.parts) > 1 else ""


def check_layering(path, text):
    module = module_of(path)
    if not cxx(path) or module not in MAY_INCLUDE:
        return
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found and found[1] in MAY_INCLUDE and found[1] != module and found[1] not in MAY_INCLUDE[module]:
            yield number, f"{module} must not include {found[1]}"


def check_sans_io(path, text):
    module = module_of(path)
    if not cxx(path) or module not in SANS_IO or "io" in path.parts[:-1]:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if IO_HEADER.match(line):
            yield number, "protocol logic is sans-I/O: this header belongs in an io/ folder"
        if re.match(rf'#include\s+"{module}/io/', line):
            yield number, "protocol logic must not include its I/O"


def statements(text):
    """Yields (line, statement) roughly as the compiler's full expressions: split at ; { } outside of strings and parentheses."""
    text = re.sub(r'//[^\n]*', '', text)
    text = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m[0]), text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    start, depth, line, begin_line = 0, 0, 1, 1
    for i, c in enumerate(text):
        if c == "\n":
            line += 1
        if c in "([":
            depth += 1
        elif c in ")]":
            depth = max(0, depth - 1)
        elif (c in ";" and depth == 0) or (c in "{}" and depth == 0):
            yield begin_line, text[start:i]
            start, begin_line = i + 1, line
    yield begin_line, text[start:]


def check_coroutines(path, text):
    if not cxx(path) or "co_await" not in text:
        return
    for number, statement in statements(text):
        awaits = statement.count("co_await")
        if awaits == 0:
            continue
        if awaits > 1:
            yield number, "more than one co_await in a statement"
        after = statement[statement.index("co_await"):]
        if re.search(r'\[[&=\w\s,*]*\]\s*(\([^)]*\))?\s*(mutable\s*)?(->\s*\w+\s*)?\{', after):
            yield number, "a lambda inside an awaited expression (g++ 12 corrupts its captures): name it first"
        if re.search(r'[\w>]\s*\{[^}]', after):
            yield number, "an aggregate or braced temporary in an awaited expression: name it first"
        if re.search(r'\?[^;]*:', statement) and "co_await" in statement.split("?", 1)[-1]:
            yield number, "co_await inside a ternary"


COROUTINE_HEADER = re.compile(r'\s*#\s*include\s*[<"]boost/asio(/(impl/)?(awaitable|use_awaitable|co_spawn)|/experimental/.*)?\.hpp')


def check_frames(path, text):
    if not cxx(path) or path == Path("core/io/coroutine.hpp"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if COROUTINE_HEADER.match(line):
            yield number, 'Asio\'s coroutines come from "core/io/coroutine.hpp": frames must be freed where they were taken'


# Nothing of a workplace and no registry's host goes into the project.
FORBIDDEN = re.compile("|".join([
    r"registry\.npm" r"js\.org", r"npm" r"js\.com", r"py" r"pi\.org", r"files\.python" r"hosted", r"index\.crates" r"\.io", r"static\.crates" r"\.io",
    r"proxy\.go" r"lang\.org", r"sum\.go" r"lang\.org", r"repo1?\.maven", r"repo\.maven", r"deb\.deb" r"ian\.org", r"security\.deb" r"ian\.org",
    r"/wo" r"rk/(main|wt|shared)", r"farm-" r"(bench|studio)",
]))


def check_wording(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = FORBIDDEN.search(line)
        if found:
            yield number, f"'{found[0]}' must not stand in the project"


def check_shape(path, text):
    if not cxx(path):
        return
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > 130:
            yield number, f"{len(line)} columns, 130 at most"
        if line != line.rstrip():
            yield number, "trailing white space"
    if path.suffix == ".hpp" and "#pragma once" not in lines[:3]:
        yield 1, "no #pragma once"
    if len(lines) > 600:
        yield 1, f"{len(lines)} lines: split the file"


def check_metrics(path, text):
    """Every metric named in the docs exists in the code."""
    if path.suffix != ".md":
        return
    code = (ROOT / "audit" / "metrics.cpp").read_text()
    for number, line in enumerate(text.splitlines(), 1):
        for name in re.findall(r"\bcofferdam_[a-z_]+(?:_total|_seconds|_connections|_depth|_info)\b", line):
            if name not in code:
                yield number, f"no such metric: {name}"


def check_named_tests(path, text):
    """Every `FILE::TEST` below tests/ that the docs name exists; of GoogleTest's, TEST is suite.name."""
    if path.suffix != ".md":
        return
    for number, line in enumerate(text.splitlines(), 1):
        for file, test in re.findall(r"`([\w/]+\.(?:py|cpp))::([\w.]+)`", line):
            source = ROOT / "tests" / file
            suite, _, name = test.rpartition(".")
            wanted = rf"^TEST(_F|_P)?\({suite}, {name}\)" if suite else rf"^def {name}\("
            if not source.is_file() or not re.search(wanted, source.read_text(), re.M):
                yield number, f"no such test: {file}::{test}"


CHECKS = [check_layering, check_sans_io, check_coroutines, check_frames, check_wording, check_shape, check_metrics, check_named_tests]


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(p) for p in out.stdout.splitlines() if (ROOT / p).is_file()]


def lint(paths):
    findings = 0
    for path in paths:
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        for check in CHECKS:
            for line, message in check(path, text) or ():
                print(f"{path}:{line}: {message}")
                findings += 1
    return findings


def format_findings(paths):
    sources = [str(p) for p in paths if cxx(p)]
    done = subprocess.run(["clang-format-14", "--dry-run", "--Werror", *sources], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr[-4000:])
        print("clang-format: run  git ls-files '*.cpp' '*.hpp' | xargs clang-format-14 -i")
    return done.returncode


def main():
    paths = tracked()
    findings = lint(paths)
    formatted = format_findings(paths)
    print(f"lint: {len(paths)} files, {findings} findings")
    return 1 if findings or formatted else 0


if __name__ == "__main__":
    sys.exit(main())
