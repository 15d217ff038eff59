"""What a rule is, how its file declares it, and how rules are found and run.

A rule file holds one function under `@rule(...)`, whose parameters name the facts it needs (`gonogo.engine.facts`), whose docstring has the
headings *What it does*, *Why it matters* and *Instead*, and which yields a `Violation` for each thing it finds. Beside it stand `BAD` and
`GOOD`: small changes to the golden experiment (`tests/golden`) or, for rules about any program, small programs (`program`). The bad ones
make the rule fire once, on the line that ends with the marker; the good ones leave it silent. They are the test and the example.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from types import ModuleType

from gonogo.model.contract import Scope
from gonogo.model.finding import Cause, Certainty, Finding, Fix, Location, Related, Severity, Stage, fingerprint
from gonogo.system.plugins import named

GROUP = "gonogo.rules"  # entry points: modules with rules
MARKER = "  # <- here"
MOST_CHARACTERS, MOST_EVIDENCE = 2000, 8000  # of a finding's texts, into which an experiment's own may be taken
HEADINGS = ("What it does", "Why it matters", "Instead")


@dataclass(frozen=True)
class Violation:
    """What a rule found; the runner adds the rule's own data to make a `Finding` of it.

    Args:
        location: where.
        message: what is wrong, one sentence, the same for the same fault in several runs.
        action: what to do, an imperative without a full stop.
        related: other places that explain it.
        runs: ids of the runs concerned; none where it is not a matter of runs.
        evidence: what was seen: a tool's own words, a value.
        severity: set only where it differs from the rule's own.
        certainty: set only where it differs from the rule's own.
        cause: what it has in common with other findings, for reports to show them as one.
        fix: edits that should remove it.
    """

    location: Location
    message: str
    action: str
    related: tuple[Related, ...] = ()
    runs: tuple[str, ...] = ()
    evidence: str = ""
    severity: Severity | None = None
    certainty: Certainty | None = None
    cause: Cause | None = None
    fix: Fix | None = None


@dataclass(frozen=True)
class Edit:
    """A replacement of text that must stand exactly once in a file of the golden experiment."""

    old: str
    new: str


@dataclass(frozen=True)
class Tree:
    """A mini-tree: the golden experiment with changes, or a program of its own.

    Args:
        changes: by path: edits, a whole new text, or None to delete the file.
        at: the path of the expected finding where no line can carry the marker.
        plan: a text that replaces the golden plan.
        alone: the changes are all there is: no golden experiment, and no plan unless one is given.
    """

    changes: dict[str, tuple[Edit, ...] | Edit | str | None] = field(default_factory=dict)
    at: str | None = None
    plan: str | None = None
    alone: bool = False

    def apply(self, files: dict[str, str]) -> dict[str, str]:
        """The golden files with these changes; markers are kept.

        Raises:
            ValueError: an edit whose text is not there exactly once.
        """
        changed = {} if self.alone else dict(files)
        for path, change in self.changes.items():
            if change is None:
                del changed[path]
            elif isinstance(change, str):
                changed[path] = change
            else:
                for edit in (change,) if isinstance(change, Edit) else change:
                    count = changed[path].count(edit.old)
                    if count != 1:
                        raise ValueError(f"{path}: the text of an edit stands there {count} times: {edit.old!r}")
                    changed[path] = changed[path].replace(edit.old, edit.new)
        return changed


def program(text: str, **others: str) -> Tree:
    """A mini-tree that is a program of its own: `train.py`, and other files by their names without `.py`."""
    return Tree({"train.py": text, **{f"{name}.py": other for name, other in others.items()}}, alone=True)


def notebook(*cells: str | tuple[str, int | None]) -> Tree:
    """Make a mini-tree that is a notebook of its own, `analysis.ipynb`.

    It has code cells, each optionally with the number of its last run.
    """
    numbered = [(cell, None) if isinstance(cell, str) else cell for cell in cells]
    listed: list[dict[str, object]] = [
        {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": [], "source": source.splitlines(keepends=True)}
        for source, count in numbered
    ]
    text = json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}, indent=1)
    return Tree({"analysis.ipynb": text}, at="analysis.ipynb", alone=True)


@dataclass(frozen=True)
class Rule:
    """A rule: what the catalogue says of it, and the function that finds.

    Attributes:
        criterion: number of the contract's criterion, None where it is none's.
        certainty: of its findings; None: proven for stages that run the experiment, derived for errors, else likely.
        scope: what it needs of an experiment.
        settles: kinds of claims of an AI reviewer that its findings confirm.
        facts: names of the facts that it asks for.
        again: later stages at which it looks once more; the fact `session` is that of the stage at hand.
    """

    id: str
    slug: str
    criterion: int | None
    severity: Severity
    stage: Stage
    preview: bool
    certainty: Certainty | None
    scope: Scope
    settles: tuple[str, ...]
    facts: tuple[str, ...]
    find: Callable[..., Iterable[Violation]]
    module: str
    again: tuple[Stage, ...] = ()

    def speaks_at(self, stage: Stage) -> bool:
        """Whether it looks at what a stage saw."""
        return stage is self.stage or stage in self.again

    def finding(self, violation: Violation, line: str, stage: Stage | None = None) -> Finding:
        """The finding that a violation is.

        Args:
            violation: what the rule yielded.
            line: the text of its line, which the fingerprint is made of.
            stage: the stage at hand, where it is not the rule's first.
        """
        severity, certainty = self.weigh(violation)
        return Finding(
            rule=self.id,
            slug=self.slug,
            severity=severity,
            certainty=certainty,
            criterion=self.criterion,
            stage=stage or self.stage,
            message=_cut(violation.message),
            action=_cut(violation.action),
            location=violation.location,
            related=list(violation.related),
            runs=list(violation.runs),
            evidence=_cut(violation.evidence, MOST_EVIDENCE),
            cause=violation.cause,
            fix=violation.fix,
            fingerprint=fingerprint(self.id, violation.location.path, line, violation.message),
        )

    def weigh(self, violation: Violation) -> tuple[Severity, Certainty]:
        """How much a violation weighs, and how sure it is."""
        severity = violation.severity or self.severity
        certainty = violation.certainty or self.certainty or self._usual_certainty(severity)
        if certainty is Certainty.LIKELY and severity is Severity.ERROR:
            severity = Severity.WARNING  # what is only likely never blocks
        return severity, certainty

    def _usual_certainty(self, severity: Severity) -> Certainty:
        if self.stage.runs_code:
            return Certainty.PROVEN
        return Certainty.DERIVED if severity is Severity.ERROR else Certainty.LIKELY

    @property
    def documentation(self) -> str:
        """The docstring, dedented."""
        return inspect.getdoc(self.find) or ""

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.documentation.partition("\n")[0]

    def sections(self) -> dict[str, str]:
        """The text under each heading of the docstring."""
        parts = re.split(rf"^({'|'.join(HEADINGS)}):\s*", self.documentation, flags=re.MULTILINE)
        return {heading: " ".join(text.split()) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}

    def examples(self) -> tuple[list[Tree], list[Tree]]:
        """The mini-trees `BAD` and `GOOD` of the rule's file."""
        module = importlib.import_module(self.module)
        return _trees(module, "BAD"), _trees(module, "GOOD")


def _cut(text: str, most: int = MOST_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _trees(module: ModuleType, name: str) -> list[Tree]:
    value = getattr(module, name, [])
    return [value] if isinstance(value, Tree) else list(value)


_DECLARED: dict[str, Rule] = {}


def rule(
    rule_id: str,
    slug: str,
    *,
    criterion: int | None,
    severity: Severity,
    stage: Stage,
    preview: bool = False,
    certainty: Certainty | None = None,
    scope: Scope = Scope.RUNS,
    settles: Iterable[str] = (),
    again: Iterable[Stage] = (),
) -> Callable[[Callable[..., Iterable[Violation]]], Callable[..., Iterable[Violation]]]:
    """Declare the decorated function to be a rule.

    Args:
        rule_id: family code and number, never used before.
        slug: two or three words with dashes.
        criterion: number of the contract's criterion, None where it is none's.
        severity: of its findings, unless a `Violation` says otherwise.
        stage: the first stage at which its facts are known.
        preview: off unless selected by name.
        certainty: see `Rule`.
        scope: what it needs of an experiment: documented runs, a Hydra program, or any program.
        settles: kinds of claims of an AI reviewer that its findings confirm.
        again: later stages at which it looks once more.
    """

    def declare(function: Callable[..., Iterable[Violation]]) -> Callable[..., Iterable[Violation]]:
        if rule_id in _DECLARED and _DECLARED[rule_id].module != function.__module__:
            raise ValueError(f"{rule_id} is declared in {_DECLARED[rule_id].module} and in {function.__module__}")
        facts = tuple(inspect.signature(function).parameters)
        _DECLARED[rule_id] = Rule(
            rule_id,
            slug,
            criterion,
            severity,
            stage,
            preview,
            certainty,
            scope,
            tuple(settles),
            facts,
            function,
            function.__module__,
            tuple(again),
        )
        return function

    return declare


@lru_cache(maxsize=1)
def all_rules() -> dict[str, Rule]:
    """Every rule of the package, and of the modules that installed packages name, by id in order."""
    package = importlib.import_module("gonogo.rules")
    for module in pkgutil.walk_packages(package.__path__, "gonogo.rules."):
        importlib.import_module(module.name)
    for name in named(GROUP).values():
        importlib.import_module(name)
    return dict(sorted(_DECLARED.items()))


def settling() -> dict[str, tuple[str, ...]]:
    """Return the ids of the rules whose findings confirm a reviewer's claim, by the claim's kind.

    If such a rule reports nothing, that counts, too.
    """
    found: dict[str, list[str]] = {}
    for entry in all_rules().values():
        for kind in entry.settles:
            found.setdefault(kind, []).append(entry.id)
    return {kind: tuple(ids) for kind, ids in found.items()}


def select(patterns: Iterable[str], ignored: Iterable[str]) -> list[Rule]:
    """Return the rules whose id or slug starts with one of `patterns`.

    Without patterns, these are all rules except previews. Rules that match `ignored` are removed.

    Raises:
        LookupError: a pattern that matches no rule.
    """
    rules = all_rules().values()
    wanted, unwanted = list(patterns), list(ignored)
    for pattern in [*wanted, *unwanted]:
        if not any(matches(entry, pattern) for entry in rules):
            raise LookupError(pattern)

    def chosen(entry: Rule) -> bool:
        if any(matches(entry, pattern) for pattern in unwanted):
            return False
        return any(matches(entry, pattern) for pattern in wanted) if wanted else not entry.preview

    return [entry for entry in rules if chosen(entry)]


def nearest_names(pattern: str) -> list[str]:
    """Ids and slugs that a name which matches no rule was perhaps meant to be, the likeliest first."""
    names = [name for entry in all_rules().values() for name in (entry.id, entry.slug)]
    return get_close_matches(pattern, names, n=3) or get_close_matches(pattern.upper(), names, n=3)


def matches(entry: Rule, pattern: str) -> bool:
    """Whether an id, the beginning of one, or a slug means a rule."""
    return bool(pattern) and (entry.id.startswith(pattern.upper()) or entry.slug == pattern)


def at(path: str, line: int | None = None) -> Location:
    """A location that is a whole file or a whole line."""
    return Location(path=path, line=line, end_line=line)


def quoted(names: Iterable[str], most: int = 6) -> Iterator[str]:
    """Names in backticks, at most so many, then how many more."""
    listed = list(names)
    yield from (f"`{name}`" for name in listed[:most])
    if len(listed) > most:
        yield f"{len(listed) - most} more"
