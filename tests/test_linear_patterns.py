"""Every regular expression that sees text of others takes time in proportion to the text's length."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gonogo

ROOT = Path(gonogo.__file__).parent
BOUNDED = ("_FORGIVEN",)  # tried on a few hundred characters at most
ELSEWHERE = ("execution", "tracker")  # these rooms have tests of their own for what comes from outside
METHODS = ("match", "fullmatch")
UNITS = [
    " ",
    "\n",
    "a",
    "0",
    "_",
    ".",
    "-",
    "/",
    "\\",
    "'",
    '"',
    "(",
    "[",
    "{",
    "$",
    "#",
    ",",
    ":",
    "=",
    "*",
    "<",
    ". ",
    ", ",
    '\\"',
    "${",
    " \n",
]
SHORT, FACTOR = 1500, 6
MOST = 20.0  # times as long for a text of six times the length; a quadratic one takes 36
END = "\0!"  # what no pattern takes
WORTH = 0.03  # seconds of processor time below which nothing is to be told


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] not in ELSEWHERE:
            name = ".".join(("gonogo", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            yield name, ast.parse(path.read_text("utf-8"))


def _called_by(trees: list[ast.Module]) -> dict[str, set[str]]:
    """How each constant is used: `NAME.match(…)`."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.setdefault(node.value.id, set()).add(node.attr)
    return found


def _flags(call: ast.Call) -> int:
    names = (
        node.attr
        for part in (*call.args[1:], *(each.value for each in call.keywords))
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute)
    )
    return sum({int(getattr(re, name)) for name in names if isinstance(getattr(re, name, None), re.RegexFlag)})


@functools.lru_cache(maxsize=1)
def _patterns() -> dict[str, tuple[re.Pattern[str], frozenset[str]]]:
    sources = dict(_sources())
    used = _called_by(list(sources.values()))
    found = {}
    for module, tree in sources.items():
        if module.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module)).items():
            entries = value if isinstance(value, (tuple, list)) else [value]
            entries = [part for entry in entries for part in (entry if isinstance(entry, (tuple, list)) else [entry])]
            for number, entry in enumerate(entries):
                if isinstance(entry, re.Pattern) and isinstance(entry.pattern, str) and name not in BOUNDED:
                    found.setdefault(f"{name}-{number}-{zlib.crc32(entry.pattern.encode()) % 1000}", (entry, frozenset(used.get(name, ()))))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
                continue
            first = node.args[0] if node.args else None
            if (
                node.func.value.id == "re"
                and node.func.attr != "compile"
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                found[f"{module}:{node.lineno}"] = (re.compile(first.value, _flags(node)), frozenset({node.func.attr}))
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each pattern; they are not looked for where slow tests are left out."""
    left_out = metafunc.config.getoption("markexpr") == "not slow"
    metafunc.parametrize("name", ["(left out)"] if left_out else _patterns())


def _seconds(pattern: re.Pattern[str], methods: frozenset[str], text: str) -> float:
    started = time.process_time()
    if methods and methods <= set(METHODS):
        for method in methods:
            getattr(pattern, method)(text)
    else:
        for _ in pattern.finditer(text):
            pass
    return time.process_time() - started


def _check(pattern: re.Pattern[str], methods: frozenset[str], start: str, unit: str) -> None:
    long = start + unit * (SHORT * FACTOR // len(unit)) + END
    if _seconds(pattern, methods, long) < WORTH:
        return
    short = start + unit * (SHORT // len(unit)) + END
    # The least of several: what else the machine does can only make it longer.
    once = min(_seconds(pattern, methods, short) for _ in range(5))
    often = min(_seconds(pattern, methods, long) for _ in range(5))
    assert often < WORTH or often < MOST * once, f"{pattern.pattern!r}: {start!r} and {unit!r} repeated: {once:.4f} s, {often:.4f} s"


@pytest.mark.slow
def test_time_is_in_proportion_to_length(name: str) -> None:
    pattern, methods = _patterns()[name]
    words = re.findall(r"[A-Za-z]{3,}(?: [a-z]+)*", pattern.pattern)[:8]
    for start in ("", "0", *words[:1]):
        for unit in [*UNITS, *(f"{word} " for word in words)]:
            _check(pattern, methods, start, unit)

    @settings(max_examples=4, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def repeated_parts_of_what_matches(data: st.DataObject) -> None:
        example = data.draw(st.from_regex(pattern))
        first, last = sorted((data.draw(st.integers(0, len(example))), data.draw(st.integers(0, len(example)))))
        for start, unit in (
            ("", example),
            (example, example),
            (example[:first], example[first:last]),
            (example[:last], example[first:last]),
        ):
            if 0 < len(unit) < SHORT // 4:
                _check(pattern, methods, start, unit)

    repeated_parts_of_what_matches()
