"""RUN106."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.project.config_places import paths_of
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, text_of
from gonogo.documents.yaml import KeyPath
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule

# Keys that decide which rows are test rows.
SPLITS = re.compile(
    r"^(?:split_?(?:seed|random_state|index|id)|(?:test|eval)_?(?:fraction|size|ratio|share|split|subset|part)"
    r"|(?:cv_?)?fold(?:_?(?:index|id|number))?|hold_?out_?(?:fraction|size|ratio|seed))$",
    re.IGNORECASE,
)


@rule("RUN106", "splits-differ", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK)
def splits_differ(runs: list[Run], modules: dict[str, Module]) -> Iterator[Violation]:
    """The methods that are compared are scored on different test rows of the same data.

    What it does:
        Holds the run configs of one data set against each other. Speaks where a key that decides which rows are test rows (the seed of the
        split, the fold, the share or name of the test part) has one value in all runs of a method and another in all runs of another
        method, and the code reads it. Methods that have a value in common, such as one of several folds, are left alone.

    Why it matters:
        The difference between the methods is that of their test rows as well, and a paired test pairs rows that are not the same.

    Instead:
        Give all methods the same split, and repeat all of them where there are several.
    """
    if not all_parsed(modules):
        return
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if isinstance(run.document.value, dict) and (name := _data_of(run)) is not None:
            groups.setdefault(name, []).append(run)
    for alike in groups.values():
        for path in dict.fromkeys(path for run in alike for path in paths_of(run.document.value)):
            if SPLITS.match(str(path[-1])) and any(_is_read(module, str(path[-1])) for module in modules.values()):
                yield from _of_key(alike, path)


def _of_key(runs: list[Run], path: KeyPath) -> Iterator[Violation]:
    values: dict[str, set[str]] = {}
    for run in runs:
        method, value = run.document.get(run.section("method")), run.document.get(path)
        if not isinstance(method, str) or not isinstance(value, (str, int, float)) or "${" in str(value):
            return
        values.setdefault(method, set()).add(str(value))
    methods = sorted(values)
    for place, one in enumerate(methods):
        for other in methods[place + 1 :]:
            if not values[one] & values[other]:
                key = ".".join(map(str, path))
                named = {run.document.get(run.section("method")): run for run in runs}
                mine, theirs = (", ".join(quoted(sorted(values[method]))) for method in (one, other))
                yield Violation(
                    named[one].locate(path),
                    f"`{key}` is {mine} for {one!r} and {theirs} for {other!r}: they are scored on different rows",
                    f"give all methods the same `{path[-1]}`",
                    related=(Related(location=named[other].locate(path), label="the other method"),),
                    runs=(named[one].id, named[other].id),
                )
                return


def _data_of(run: Run) -> str | None:
    """The name of a run's data set; None where it has none."""
    section = run.document.get(run.section("dataset"))
    if isinstance(section, str):
        return section
    found = [section.get(key) for key in ("name", "dataset", "id", "path") if key in section] if isinstance(section, dict) else []
    return found[0] if found and isinstance(found[0], str) else None


def _is_read(module: Module, key: str) -> bool:
    if any(node.attr == key for node in module.of(ast.Attribute)):
        return True
    return any(text_of(node) == key for node in module.of(ast.Constant))


_PROPOSED, _BASELINE = "config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml"
_SEED, _SHARE = "  split_seed: 7\n", "  test_fraction: 0.2\n"
BAD = [
    Tree({_BASELINE: Edit(_SEED, "  split_seed: 8  # <- here\n")}),
    Tree({_BASELINE: Edit(_SHARE, "  test_fraction: 0.1  # <- here\n")}),
]
GOOD = [
    Tree({_BASELINE: Edit("  batch_size: 64\n", "  batch_size: 32\n")}),
    Tree({_BASELINE: Edit("  validation_fraction: 0.2\n", "  validation_fraction: 0.1\n")}),
    Tree({_BASELINE: Edit(_SEED, "  split_seed: 7\n  fold: 2\n"), _PROPOSED: Edit(_SEED, "  split_seed: 7\n  fold: 1\n")}),  # not read
]
