"""Other checkers on the same trees: does one say something new on the line of the defect?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.planted.trees import Variant

# (number of the tree, path, line, what is said)
Message = tuple[int, str, int, str]
LINE = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):(?:\d+:)? *(?P<text>.+)$")


def _located(root: Path, path: str, line: int, text: str) -> Message | None:
    """A message whose path lies in one of the numbered folders below the root."""
    try:
        number, _, inner = Path(path).resolve().relative_to(root).as_posix().partition("/")
    except ValueError:
        return None
    return int(number), inner, line, text


def _ruff(root: Path) -> Iterator[Message | None]:
    """Ruff with all its rules, without any configuration."""
    from ruff.__main__ import find_ruff_bin

    command = [
        find_ruff_bin(),
        "check",
        "--isolated",
        "--select",
        "ALL",
        "--preview",
        "--no-cache",
        "--exit-zero",
        "--output-format",
        "json",
        str(root),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for entry in json.loads(done.stdout):
        yield _located(root, entry["filename"], entry["location"]["row"], f"{entry['code']} {entry['message']}")


def _torch_preflight(root: Path) -> Iterator[Message | None]:
    """torch-preflight with all its rules; it ends with another exit code where it finds something."""
    done = subprocess.run(["torch-preflight", "check", "-f", "json", str(root)], capture_output=True, text=True, check=False)
    for entry in json.loads(done.stdout)["diagnostics"]:
        yield _located(root, entry["path"], entry["line"], f"{entry['code']} {entry['message']}")


def _lines(*command: str) -> Callable[[Path], Iterator[Message | None]]:
    """A checker that prints `path:line:column: message`, one a line, run once in each tree."""

    def run(root: Path) -> Iterator[Message | None]:
        for folder in sorted(root.iterdir()):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
            for line in (done.stdout + done.stderr).splitlines():
                if match := LINE.match(line):
                    yield _located(root, str(folder / match["path"]), int(match["line"]), match["text"])

    return run


CHECKERS: dict[str, Callable[[Path], Iterator[Message | None]]] = {
    "ruff": _ruff,
    "torchfix": _lines("torchfix", "--select=ALL", "src"),
    "torch-preflight": _torch_preflight,
    "hydrust": _lines("hydrust", "check", "-f", "compact", "-v", "error", "-p", sys.executable, "."),
    "pylint": _lines("pylint", "--disable=C,R", "--output-format=parseable", "--recursive=y", "src"),
    "mypy": _lines("mypy", "--ignore-missing-imports", "--check-untyped-defs", "--show-column-numbers", "--no-error-summary", "src"),
}


def run_others(names: list[str], clean: list[Variant], planted: list[Variant]) -> dict[str, Counter[str] | str]:
    """For each checker: how many defects of each rule it has something new to say about; or why it was not run."""
    return {name: _run(name, clean, planted) for name in names}


def _run(name: str, clean: list[Variant], planted: list[Variant]) -> Counter[str] | str:
    if name not in CHECKERS:
        return f"not run, it is not one of {', '.join(CHECKERS)}"
    if name != "ruff" and shutil.which(name) is None:
        return "not run, there is no such command here"
    trees = [*clean, *planted]
    said: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for number, variant in enumerate(trees):
            for path, text in variant.files.items():
                file = root / str(number) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        try:
            for message in CHECKERS[name](root):
                if message is not None:
                    said[message[0]].append(message[1:])
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            return f"not run to its end ({type(error).__name__})"
    known = {variant.golden: Counter(_kind(path, text) for path, _, text in said[number]) for number, variant in enumerate(clean)}
    found: Counter[str] = Counter()
    for number, variant in enumerate(planted, len(clean)):
        # What is said as often of the tree without the defect is not about the defect, wherever it has moved to.
        now = Counter(_kind(path, text) for path, _, text in said[number])
        new = {(path, line) for path, line, text in said[number] if now[_kind(path, text)] > known[variant.golden][_kind(path, text)]}
        if variant.rule is not None and any(place in variant.places or (place[0], None) in variant.places for place in new):
            found[variant.rule] += 1
    return found


def _kind(path: str, text: str) -> tuple[str, str]:
    """A message without its numbers: a line that was too long and has grown is no news."""
    return path, re.sub(r"\d+", "", text)
