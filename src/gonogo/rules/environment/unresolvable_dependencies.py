"""ENV105."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gonogo.execution.uv import Refusal
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule

if TYPE_CHECKING:  # only a stage that runs code makes one: a check that runs nothing is spared what it imports
    from gonogo.execution.environment import Environment

SURE = ("unreadable", "unresolvable")


@rule("ENV105", "unresolvable-dependencies", criterion=5, severity=Severity.ERROR, stage=Stage.TRIAL, settles=("dependency",))
def unresolvable_dependencies(environment: Environment | Refusal) -> Iterator[Violation]:
    """No set of versions fits the dependencies.

    What it does:
        Lets uv resolve the dependencies of `pyproject.toml`, as `uv sync` will do before every run, and reports uv's own reason where
        they contradict each other or name what does not exist. A package that can't be built on this machine is not counted.

    Why it matters:
        Without an environment nothing runs.

    Instead:
        Loosen the version that uv names, or correct the package's name.
    """
    if isinstance(environment, Refusal) and environment.kind in SURE:
        yield Violation(
            at("pyproject.toml"),
            "uv finds no versions that fit the dependencies" if environment.kind == "unresolvable" else "uv can't read pyproject.toml",
            "loosen the version or correct the name that uv speaks of",
            evidence=environment.reason,
        )


BAD = Tree({"pyproject.toml": Edit('    "numpy>=1.26",\n', '    "numpy>=1.26",\n    "numpy<1.20",\n')}, at="pyproject.toml")

GOOD = Tree()
