"""Trees of texts: the golden experiments, and how an operator drafts a change of one."""

from __future__ import annotations

import ast
import fnmatch
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (Path(__file__).parent / "golden", ROOT / "tests")
HERE = "§"  # stands, while a tree is drafted, on every line where the finding may rightly be
SUFFIXES = (".py", ".yaml", ".toml")


class DoesNotFitError(Exception):
    """The operator finds nothing in this tree that it could change."""


@dataclass(frozen=True)
class Golden:
    """An experiment without a fault: its files by path, and the text of its plan."""

    name: str
    files: dict[str, str]
    plan: str


def load_goldens() -> list[Golden]:
    """Every golden experiment of the benchmark, and the one of the tests."""
    plans = sorted(path for folder in FOLDERS for path in folder.glob("*.plan.yaml"))
    return [load(path) for path in plans]


def load(plan: Path) -> Golden:
    """The experiment beside a plan."""
    folder = plan.with_name(plan.name.removesuffix(".plan.yaml"))
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and ".cache" not in path.parts)
    files = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}
    return Golden("tests/golden" if folder.name == "golden" else folder.name, files, plan.read_text("utf-8"))


@dataclass(frozen=True)
class Variant:
    """A tree made from a golden one.

    Args:
        golden: the name of the tree it was made from.
        operator: what was done.
        rule: the id of the rule that should speak; None where nothing is wrong with the tree.
        places: where it should: any of these paths and lines (None: anywhere in the file).
    """

    golden: str
    operator: str
    files: dict[str, str]
    plan: str
    rule: str | None = None
    places: tuple[tuple[str, int | None], ...] = ()


@dataclass
class Draft:
    """A golden tree under change. Texts that are put in may hold `HERE` on the lines where a finding is expected."""

    golden: Golden
    rng: random.Random
    files: dict[str, str] = field(init=False)
    plan: str = field(init=False)
    whole: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files, self.plan = dict(self.golden.files), self.golden.plan

    def paths(self, pattern: str) -> list[str]:
        """The files whose path matches a pattern (several with `|`), in order."""
        return [path for path in sorted(self.files) if any(fnmatch.fnmatchcase(path, part) for part in pattern.split("|"))]

    def run_file(self, start: str = "proposed") -> str:
        """The run config whose id begins so."""
        return self.paths(f"config/run/{start}*.yaml")[0]

    def text(self, pattern: str) -> str:
        """The texts of the files that match, one after the other."""
        return "\n".join(self.files[path] for path in self.paths(pattern))

    def change(self, pattern: str, old: str, new: str | Callable[[re.Match[str]], str], *, every: bool = False) -> None:
        """Replace one match of a regular expression, chosen at random, or every match.

        Raises:
            DoesNotFitError: there is no match.
        """
        found = [(path, match) for path in self.paths(pattern) for match in re.finditer(old, self.files[path], re.MULTILINE)]
        if not found:
            raise DoesNotFitError(old)
        for path, match in reversed(found if every else [self.rng.choice(found)]):
            text = self.files[path]
            self.files[path] = text[: match.start()] + (new(match) if callable(new) else match.expand(new)) + text[match.end() :]

    def need(self, condition: object) -> None:
        """Give up unless a condition holds."""
        if not condition:
            raise DoesNotFitError

    def choose(self, entries: Iterator[ast.AST] | list[ast.AST]) -> ast.AST:
        """One of these nodes."""
        listed = list(entries)
        self.need(listed)
        return self.rng.choice(listed)

    def splice(self, path: str, node: ast.AST, new: str) -> None:
        """Put a text in the place of a node."""
        start, end = span(self.files[path], node)
        self.files[path] = self.files[path][:start] + new + self.files[path][end:]

    def add_import(self, path: str, line: str) -> None:
        """Import something, after the docstring of a module, unless it is there."""
        if not re.search(rf"^{re.escape(line)}$", self.files[path], re.MULTILINE):
            self.change(path, r"\A(\"\"\"(?:.|\n)*?\"\"\"\n)", rf"\1\n{line}\n")

    def expect(self, path: str) -> None:
        """Expect the finding anywhere in a file."""
        self.whole.append(path)

    def finish(self, operator: str, rule: str | None) -> Variant:
        """The tree, without marks, and where they stood."""
        places: list[tuple[str, int | None]] = [(path, None) for path in self.whole]
        for path, text in self.files.items():
            places += [(path, number) for number, line in enumerate(text.split("\n"), 1) if HERE in line]
            self.files[path] = text.replace(HERE, "")
        assert bool(places) == (rule is not None), f"{operator}: {places}"
        changed = self.files != self.golden.files or self.plan != self.golden.plan
        assert changed, f"{operator} leaves the tree {self.golden.name} as it is"
        return Variant(self.golden.name, operator, self.files, self.plan, rule, tuple(places))


def span(text: str, node: ast.AST) -> tuple[int, int]:
    """Where a node begins and ends in a text, as offsets of characters."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(number: int, column: int) -> int:
        return starts[number - 1] + len(lines[number - 1].encode()[:column].decode())

    return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


def functions(text: str) -> list[ast.FunctionDef]:
    """The functions on the top level of a module."""
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


Plant = Callable[[Draft], None]


@dataclass(frozen=True)
class Operator:
    """A way to plant a defect (with a rule), or to write the same in another way (without)."""

    name: str
    rule: str | None
    plant: Plant

    def apply(self, golden: Golden, seed: int) -> Variant | None:
        """The changed tree, None where the operator does not fit; the same for the same seed."""
        draft = Draft(golden, random.Random(f"{seed}/{self.name}/{golden.name}"))
        try:
            self.plant(draft)
        except DoesNotFitError:
            return None
        return draft.finish(self.name, self.rule)


OPERATORS: list[Operator] = []
REFACTORINGS: list[Operator] = []


def plants(rule: str) -> Callable[[Plant], Plant]:
    """Enter a function as an operator that plants a defect for this rule to find."""

    def enter(function: Plant) -> Plant:
        OPERATORS.append(Operator(f"{rule} {function.__name__}", rule, function))
        return function

    return enter


def refactors(function: Plant) -> Plant:
    """Enter a function as a refactoring, after which nothing may be found."""
    REFACTORINGS.append(Operator(function.__name__, None, function))
    return function
